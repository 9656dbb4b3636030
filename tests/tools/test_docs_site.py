"""The site is made of the documents: links between them lead to pages, and to nothing that is not there."""

import re

import pytest

from tools import docs_site
from tools.docs_site import PARTS, ROOT, gather


@pytest.fixture
def gathered(tmp_path):
    gather(tmp_path)
    return tmp_path


def test_every_document_is_a_page_and_in_the_contents(gathered):
    pages = {path.stem for path in gathered.glob("*.md")}
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} < pages
    assert {"index", *" ".join(PARTS.values()).split()} == pages


def test_links_lead_to_pages_and_pictures_that_are_there(gathered):
    found = 0
    for page in gathered.glob("*.md"):
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
            if "://" not in target:
                assert (gathered / target).is_file(), f"{page.name}: {target}"
                found += 1
    assert found > 100


def test_a_link_to_what_is_not_there_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(docs_site, "ROOT", tmp_path)
    for name in ("docs", "results", "out"):
        (tmp_path / name).mkdir()
    for source in docs_site.PAGES.values():
        (tmp_path / source).write_text("[x](docs/gone.md)")
    with pytest.raises(ValueError, match=r"docs/gone\.md is not there"):
        gather(tmp_path / "out")

"""CITATION.cff and docs/citing.md agree with the package and with each other."""

import re
from pathlib import Path

import yaml

import serkit

ROOT = Path(__file__).parent.parent


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["cff-version"], citation["type"]) == ("1.2.0", "software")
    assert citation["version"] == serkit.__version__
    assert citation["authors"] == [{"name": "The serkit developers"}]
    assert f'license = "{citation["license"]}"' in (ROOT / "pyproject.toml").read_text()
    assert f"{{{serkit.__version__}}}" in (ROOT / "docs" / "citing.md").read_text()


def test_what_the_citation_refers_to_stands_in_the_bibtex_too():
    bibtex = " ".join((ROOT / "docs" / "citing.md").read_text().split())
    for reference in yaml.safe_load((ROOT / "CITATION.cff").read_text())["references"]:
        assert reference["title"].lower() in re.sub("[{}]", "", bibtex).lower()
        for author in reference["authors"]:
            assert f"{author['family-names']}, {author['given-names']}" in bibtex
        assert str(reference.get("doi", reference.get("url"))) in bibtex

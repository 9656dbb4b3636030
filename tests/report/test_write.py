"""Writing a report: whole files, one writer at a time, and how far the study is."""

import threading

import pytest

from benchmark import study as studies
from benchmark.report.write import assemble
from serkit.errors import ResultsUnwritable
from serkit.results import Store
from tests.made_results import made_result, put

STUDY = studies.from_toml(
    {
        "title": "One corpus",
        "corpora": {"one": {"reader": "synthetic"}},
        "table1": {"train": [["one"]]},
        "seeds": [0, 1],
        "model": {"width": 4, "weights": ""},
    },
    "study",
)
FIRST, SECOND = (made_result(case.spec, lambda *_: 0.5) for case in studies.plan(STUDY))


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "results" / "study")
    put(store, FIRST)
    return store


def test_an_interim_report_says_below_its_title_how_far_the_study_is(store, no_vega):
    said = "Interim: 1 of 2 done, 1 left; about 36 s left on 1 worker. What is missing is shown as --."
    text, _ = assemble(STUDY, store)
    assert text.split("\n\n")[:2] == ["One corpus", said]
    assert (store.folder / "report.md").read_text().split("\n\n")[1] == said
    assert f'<p class="caution" role="note">{said}</p>' in (store.folder / "index.html").read_text()
    put(store, SECOND)
    text, _ = assemble(STUDY, store)
    assert "Interim" not in text + (store.folder / "report.md").read_text()


def test_a_report_is_written_whole_by_one_at_a_time(store, numbers_only):
    assemble(STUDY, store)
    before = (store.folder / "report.md").read_text()
    put(store, SECOND)
    writing = threading.Thread(target=assemble, args=(STUDY, store), daemon=True)
    with store.locked("report"):
        writing.start()
        writing.join(0.5)
        assert writing.is_alive()
        assert (store.folder / "report.md").read_text() == before
    writing.join(20)
    assert (store.folder / "report.md").read_text() != before
    assert not list(store.folder.glob("*.draft"))


@pytest.mark.parametrize("name", ["report.md", "cells.csv", "table1.tex"])
def test_a_file_that_cannot_be_written_is_one_message(store, numbers_only, name):
    (store.folder / name).mkdir()
    with pytest.raises(ResultsUnwritable, match=rf"cannot be written to .*{name} .*SERKIT_RESULTS"):
        assemble(STUDY, store)

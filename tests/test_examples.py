"""The examples in the docstrings of the pure functions that are used most: each has one, and it runs."""

import doctest
import importlib

import pytest

SHOWN = [
    "benchmark.report.escape.markdown",
    "benchmark.report.exhibits.changes.letters",
    "benchmark.session.pace.lasting",
    "serkit.audio.trimmed",
    "serkit.loader.crop_starts",
    "serkit.corpora.reading.corpus.next_validates",
    "serkit.files.usual_number",
    "serkit.labels.corpus_of",
    "serkit.metrics.in_tail",
    "serkit.metrics.score",
    "serkit.settings.number",
    "serkit.words.did_you_mean",
    "serkit.words.many",
    "serkit.words.printable",
    "serkit.words.shown",
]


@pytest.mark.parametrize("name", SHOWN)
def test_the_example_runs(name):
    module = importlib.import_module(name.rpartition(".")[0])
    function = getattr(module, name.rpartition(".")[2])
    (test,) = doctest.DocTestFinder(recurse=False).find(function, name, globs=vars(module).copy())
    assert test.examples
    assert doctest.DocTestRunner().run(test).failed == 0

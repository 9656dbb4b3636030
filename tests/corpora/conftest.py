"""A corpus's tree, made once for the tests of its reader: by the test file's own `make` and `CASES`."""

import pytest

from serkit import corpora


@pytest.fixture(scope="module")
def data(request, tmp_path_factory):
    """The tree, wrapped in folders as a user's would be."""
    top = tmp_path_factory.mktemp("data")
    request.module.make(top)
    return top


@pytest.fixture(scope="module")
def loaded(request, data):
    """Reads the tree, once for all tests that only look: `loaded(options, place below the data folder)`."""
    name, kept = request.module.READER.__name__.rpartition(".")[2], {}

    def load(options=None, place="."):
        key = repr((place, options or {}))
        if key not in kept:
            kept[key] = corpora.load(name, data / place, options or {})
        return kept[key]

    return load


@pytest.fixture
def once():
    """Asks for the first case of each place."""


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        cases = metafunc.module.CASES
        if "once" in metafunc.fixturenames:  # a place, whatever the options
            cases = [*{place: (place, options) for place, options in reversed(cases)}.values()]
        ids = ["-".join([place, *map(str, options.values())]) for place, options in cases]
        metafunc.parametrize("case", cases, ids=ids)

"""Sessions by other engines, beside one by its own process."""

import pytest

from tests.made_sessions import begun


@pytest.fixture(scope="session")
def sessions(tmp_path_factory):
    return begun(tmp_path_factory)

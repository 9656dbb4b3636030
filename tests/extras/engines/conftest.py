"""Sessions by other engines, beside one by its own process."""

import pytest

from tests.made_sessions import sessions_in


@pytest.fixture(scope="session")
def sessions(tmp_path_factory):
    with sessions_in(tmp_path_factory) as sessions:
        yield sessions

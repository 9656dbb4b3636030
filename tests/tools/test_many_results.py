"""Very many results, in small: each is another run's, and whole."""

from serkit.results import Store
from tools.many_results import STUDY, make


def test_made_results_are_whole(tmp_path):
    size = make(tmp_path / STUDY, 3)
    found, unread = Store(tmp_path / STUDY).results()
    assert (len({result["key"] for result in found}), unread) == (3, [])
    assert size == sum(path.stat().st_size for path in tmp_path.rglob("result.json"))

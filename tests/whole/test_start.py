"""docs/start.md, typed from its second command on: what it writes is written, what it runs is run."""

import re
import textwrap

from tests.made_checkout import in_shell
from tests.test_docs import BLOCK, ROOT

DOCUMENT = ROOT / "docs" / "start.md"
FILES = {"net.py": "import torch\n", "mine.toml": "title = "}
"""What a reader is told to write, by how it begins."""


def blocks():
    return [textwrap.dedent(block) for block in BLOCK.findall(DOCUMENT.read_text(encoding="utf-8"))]


def written(folder):
    """Writes the files."""
    for name, begins in FILES.items():
        (block,) = (block for block in blocks() if block.startswith(begins))
        (folder / name).write_text(block, encoding="utf-8")


def test_what_is_typed_ends_in_the_table_that_is_shown(tmp_path):
    written(tmp_path)
    script = "".join(block for block in blocks() if re.match(r"python|export", block))
    done = in_shell(script, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "results" / "mine" / "index.html").exists()
    (shown,) = (block for block in blocks() if block.startswith("Trained on"))
    for row in (line.partition("  ")[0] for line in shown.splitlines()):  # numbers are of a kind of processor
        assert re.search(rf"^{re.escape(row)}  ", done.stdout, re.MULTILINE), row

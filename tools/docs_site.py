"""The documents as a site: `python -m tools.docs_site [FOLDER]` (make docs). Any warning is an error.

README, results/README.md and the like stay where a reader of the repository looks for them; here they become
pages, and links to them lead there. What else of the repository a link names stays as its name.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = {
    "index": "README.md",
    "results": "results/README.md",
    "contributing": "CONTRIBUTING.md",
    "changelog": "CHANGELOG.md",
}
PARTS = {
    "Use": "start corpora study encoders importing running scaling command-line",
    "Read": "findings reading-the-page reading-the-paper statistics controls worlds acoustics augmentation",
    "Trust": "reliability security performance footguns lab-log",
    "Look up": "results python contributing changelog citing",
}
API = "serkit.results_table serkit.trained serkit.results serkit.run serkit.specs serkit.errors"
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
SETTINGS = {
    "project": "serkit",
    "copyright": "the serkit developers",
    "extensions": ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"],
    "html_theme": "furo",
    "html_show_sphinx": False,
    "myst_heading_anchors": 4,
    "autodoc_member_order": "bysource",
    "autodoc_typehints": "description",
}


def gather(folder: Path) -> None:
    """Writes the pages as Sphinx reads them. Raises ValueError for a link to what is not there."""
    sources = PAGES | {path.stem: f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    names = {source: name for name, source in sources.items()}
    for name, source in sources.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        text = LINK.sub(partial(_led, source=source, names=names, folder=folder), text)
        (folder / f"{name}.md").write_text(text + (_contents() if name == "index" else ""), encoding="utf-8")
    modules = "".join(
        f"## {module}\n\n```{{eval-rst}}\n.. automodule:: {module}\n   :members:\n```\n\n"
        for module in API.split()
    )
    (folder / "python.md").write_text(f"# From Python\n\n{modules}", encoding="utf-8")


def _contents() -> str:
    trees = (f":caption: {part}\n\n" + "\n".join(pages.split()) for part, pages in PARTS.items())
    return "".join(f"\n```{{toctree}}\n:hidden:\n{tree}\n```\n" for tree in trees)


def _led(link: re.Match[str], source: str, names: dict[str, str], folder: Path) -> str:
    mark, words, target = link.groups()
    path, hash_, anchor = target.partition("#")
    if "://" in target or not path:
        return link[0]
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    if path in names:
        return f"[{words}]({names[path]}.md{hash_}{anchor})"
    if not (ROOT / path).exists():
        raise ValueError(f"{source}: {target} is not there")
    if not mark:
        return f"{words} (`{path}`)"
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / path, folder / path)
    return f"![{words}]({path})"


def main(to: Path) -> int:
    """Builds the site in a folder; its exit code."""
    from sphinx.application import Sphinx

    with tempfile.TemporaryDirectory() as gathered:
        gather(Path(gathered))
        cache = Path(gathered) / ".doctrees"
        site = Sphinx(gathered, None, to, cache, "html", SETTINGS, status=None, warningiserror=True)
        site.build()
        return site.statuscode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/docs")))

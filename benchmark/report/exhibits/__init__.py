"""Exhibits: a kind a file, found by name.

A kind of exhibit is a module with `PLACE`, a number by which kinds are ordered in a plan and in a report, and
`NAMES`: the exhibits of this kind, by the names of their tables in a study's file, each with its title; empty
for what is shown of every study. What a study asks for has as well

* `KEYS`: the keys of its table, each with the kind of its value (`benchmark.study_file`);
* `REFERENCE`: by name what `python -m benchmark study --reference` says of the table, and for each key a
  value, what it means (or the class whose docstring says it), and the settings that bound it, if any;
* `ask(name, table, study)`: its table, checked, as an object that says what it needs: `conditions(study)` to
  train, `tests` of each (empty: the training set's own), and `measurements`; as `benchmark.study.Grid` does.
  `study` has all but the exhibits that come later. Raises SpecError.

What is shown of it, from the results that are there; nothing of one that has no `numbers`:

* `numbers(study, cells, store)`: data frames by name, with every digit; none where there is nothing to show.
  Those whose name ends in `cells` are saved as CSV, those of one name below one another;
* `draw_tables(study, numbers)`: its tables (`benchmark.report.tables`). What draws averages nothing;
* `draw_figures(study, numbers, colours)`, only where it has any: names and pictures, by matplotlib;
* `sections(study, numbers)`: what the page shows of it.

Adding an exhibit is one such file and one test. Nothing heavy is imported before `numbers` (`serkit.later`):
a plan asks an exhibit for its runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Section:
    """A part of the page, whose `parts` are pairs of a macro of `page.html` and what it is called with.

    ("table", "table1") shows a table, ("files", "cells") offers numbers, ("picture", ("figure4", label,
    description)) shows a picture.
    """

    name: str  # its address on the page, which no part of `page.html` has
    parts: Sequence[tuple[str, Any]]
    link: str  # to it, in the page's list of its parts
    heading: str
    data: Mapping[str, Any] = field(default_factory=dict)  # for the page's script, by key

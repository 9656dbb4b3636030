"""Whether a bundle is whole: each result that it holds, with its table, and every run that its study asks."""

from __future__ import annotations

from pathlib import Path

from benchmark.study import Study, plan
from serkit.errors import ResultsUnreadable
from serkit.resultfile import BUNDLE, TABLE_OF
from serkit.results import Store, first_few, other_methods, with_specs
from serkit.specs import kind_of
from serkit.words import many, named


def checked(study: Study, path: Path) -> tuple[str, bool]:
    """What there is to say of a bundle, and whether it is whole: undamaged, with all runs of the study.

    Reads all of it: digests, results, and the table of each. Raises ResultsUnreadable: there is none.
    """
    if path.suffix != BUNDLE or not path.is_file():
        cure = f"write it first: python -m benchmark bundle {study.given}"
        raise ResultsUnreadable(f"no bundle {path}; expected a file that ends in {BUNDLE}, {cure}")
    store = Store(path)
    results, damaged = store.results()
    for result in results:
        try:
            store.table(result["key"], TABLE_OF[kind_of(result["spec"])])
        except ResultsUnreadable as error:
            damaged += [str(error)] if str(error) not in damaged else []
    done, cases = {spec.plan() for spec, _ in with_specs(results)}, plan(study)
    missing = [case.id for case in cases if case.spec not in done]
    said = [f"{path}: {many(len(results), 'result')}, {path.stat().st_size:,} bytes", *other_methods(results)]
    if missing:
        of = f"{len(missing):,} of {many(len(cases), 'case')} of study {study.given}"
        said.append(f"Missing: {of}: {named(missing)}")
    else:
        said.append(f"All {many(len(cases), 'case')} of study {study.given} are there")
    if damaged:
        said += ["Damaged:", *first_few(damaged)]
    else:
        said.append("All digests, results and tables are as they were written")
    return "\n".join(said), not (missing or damaged)

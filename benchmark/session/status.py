"""A study's progress in words, for `status`, the live display, interim reports and the page."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from benchmark.beside import RUN
from benchmark.session.pace import lasting, pace
from benchmark.session.progress import CUT_OFF, DONE, FAILED, HOST, MISSING, RUNNING, CaseState, Progress
from benchmark.study import Case
from serkit.errors import ResultsUnreadable
from serkit.merged import differing
from serkit.results import Store, left_out, other_methods
from serkit.words import filled, many, printable

NAMED = 8  # cases in a command that runs some again; more are not typed


def how_far(state: CaseState) -> str:
    """How far a running case is: ` 25%, epoch 2.5, loss 0.430, about 44 s left`."""
    last = state.last
    if "measured" in last:
        words = f"{last['measured']} of {last['of']} clips measured"
    elif "iteration" in last:
        words = f"{state.share:4.0%}, epoch {last['epoch']:g}, loss {last['loss']:.3f}"
    elif "resumed" in last:
        words = f"{state.share:4.0%}, goes on from there"
    else:
        words = "started"
    return words + (f", about {lasting(state.seconds_left)} left" if state.seconds_left else "")


def how_far_read(event: Mapping[str, Any]) -> str:
    """How far a corpus is."""
    return f"{event['packed']} of {event['of']} clips decoded" if "packed" in event else "reading the corpus"


def standing(seen: Sequence[CaseState]) -> str:
    """How far a study is, in a line.

    `37 of 105 done (1 diverged), 2 running, 66 left (1 failed, 2 cut off); about 16 min left on 2 workers`.
    """
    number = Counter(state.state for state in seen)
    diverged = len(_diverged(seen))
    words = f"{number[DONE]} of {len(seen)} done" + f" ({diverged} diverged)" * bool(diverged)
    if number[RUNNING]:
        words += f", {number[RUNNING]} running"
    if rest := len(seen) - number[DONE] - number[RUNNING]:
        ended = ", ".join(f"{number[name]} {name}" for name in (FAILED, CUT_OFF) if number[name])
        words += f", {rest} left" + f" ({ended})" * bool(ended)
    left = pace(seen).left(seen)
    return f"{words}; " + left.words(f" on {many(left.workers, 'worker')}")


def command(cases: Sequence[Case], study: str, results: str = "") -> str:
    """What runs some cases, as typed in a shell: each by its whole id; of none or many, all of the study.

    `study` is as the user asks for it, `results` the results folder if it is not the usual one.
    """
    chosen = f' -k "{" or ".join(f"[{case.id}]" for case in cases)}"' if 0 < len(cases) <= NAMED else ""
    where = f" --results={shlex.quote(results)}" if results else ""
    return f"{RUN} {study}{where}{chosen}"


def status(progress: Progress, seen: Sequence[CaseState], results: str = "") -> str:
    """What `python -m benchmark status` shows of what `progress` has seen; `results` as for `command`."""
    study = progress.study
    lines = filled(f"Study {study.given}: {standing(seen)}", others="  ").splitlines()
    width = max((len(state.case.id) for state in seen if state.state != MISSING), default=0)

    def listed(chosen: Iterable[CaseState], said: Callable[[CaseState], str]) -> list[str]:
        return [f"  {state.case.id:{width}}  {said(state)}".rstrip() for state in chosen]

    lines += listed([state for state in seen if state.state == RUNNING], _running)
    for name in (FAILED, CUT_OFF):
        if ended := [state for state in seen if state.state == name]:
            again = command([state.case for state in ended], study.given, results)
            lines += ["", f"{name.capitalize()}:", *listed(ended, _ended), f"Again: {again}"]
    if lost := [state for state in seen if state.state == DONE and state.failure]:
        lines += ["", "Done, and failed when run again; the earlier result stands:", *listed(lost, _ended)]
    if diverged := _diverged(seen):
        lines += ["", "Done, and diverged; every table leaves it out. Lower recipe.learning_rate:"]
        lines += [f"  {state.case.id}" for state in diverged]
    twice = differing(progress.store, _with_tests(progress.store, seen))
    for said in (other_methods(progress.others), twice, left_out(progress.unread)):
        lines += ["", *said] if said else []
    return printable("\n".join(lines))


def _with_tests(store: Store, seen: Iterable[CaseState]) -> Iterator[Mapping[str, Any]]:
    """What is kept of the results that bundles have, too, and their tests, which are read once."""
    bundled = {key for bundle in store.bundles() for key in bundle.keys}
    for kept in (state.finished.result for state in seen if state.finished):
        if kept["key"] in bundled:
            with suppress(ResultsUnreadable):  # the next look says so
                if "tests" not in kept and (whole := store.get(kept["key"])):
                    kept["tests"] = whole.get("tests", {})
                yield kept


def _diverged(seen: Sequence[CaseState]) -> list[CaseState]:
    return [state for state in seen if state.finished and state.finished.diverged]


def _running(state: CaseState) -> str:
    who = state.who
    by = [who.get("worker"), who.get("device"), who["host"] if who.get("host", HOST) != HOST else ""]
    by += [f"process {who['pid']}"] if "pid" in who else []
    return f"{how_far(state)}; {lasting(state.seconds)} so far; {', '.join(filter(None, by))}"


def to_go_on(seen: Iterable[CaseState]) -> list[str]:
    """A line for each case that was cut off and whose state was kept."""
    cut_off = (state for state in seen if state.state == CUT_OFF and state.kept_bytes)
    return [f"{state.case.id}: {_ended(state)}" for state in cut_off]


def _ended(state: CaseState) -> str:
    ended = state.failure.partition("\n")[0] or f"at {state.share:.0%}, no longer running"
    if not state.kept_bytes:
        return ended
    where = "its state" if state.kept is None else f"{state.kept:.0%}"
    return f"{ended}; goes on from {where} ({state.kept_bytes / 1e6:,.1f} MB)"

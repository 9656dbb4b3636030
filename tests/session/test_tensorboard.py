"""Learning curves, read back by TensorBoard itself."""

from contextlib import suppress

import pytest

from benchmark.session.work import curves as writing
from serkit.specs import METRICS


def event(iteration, loss, of=20, **tests):
    """An evaluation; each test's folds as {fold: value of all metrics}."""
    of_tests = {
        test: {fold: {metric: value + n for n, metric in enumerate(METRICS)} for fold, value in folds.items()}
        for test, folds in tests.items()
    }
    return {"iteration": iteration, "of": of, "epoch": iteration / 10, "loss": loss, "tests": of_tests}


def curves(folder):
    """Tag -> points (iteration, value)."""
    # Imported here: it brings half a second of packages, which each worker would load while it collects.
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = reading.EventAccumulator(str(folder)).Reload()
    return {
        tag: [(point.step, pytest.approx(point.value)) for point in found.Scalars(tag)]
        for tag in found.Tags()["scalars"]
    }


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_loss_and_metrics_of_each_test_by_iteration(tmp_path):
    with writing() as write:
        write(tmp_path, event(10, 0.75, one={"0": 0.25, "1": 0.75}, two={"0": 0.125}))
        assert curves(tmp_path)["loss"] == [(10, 0.75)]  # at once, not in the end
        write(tmp_path, event(20, 0.5, one={"0": 0.5, "1": 1.0}, two={"0": 0.25}))
    found = curves(tmp_path)
    assert set(found) == {"loss"} | {f"{metric}/{test}" for metric in METRICS for test in ("one", "two")}
    assert found["loss"] == [(10, 0.75), (20, 0.5)]
    assert found["uACC/one"] == [(10, 0.5), (20, 0.75)]
    assert found["wF1/two"] == [(10, 2.125), (20, 2.25)]
    (name,) = files(tmp_path)
    assert name.startswith("events.out.tfevents.")  # what the next attempt drops


def test_a_run_that_fails_leaves_what_it_had_or_nothing(tmp_path):
    for evaluations in (0, 1):
        with suppress(RuntimeError), writing() as write:
            for _ in range(evaluations):
                write(tmp_path, event(10, 0.75, one={"0": 0.25}))
            raise RuntimeError
        assert len(files(tmp_path)) == evaluations
    assert curves(tmp_path)["loss"] == [(10, 0.75)]

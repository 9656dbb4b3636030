"""The probe's recalls: means, intervals and changes by hand, gaps, what of it is drawn."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats

from benchmark import study as studies
from benchmark.report.exhibits import probes
from serkit.labels import LABELS
from tests.made_results import made_result, put
from tests.made_studies import SMALL, flat, numbers_of, small

THREE = {
    name: {"reader": "made", "title": name.upper(), "folds": 5, "options": {"labels": name}}
    for name in ("one", "two", "three")
}
TRAINED = [0.90, 0.94, 0.92, 0.91, 0.98]
UNTRAINED = [0.99, 1.00, 0.98, 0.97, 1.00]
"""Recalls of the corpus, by fold."""
READ = {"corpus": "ONE or TWO", "speaker": "ONE", "label": "ONE"}


def asked(train=(("one", "two"),), **changes):
    only = {key: of for key, of in SMALL.items() if key not in ("figure2", "figure3", "table1")}
    study = {"corpora": THREE, "seeds": [0], "rates_percent": [0], **changes}
    return studies.from_toml({**only, **study, "probes": {"train": list(map(list, train))}}, "small")


def probe_of(spec, recall=None):
    """As `serkit.probe` gives it: corpora that are trained on come first; three speakers in each."""
    order = sorted((corpus.name for corpus in spec.corpora), key=lambda name: name not in spec.trained_on)
    values = {"statistics": 0.8, "before": 0.7, "embedding": 0.6, "outputs": 0.5}
    values |= recall or {"before": UNTRAINED[spec.fold or 0], "embedding": TRAINED[spec.fold or 0]}
    pairs = ["+".join(pair) for pair in itertools.combinations(order, 2)]
    return {
        "clips": dict.fromkeys(order, 20),
        "speakers": dict.fromkeys(order, 3),
        "corpus": {pair: dict(values) for pair in pairs},
        "speaker": {name: dict(values) for name in order},
        "label": {name: dict(values) for name in order},
    }


def fill(store, study, probe=probe_of, keep=lambda spec: True):
    for case in studies.plan(study):
        if keep(case.spec):
            put(store, made_result(case.spec, flat(0.5), probe=probe(case.spec)))


def cells_of(study, store):
    return numbers_of(probes, study, store)["probe-cells"]


def row_of(study, store, read="corpus", of="ONE or TWO"):
    cells = cells_of(study, store)
    (row,) = cells[(cells["read"] == read) & (cells["of"] == of)].to_dict("records")
    return row


def test_every_pair_and_corpus_is_read_at_every_rate(store):
    fill(store, study := asked(rates_percent=[0, 50]))
    cells = cells_of(study, store)
    assert cells.groupby("augment_percent")["read"].value_counts().tolist() == [3, 3, 3] * 2
    own = cells[cells["own"] & (cells["augment_percent"] == 0)]
    assert list(zip(own["read"], own["of"], strict=True)) == [
        ("corpus", "ONE or TWO"),
        ("speaker", "ONE"),
        ("speaker", "TWO"),
        ("label", "ONE"),
        ("label", "TWO"),
    ]


def test_a_recall_is_the_mean_of_its_folds_with_their_interval(store):
    fill(store, study := asked())
    row = row_of(study, store)
    for name, values in {"embedding": TRAINED, "before": UNTRAINED}.items():
        half = scipy.stats.t.ppf(0.975, 4) * math.sqrt(np.var(values, ddof=1) * (1 / 5 + 1 / 4))
        found = [row[f"{name}{end}"] for end in ("", "_low", "_high")]
        assert found == pytest.approx(
            [np.mean(values), np.mean(values) - half, min(1, np.mean(values) + half)]
        )
    assert (row["statistics"], row["outputs"]) == pytest.approx((0.8, 0.5))
    assert (row["runs"], row["runs_expected"]) == (5, 5)


def test_what_training_changes_is_paired_by_fold_and_corrected(store):
    fill(store, study := asked())
    row = row_of(study, store)
    changes = np.subtract(TRAINED, UNTRAINED)
    error = math.sqrt(changes.var(ddof=1) * (1 / 5 + 1 / 4))
    p = 2 * scipy.stats.t.sf(abs(changes.mean()) / error, 4)
    assert (row["change"], row["change_p"]) == pytest.approx((changes.mean(), p))
    assert row["change_holm"] == pytest.approx(5 * p), "five are known, and are equal here"
    cells = cells_of(study, store)
    assert cells["change_p"].notna().tolist() == cells["own"].tolist()
    assert bool(row["clear"]) == (5 * p < 0.05)


def test_seeds_are_averaged_within_a_fold(store):
    better = lambda spec: probe_of(spec, {"embedding": TRAINED[spec.fold] - 0.1 * spec.seed})  # noqa: E731
    fill(store, study := asked(seeds=[0, 1]), better)
    fill(store, alone := asked(), lambda spec: probe_of(spec, {"embedding": TRAINED[spec.fold]}))
    both, one = row_of(study, store), row_of(alone, store)
    assert both["embedding"] == pytest.approx(one["embedding"] - 0.05)
    width = one["embedding_high"] - one["embedding_low"]
    assert both["embedding_high"] - both["embedding_low"] == pytest.approx(width)
    assert both["runs"] == 10


def test_of_corpora_that_were_not_trained_on_folds_show_no_interval(store):
    fill(store, study := asked())
    for read, of in {"corpus": "TWO or THREE", "label": "THREE"}.items():
        row = row_of(study, store, read, of)
        assert row["embedding"] == pytest.approx(np.mean(TRAINED))
        assert math.isnan(row["embedding_low"])
        assert not row["clear"]


def test_chance_is_one_in_so_many_classes(store):
    study = asked()
    fill(store, study)
    chances = {read: row_of(study, store, read, of)["chance"] for read, of in READ.items()}
    assert chances == pytest.approx({"corpus": 1 / 2, "speaker": 1 / 3, "label": 1 / 4})
    for run in study.runs(("one", "two"), 0):
        result = made_result(run, flat(0.5), probe=probe_of(run))
        result["probe"]["speakers"]["one"] = 4 if run.fold else 2
        for part in ("validation", "test"):
            result["corpora"]["one"]["clips"][part] = dict(zip(LABELS, (3, 0, 2, 0), strict=True))
        put(store, result)
    assert row_of(study, store, "label", "ONE")["chance"] == 1 / 2
    assert row_of(study, store, "speaker", "ONE")["chance"] == pytest.approx((1 / 2 + 4 / 4) / 5)


def test_runs_without_a_probe_and_probes_without_a_number_are_gaps(store):
    study = asked()
    fill(store, study, keep=lambda spec: spec.fold != 4)
    first, second, *_ = study.runs(("one", "two"), 0)
    put(store, made_result(first, flat(0.5)))  # which read nothing
    lacking = probe_of(second)
    lacking["label"]["one"] = dict.fromkeys(lacking["label"]["one"])
    lacking["corpus"]["one+two"]["before"] = None
    del lacking["speaker"]["one"]["embedding"]
    put(store, made_result(second, flat(0.5), probe=lacking))
    row = row_of(study, store)
    assert row["runs"] == 3
    assert row["embedding"] == pytest.approx(np.mean(TRAINED[1:4]))
    assert row["before"] == pytest.approx(np.mean(UNTRAINED[2:4]))
    assert row["change"] == pytest.approx(np.mean(np.subtract(TRAINED, UNTRAINED)[2:4]))
    assert row_of(study, store, "label", "ONE")["runs"] == 2
    assert row_of(study, store, "speaker", "ONE")["embedding"] == pytest.approx(np.mean(TRAINED[2:4]))
    table, _ = probes.draw_tables(study, numbers_of(probes, study, store))
    assert table.rows[0][1] == "corpus: ONE or TWO [3/5]"


def test_without_results_all_is_missing_and_nothing_is_drawn(store):
    numbers = numbers_of(probes, study := asked(), store)
    table, others = probes.draw_tables(study, numbers)
    assert [row[2:] for row in table.rows] == [["--"] * 6] * 5
    assert len(others.rows) == 4
    assert others.aside
    assert list(probes.draw_figures(study, numbers, "paper")) == []
    assert numbers_of(probes, small(), store) == {}


def test_the_table_says_what_is_read_and_marks_what_is_clear(store):
    fill(store, study := asked(train=[["one", "two"], ["one"]]))
    table, _ = probes.draw_tables(study, numbers_of(probes, study, store))
    assert table.rows[0] == [
        "ONE+TWO, 0 %",
        "corpus: ONE or TWO",
        "0.80 [0.80, 0.80]",
        "0.99 [0.96, 1.00]",
        "0.93 [0.87, 0.99]",
        "0.50 [0.50, 0.50]",
        table.rows[0][6],
        "0.50",
    ]
    assert table.rows[0][6].startswith("-0.06 [")
    assert [row[1] for row in table.rows[5:]] == ["speaker in ONE", "label in ONE"], "of one corpus no pair"


def test_the_figure_has_a_panel_each_thing_that_is_read(store):
    fill(store, study := asked(train=[["one", "two"], ["one"]], rates_percent=[0, 50]))
    ((name, figure),) = probes.draw_figures(study, numbers_of(probes, study, store), "paper")
    assert name == "probe"
    panels = [panel for panel in figure.axes if panel.axison]
    titles = [panel.get_title().split("\n")[-1] for panel in panels]
    assert sorted(titles) == ["corpus: ONE or TWO", *["label in ONE"] * 2, "label in TWO"]
    first = panels[titles.index("corpus: ONE or TWO")]
    lines = {bars.get_label(): bars.lines[0].get_ydata() for bars in first.containers}
    assert list(lines) == list(probes.READ_FROM.values())
    assert lines["embedding, trained"] == pytest.approx([np.mean(TRAINED)] * 2)
    assert first.lines[-1].get_ydata()[0] == 0.5, "chance"


def test_what_the_page_shows_is_there(store):
    fill(store, study := asked())
    numbers = numbers_of(probes, study, store)
    made = {table.name for table in probes.draw_tables(study, numbers)}
    made |= {name for name, _ in probes.draw_figures(study, numbers, "paper")} | set(numbers)
    (section,) = probes.sections(study, numbers)
    shown = {name if kind != "picture" else name[0] for kind, name in section.parts}
    assert shown == made

"""What a study does about every point that the paper leaves open, in words.

The numbers are those of docs/reading-the-paper.md, which says why. Every report and page prints them.
"""

from __future__ import annotations

from typing import Any

from benchmark.report.exhibits.tuning import PAIRED
from benchmark.study import Study
from serkit import corpora
from serkit.effects import EFFECTS, SETTINGS_OF, Augmentation
from serkit.specs import CorpusSpec

POOLED = {"stretched": "once cropped and stretched", "own": "as delivered"}


def choices(study: Study) -> list[tuple[str, str]]:
    """What this study does about every point that the paper leaves open (docs/reading-the-paper.md)."""
    model, recipe = study.model, study.recipe
    readers = "; ".join(_corpus(study, corpus) for corpus in study.corpora)
    scrambles = "; ".join(
        f"{study.titles[corpus.name]}: {', '.join(f'{a}->{b}' for a, b in corpus.scramble)}"
        for corpus in study.corpora
        if corpus.scramble
    )
    loudness = "as delivered" if recipe.loudness_dbfs is None else f"{recipe.loudness_dbfs:g} dBFS RMS"
    return [
        ("1 metrics", "uACC = mean recall, wACC = accuracy, wF1 = weighted F1 (§2.2's definitions)"),
        ("2, 3, 9 corpora and labels", readers),
        ("scrambling", scrambles or "none"),
        ("4 front end", model.front_end),
        ("weights", model.weights or "from random initialisation"),
        ("width", f"{model.width} channels in the first block (CNN14: 64)"),
        (
            "5 head and loss",
            f"{model.head}; softmax; binary cross entropy against the one-hot label, mean over classes",
        ),
        (
            "6 optimiser",
            f"Adam, constant {recipe.learning_rate:g}, no decay, {recipe.epochs} epochs,"
            f" batch {recipe.batch_size}",
        ),
        (
            "7 tail",
            f"last {recipe.tail:.0%} of iterations, {recipe.evaluations_per_epoch} evaluation(s) an epoch",
        ),
        ("8 validation", _validation(study)),
        (
            "10 clip length",
            f"at most {recipe.max_seconds:g} s: random crop in training, first part in evaluation; masked;"
            f" batches of clips about as long, {POOLED[recipe.pool_by]}",
        ),
        *_augmentation(study),
        ("13 loudness", loudness),
        ("14 tuning", _grid(study)),
        ("15 acoustics", _acoustics(study)),
    ]


def _corpus(study: Study, corpus: CorpusSpec) -> str:
    title, known = study.titles[corpus.name], corpora.reader(corpus.reader).TITLE
    parts = [known] if known != title else []
    parts += [f"{option}={_words(value)}" for option, value in _options(corpus).items()]
    parts += [f"{corpus.folds} folds"] if corpus.folds > 1 else []
    parts += [f"at most {corpus.max_training_clips} training clips"] if corpus.max_training_clips else []
    return f"{title}: {', '.join(parts) or 'as delivered'}"


def _validation(study: Study) -> str:
    """What validates, corpus by corpus where they differ."""
    of: dict[str, list[str]] = {}
    for corpus in study.corpora:
        how = "the next fold" if corpus.folds > 1 else "the validation part of its split"
        if corpus.reader in PAIRED:
            how = "the test speaker's session partner, not trained on either"
        of.setdefault(how, []).append(study.titles[corpus.name])
    return "; ".join(f"{', '.join(titles)}: {how}" for how, titles in of.items())


def _words(value: Any) -> str:
    """An option's value; a mapping's pairs as `anger->angry joy->happy`."""
    if not isinstance(value, tuple):
        return str(value)
    return " ".join("->".join(map(str, pair)) if isinstance(pair, tuple) else str(pair) for pair in value)


def _augmentation(study: Study) -> list[tuple[str, str]]:
    rates = [str(rate) for rate in study.rates_percent if rate]
    if not rates:
        return [("11, 12 augmentation", "none, every run is at 0 %")]
    on = study.augmentation.effects
    return [
        (
            "11 augmentation",
            f"{', '.join(rates)} % of the training clips, drawn afresh each epoch; each of them gets, in this"
            f" order: {', '.join(on)}",
        ),
        *((f"12 ranges of {effect}", _settings(study.augmentation, effect)) for effect in on),
        ("12 effects that are off", ", ".join(effect for effect in EFFECTS if effect not in on) or "none"),
    ]


def _settings(augmentation: Augmentation, effect: str) -> str:
    values = {name: getattr(augmentation, name) for name in SETTINGS_OF[effect]}
    return ", ".join(
        f"{name} {value[0]:g}..{value[1]:g}" if isinstance(value, tuple) else f"{name} {value}"
        for name, value in values.items()
    )


def _grid(study: Study) -> str:
    tuning = study.exhibits.get("tuning")
    if tuning is None:
        return "none"
    rates, sizes = (", ".join(map(str, values)) for values in (tuning.learning_rates, tuning.batch_sizes))
    return (
        f"{study.title_of(tuning.train)}: learning rates {rates} x batch sizes {sizes}, at 0 %; chosen on"
        " validation wF1"
    )


def _acoustics(study: Study) -> str:
    asked = study.exhibits.get("figure4")
    if asked is None:
        return "not measured"
    first = asked.raw[0]
    return (
        f"{', '.join(study.titles[spec.corpus.name] for spec in asked.raw)}: at most"
        f" {first.clips} clips of each, drawn from all of it (seed {first.seed}), the first 9.01 s of each;"
        f" MOS by DNSMOS P.808, of {first.p835_clips} P.835 too; T60 and C50 by serkit's own network"
    )


def _options(corpus: CorpusSpec) -> dict[str, Any]:
    """The reader's options as they apply, defaults included; without those that are off."""
    filled = corpora.checked_options(corpus.reader, dict(corpus.options))
    return {option: value for option, value in filled.items() if value is not None and option != "folds"}

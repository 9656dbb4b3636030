"""What a study does about every point that the paper leaves open, in words.

The numbers are those of docs/reading-the-paper.md, which says why. Every report and page prints them.
"""

from __future__ import annotations

from typing import Any

from benchmark.study import Study
from serkit import corpora
from serkit.effects import EFFECTS, SETTINGS_OF
from serkit.specs import CorpusSpec, ModelSpec, Recipe

LOSS = "softmax; binary cross entropy against the one-hot label, mean over classes"
FITTED = "logistic regression on standardised embeddings (scikit-learn, L2, C = 1)"
LEVEL_DBFS = -26.0  # `serkit.normalising`, which numpy comes with
OUTSIDE = "does not apply: the probabilities were made outside serkit"
POOLED = {"stretched": "once cropped and stretched", "own": "as delivered"}


def choices(study: Study) -> list[tuple[str, str]]:
    """What this study does about every point that the paper leaves open (docs/reading-the-paper.md)."""
    model, recipe = study.model, study.recipe
    scrambled = {study.titles[corpus.name]: corpus.scramble for corpus in study.corpora if corpus.scramble}
    scrambles = {title: ", ".join(map("->".join, pairs)) for title, pairs in scrambled.items()}
    apart = ", outputs of its own for each corpus that is trained on" * (model.outputs != "shared")
    each = f"{recipe.evaluations_per_epoch} evaluation(s) an epoch"
    unseen = f"corpora that are not trained on also at 1 in {recipe.evaluate_unseen} before it"
    crops = f"at most {recipe.max_seconds:g} s: random crop in training, first part in evaluation; masked"
    loudness = "as delivered" if recipe.loudness_dbfs is None else f"{recipe.loudness_dbfs:g} dBFS RMS"
    said = {
        "1 metrics": "uACC = mean recall, wACC = accuracy, wF1 = weighted F1 (§2.2's definitions)",
        "2, 3, 9 corpora and labels": "; ".join(_corpus(study, corpus) for corpus in study.corpora),
        "scrambling": "; ".join(f"{title}: {pairs}" for title, pairs in scrambles.items()) or "none",
        **_network(model),
        "5 head and loss": f"{FITTED if model.fitted else model.head}{apart}; {LOSS}",
        "6 optimiser": "none, all at once" if model.fitted else _optimiser(recipe),
        "7 tail": f"last {recipe.tail:.0%} of iterations, {each}; {unseen}",
        "8 validation": _validation(study),
        "10 clip length": f"{crops}; batches of clips about as long, {POOLED[recipe.pool_by]}",
        **_augmentation(study),
        "13 loudness": loudness,
        **_normalised(study),
        "14 tuning": _grid(study),
        "15 acoustics": _acoustics(study),
    }
    if model.imported:
        of_recipe = ("5 head and loss", "6 optimiser", "7 tail", "10 clip length", "13 loudness")
        said |= dict.fromkeys(of_recipe, OUTSIDE)
    return list(said.items())


def _normalised(study: Study) -> dict[str, str]:
    """What is taken off by corpus or speaker; nothing is said where nothing is."""
    by, model = study.recipe.normalise, study.model
    if by == "none":
        return {}
    what = "embeddings standardised" if model.fitted else f"waves brought to {LEVEL_DBFS:g} dBFS together"
    return {"13 normalisation": f"by {by}: {what}, with all its clips, tested ones too, never their labels"}


def _network(model: ModelSpec) -> dict[str, str]:
    """What is trained, and what of it is not."""
    named = ", ".join(f"{name} {_words(value)}" for name, value in model.settings)
    frozen = f"; {', '.join(model.freeze)} frozen" if model.freeze else ""
    if ":" in model.encoder:
        return {"4 encoder": f"{model.encoder}{f' with {named}' if named else ''}{frozen}"}
    said = {"4 front end": model.front_end}
    if model.encoder != "cnn14":
        return {"4 encoder": model.encoder, **said}
    dropout = f", dropout {model.dropout:g} times its own" * (model.dropout != 1)
    said["weights"] = model.weights or "from random initialisation"
    return said | {"width": f"{model.width} channels in the first block (CNN14: 64){dropout}{frozen}"}


def _optimiser(recipe: Recipe) -> str:
    rate = f"constant {recipe.learning_rate:g}, no decay"
    if recipe.schedule != "constant":
        rate = f"{recipe.schedule} up to {recipe.learning_rate:g} and down to 0"
    own = recipe.encoder_learning_rate
    said = ["Adam", rate, f"the encoder's {own:g}" if own else ""]
    said += [f"warm-up over {recipe.warmup:.0%} of the steps" if recipe.warmup else ""]
    said += [f"{recipe.epochs} epochs", f"batch {recipe.batch_size}"]
    said += [f"in {recipe.accumulate} parts" if recipe.accumulate > 1 else ""]
    return ", ".join(filter(None, said))


def _corpus(study: Study, corpus: CorpusSpec) -> str:
    """Its reader where the title does not say it, the reader's options as they apply, folds and cap."""
    title, known = study.titles[corpus.name], corpora.reader(corpus.reader).TITLE
    options = corpora.checked_options(corpus.reader, dict(corpus.options))
    on = {option: value for option, value in options.items() if value is not None and option != "folds"}
    parts = [known] * (known != title) + [f"{option}={_words(value)}" for option, value in on.items()]
    shared = f", {corpus.n_trainings} different trainings" * (corpus.n_trainings < corpus.folds)
    parts += [f"{corpus.folds} folds{shared}"] * (corpus.folds > 1)
    parts += [f"at most {corpus.max_training_clips} training clips"] if corpus.max_training_clips else []
    return f"{title}: {', '.join(parts) or 'as delivered'}"


def _words(value: Any) -> str:
    """An option's value; a mapping's pairs as `anger->angry joy->happy`."""
    if not isinstance(value, tuple):
        return str(value)
    return " ".join("->".join(map(str, pair)) if isinstance(pair, tuple) else str(pair) for pair in value)


def _validation(study: Study) -> str:
    """What validates, corpus by corpus where they differ."""
    of: dict[str, list[str]] = {}
    for corpus in study.corpora:
        how = "the next fold" if corpus.folds > 1 else "the validation part of its split"
        if corpus.n_trainings < corpus.folds:
            how = "the test speaker's session partner, not trained on either"
        of.setdefault(how, []).append(study.titles[corpus.name])
    return "; ".join(f"{', '.join(titles)}: {how}" for how, titles in of.items())


def _augmentation(study: Study) -> dict[str, str]:
    rates = ", ".join(str(rate) for rate in study.rates_percent if rate)
    if not rates:
        return {"11, 12 augmentation": "none, every run is at 0 %"}
    if study.model.imported:
        asked = f"asked for {rates} % of the training clips; what was done with them is not known"
        return {"11, 12 augmentation": asked}
    on = study.augmentation.effects
    share = f"{rates} % of the training clips, drawn afresh each epoch"
    said = {"11 augmentation": f"{share}; each of them gets, in this order: {', '.join(on)}"}
    for effect in on:
        values = {name: getattr(study.augmentation, name) for name in SETTINGS_OF[effect]}
        said[f"12 ranges of {effect}"] = ", ".join(
            f"{name} {value[0]:g}..{value[1]:g}" if isinstance(value, tuple) else f"{name} {value}"
            for name, value in values.items()
        )
    off = ", ".join(effect for effect in EFFECTS if effect not in on)
    return said | {"12 effects that are off": off or "none"}


def _grid(study: Study) -> str:
    tuning = study.exhibits.get("tuning")
    if tuning is None:
        return "none"
    rates, sizes = (", ".join(map(str, values)) for values in (tuning.learning_rates, tuning.batch_sizes))
    grid = f"learning rates {rates} x batch sizes {sizes}"
    return f"{study.title_of(tuning.train)}: {grid}, at 0 %; chosen on validation wF1"


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

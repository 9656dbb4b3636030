"""`python -m benchmark listen`: a clip before and after augmentation, to hear and to look at.

Wavs hold what the effects do to the wave; one picture holds what the network is given, the log-mel
spectrogram. Draws, effects and front end are those of training at 100 %; the number of a draw stands for a
clip's place in the training set. A stretch on features is on no wave: the wavs have the vocoder's instead.
"""

from __future__ import annotations

import dataclasses
import html
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import matplotlib
import numpy as np
import soundfile
import torch
from matplotlib.figure import Figure
from tabulate import tabulate
from torch import Tensor

from benchmark.report.output import missing_letters_named_once
from benchmark.study import Study
from serkit import encoders
from serkit.audio import FULL_SCALE, decode
from serkit.augment import Augmenting, Chain, Draw, Waves, draw
from serkit.encoders.cnn14.logmel import MEL_BANDS, FrontEnd, LogMel
from serkit.errors import ResultsUnwritable
from serkit.files import write_whole
from serkit.loader import level_gains, max_samples
from serkit.settings import check
from serkit.specs import Augmentation

SPAN_DB = 80.0  # of the colours, down from the loudest cell
COLOURS, MASKED = "magma", "0.65"  # perceptually uniform and without a grey; a grey
TICKS_HZ = (50, 100, 250, 500, 1000, 2000, 4000, 8000)
WIDTH, NARROWEST_COLUMN, PANEL, LINE = 15.0, 4.6, 1.75, 0.17  # inches; wider only for many columns
CHARACTERS = 12.0  # of a title, an inch
PAGE_STYLE = "body{font:15px sans-serif;margin:2em}td{padding:.2em 1em .2em 0}h1{font-size:1.2em}"
STYLE: Any = {"axes.titlesize": 9, "axes.titlelocation": "left", "font.size": 8, "figure.dpi": 100}

DRAWN = {
    "stretch": [("stretch", "x{:.2f}", "stretch_rate", 1)],
    "shift": [("shift", "{:+.1f} %", "shift_share", 100)],
    "fade": [("fade-in", "{:.1f} %", "fade_in_share", 100), ("fade-out", "{:.1f} %", "fade_out_share", 100)],
    "equalizer": [("high-pass", "{:.0f} Hz", "high_pass_hz", 1), ("low-pass", "{:.0f} Hz", "low_pass_hz", 1)],
    "reverb": [("room", "{:.2f}", "room_size", 1), ("wet", "{:.2f}", "wet_level", 1)],
    "noise": [("SNR", "{:.1f} dB", "noise_snr_db", 1)],
    "specaugment": [("time masks", "{:.1f} %", "time_masks", 100), ("band masks", "{:.0f}", "band_masks", 1)],
}
"""What is said of each effect's draw: its name, how it is written, the entry of `Draw`, and its factor."""


@dataclass(frozen=True, eq=False)
class Version:
    """The clip as it was or after effects: one wav, one panel of the picture.

    Attributes:
        name: what its wav is called, after the clip's name.
        title: what was done to it.
        wave: float32 [samples], full scale 1; None where the effects leave the wave alone.
        logmel: float32 [frames, 64], in dB.
        masked: bool [frames, 64], the cells that SpecAugment blanks.
    """

    name: str
    title: str
    wave: np.ndarray | None
    logmel: np.ndarray
    masked: np.ndarray


def listen(
    clip: Path, study: Study, effects: Sequence[str], each: bool, draws: int, seed: int, folder: Path
) -> str:
    """Writes the wavs and the picture of one clip; returns the parameters drawn and the paths, to print.

    Of so many `draws`, the `effects` together (none: the study's) and, where `each` is asked for, each alone.
    `study` gives ranges, front end, longest clip and level; `seed` is of the draws and the noise.

    Raises AudioError: `clip` cannot be read as audio; ResultsUnwritable: `folder` cannot be written.
    """
    shown = f"encoder {study.model.encoder} takes waves: the picture is of log-mel bands, as cnn14 takes them"
    check(":" not in study.model.encoder, f"{shown}; name a study of that, such as paper")
    front_end, ours = encoders.describe(study.model), study.augmentation
    assert isinstance(front_end, FrontEnd)
    decoded = decode(clip, front_end.rate_hz)
    longest = max_samples(front_end, study.recipe.max_seconds)
    wave = torch.from_numpy(decoded[:longest]).float()[None] / FULL_SCALE
    if study.recipe.loudness_dbfs is not None:
        wave *= level_gains(wave, torch.tensor([wave.shape[1]]), study.recipe.loudness_dbfs)

    together = dataclasses.replace(ours, effects=tuple(effects) or ours.effects)
    name = "all" if together.effects == ours.effects else "+".join(together.effects)
    alone = together.effects if each and len(together.effects) > 1 else ()
    specs = {effect: dataclasses.replace(together, effects=(effect,)) for effect in alone} | {name: together}
    drawn = draw(Augmenting(together), seed, epoch=0, clips=draws)
    rows = [augmented(name, spec, front_end, longest, wave, drawn, seed) for name, spec in specs.items()]
    original = unchanged(front_end, wave)
    versions = [original, *(version for row in rows for version in row)]
    about = f"study {study.name}, seed {seed}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        wavs, scale = _write_waves(folder, clip.stem, versions, front_end.rate_hz)
        path = folder / f"{clip.stem}-{name}{'-each' * bool(alone)}.png"
        page = write_page(folder / f"{path.stem}.html", f"{clip.name}, {about}", versions, clip.stem)
        panels = [[original] * draws, *rows] if alone else [[version] for version in versions]
        with missing_letters_named_once():
            picture(panels, front_end, f"{clip.name}, {about}").savefig(path)
    except (OSError, soundfile.LibsndfileError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ResultsUnwritable(
            f"wavs and picture cannot be written to {folder} ({reason}); make it writable, or name another"
            " folder with --output"
        ) from error
    seconds = len(decoded) / front_end.rate_hz
    head = f"{clip}: {seconds:.2f} s at {front_end.rate_hz} Hz, {about}"
    head = "\n".join([head, *_notes(study, together, seconds, front_end, scale)])
    columns = [_settings(together.effects, drawn, row) for row in range(draws)]
    settings = [[name, *(column[name] for column in columns)] for name in columns[0]]
    heads = ["", *(f"draw {row + 1}" for row in range(draws))]
    parameters = tabulate(settings, headers=heads, disable_numparse=True)
    return "\n\n".join([head, parameters, wavs, f"picture: {path}\nto listen: {page}"])


def unchanged(front_end: FrontEnd, wave: Tensor) -> Version:
    """The clip without any effect; `wave` is float32 [1, samples]."""
    logmel, frames = LogMel(front_end)(wave, np.array([wave.shape[1]]))
    cells = logmel[0, : frames[0]].numpy()
    return Version("original", "original", wave[0].numpy(), cells, np.zeros(cells.shape, dtype=bool))


def augmented(
    name: str, spec: Augmentation, front_end: FrontEnd, longest: int, wave: Tensor, drawn: Draw, seed: int
) -> list[Version]:
    """The clip, float32 [1, samples], after the effects of `spec`, once for each draw.

    The noise depends on its seed and on `longest`, the samples of the study's longest clip.
    """

    def after(spec: Augmentation) -> tuple[Tensor, np.ndarray]:
        waves, samples = wave.repeat(len(drawn), 1), np.full(len(drawn), wave.shape[1])
        return Chain(spec, front_end.rate_hz, seed, longest, "cpu")(waves, samples, drawn)

    changed, lengths = after(spec)
    rates = drawn.stretch_rate if spec.stretches_features else None
    masks = drawn if "specaugment" in spec.effects else None
    logmel, frames, masked = LogMel(front_end).inputs([Waves(changed, lengths, rates, masks)])
    if masked is None:
        masked = torch.zeros(logmel.shape, dtype=torch.bool)
    if spec.stretches_features:
        changed, lengths = after(dataclasses.replace(spec, stretch_method="vocoder"))
    return [
        Version(
            name=f"{name}-{row + 1}{'-vocoder' * spec.stretches_features}",
            title=_title(row + 1, _settings(spec.effects, drawn, row)),
            wave=None if spec.effects == ("specaugment",) else changed[row, : lengths[row]].numpy(),
            logmel=logmel[row, : frames[row]].numpy(),
            masked=masked[row, : frames[row]].numpy(),
        )
        for row in range(len(drawn))
    ]


def _settings(effects: Sequence[str], drawn: Draw, row: int) -> dict[str, str]:
    """What was drawn for one clip, in the order of the chain."""
    said = {}
    for effect in effects:
        for name, form, field, factor in DRAWN[effect]:
            value = getattr(drawn, field)[row]
            sizes = value[:, 0] if np.ndim(value) else [value]  # masks: some, each with its place
            said[name] = " + ".join(form.format(factor * size) for size in sizes) or "none"
    return said


def _title(number: int, settings: Mapping[str, str]) -> str:
    """A panel's title, whose lines break between settings alone."""
    written = (f"{name} {value}".replace(" ", "\N{NO-BREAK SPACE}") for name, value in settings.items())
    return f"draw {number}: {', '.join(written)}"


def _notes(
    study: Study, spec: Augmentation, seconds: float, front_end: FrontEnd, scale: float
) -> Iterator[str]:
    """What a listener must know of this clip's wavs and picture."""
    most = max_samples(front_end, study.recipe.max_seconds) / front_end.rate_hz
    least = front_end.min_samples / front_end.rate_hz
    if seconds > most:
        yield f"Longer than the study's {most:g} s: its first {most:g} s."
    if seconds < least:
        yield f"Shorter than {least:.2f} s: the network is given silence behind it, the wavs have none."
    if study.recipe.loudness_dbfs is not None:
        yield f"Brought to the study's {study.recipe.loudness_dbfs:g} dBFS first, the original too."
    if spec.stretches_features:
        yield "Stretch is on features: in the picture, on no wave. Wavs called -vocoder have a phase"
        yield "vocoder's at the same rate instead: rougher and softer than what the network is given."
    if "specaugment" in spec.effects:
        yield "SpecAugment blanks cells of the spectrogram: grey in the picture, not in the wavs."
    if scale < 1:
        softer = f"{-_decibels(scale):.1f} dB softer than the levels below"
        yield f"All wavs, the original too, are {softer}: else one would clip when played."


def _write_waves(folder: Path, stem: str, versions: Sequence[Version], rate_hz: int) -> tuple[str, float]:
    """Writes the wavs, all scaled by one factor where one would clip; returns their table and the factor."""
    waves = {version.name: version.wave for version in versions if version.wave is not None}
    scale = 1 / max(1.0, *(float(np.abs(wave).max()) for wave in waves.values()))
    rows = []
    for name, wave in waves.items():
        path = folder / f"{stem}-{name}.wav"
        with path.open("wb") as file:
            soundfile.write(file, wave * np.float32(scale), rate_hz, format="WAV", subtype="FLOAT")
        peak, level = np.abs(wave).max(), np.sqrt(np.square(wave, dtype=np.float64).mean())
        rows.append([path, f"{len(wave) / rate_hz:.2f}", f"{_decibels(peak):.1f}", f"{_decibels(level):.1f}"])
    return tabulate(rows, headers=["wav", "seconds", "peak dBFS", "RMS dBFS"], disable_numparse=True), scale


def write_page(path: Path, about: str, versions: Sequence[Version], stem: str) -> Path:
    """Writes a page with a player for each wav that lies beside it, and the picture below."""
    rows = [
        f'<tr><td>{html.escape(version.title)}</td><td><audio controls preload="none" '
        f'src="{quote(f"{stem}-{version.name}.wav")}"></audio></td></tr>'
        for version in versions
        if version.wave is not None
    ]
    title, picture = html.escape(about), quote(f"{path.stem}.png")
    shown = f'<img src="{picture}" alt="Spectrograms of each" width="100%">'
    body = f"<h1>{title}</h1><table>{''.join(rows)}</table>{shown}"
    head = f'<meta charset="utf-8"><title>{title}</title><style>{PAGE_STYLE}</style>'
    write_whole(path, f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n')
    return path


def _decibels(amplitude: float) -> float:
    return 20 * np.log10(amplitude) if amplitude > 0 else -np.inf


def picture(rows: Sequence[Sequence[Version]], front_end: FrontEnd, about: str) -> Figure:
    """The spectrograms on one scale of colours and of time, in rows equally long; `about` heads them."""
    columns, everything = len(rows[0]), [version for row in rows for version in row]
    width = max(WIDTH, columns * NARROWEST_COLUMN)
    fold = textwrap.TextWrapper(int(width / columns * CHARACTERS), break_on_hyphens=False).fill
    lines = [max(fold(version.title).count("\n") + 1 for version in row) for row in rows]
    height = 1 + sum(PANEL + LINE * count for count in lines)
    loudest = max(float(version.logmel.max()) for version in everything)
    step = front_end.hop_samples / front_end.rate_hz
    places, labels = _ticks(front_end)
    cmap = matplotlib.colormaps[COLOURS].with_extremes(bad=MASKED)
    how: Any = dict(cmap=cmap, vmin=loudest - SPAN_DB, vmax=loudest, interpolation="nearest")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        panels = figure.subplots(len(rows), columns, sharex=True, sharey=True, squeeze=False)
        for axes, version in zip(panels.flat, everything, strict=True):
            cells = np.ma.masked_array(version.logmel, version.masked).T
            extent = (-step / 2, (len(version.logmel) - 0.5) * step, -0.5, MEL_BANDS - 0.5)
            image = axes.imshow(cells, origin="lower", aspect="auto", extent=extent, **how)
            axes.set_title(fold(version.title))
        axes.set_xlim(-step / 2, max(len(version.logmel) for version in everything) * step)
        axes.set_yticks(places, labels)
        for row in panels:
            row[0].set_ylabel("Hz")
            bands = row[-1].secondary_yaxis("right")
            bands.set_yticks(range(0, MEL_BANDS + 1, 16))
            bands.set_ylabel("mel band")
        for axes in panels[-1]:
            axes.set_xlabel("seconds")
        shrink = min(1, 4 / len(rows))
        figure.colorbar(image, ax=panels, label="dB", shrink=shrink, aspect=30, pad=0.01)
        head = f"{about}. Log-mel as the network is given it; grey: blanked by SpecAugment"
        figure.suptitle(head, parse_math=False)
    return figure


def _ticks(front_end: FrontEnd) -> tuple[np.ndarray, list[str]]:
    """Where round frequencies lie among the bands, and their labels.

    A band's frequency is its filter's centre of gravity in the audio, whatever rate the filters are made for.
    """
    weights = front_end.mel_matrix().double().numpy()
    live = np.flatnonzero(weights.any(axis=0))
    hertz = np.arange(len(weights)) * front_end.rate_hz / front_end.window_samples
    centres = (hertz @ weights[:, live]) / weights[:, live].sum(axis=0)
    shown = [tick for tick in TICKS_HZ if centres[0] <= tick <= centres[-1]]
    return np.interp(shown, centres, live), [f"{tick}" for tick in shown]

"""`python -m benchmark listen`: a clip before and after augmentation, to hear and to look at.

Wavs hold what the effects do to the wave; one picture holds what the network is given: the log-mel
spectrogram, stretched, with SpecAugment's cells in grey. Draws, effects and front end are those of training
(`serkit.augment`, `serkit.encoders.logmel`) at 100 %; the number of a draw stands for a clip's place in the
training set. `tests/test_listen.py` holds the picture's cells to those that the training loop loads.

Wave and picture differ in two ways, and the text that is printed says so: a stretch on features is on no
wave, so the wavs have the vocoder's at the same rate; and SpecAugment cannot be heard.
"""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import soundfile
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from tabulate import tabulate

from benchmark.report.output import letters_told
from benchmark.study import Study
from serkit import encoders
from serkit.audio import FULL_SCALE, decode
from serkit.augment import Augmenting, Chain, Draw, Waves, draw
from serkit.encoders.logmel import MEL_BANDS, FrontEnd, LogMel
from serkit.errors import ResultsUnwritable
from serkit.loader import level_gains, max_samples
from serkit.specs import Augmentation

SPAN_DB = 80.0  # of the colours, down from the loudest cell
COLOURS, MASKED = "magma", "0.65"  # perceptually uniform and without a grey; a grey
TICKS_HZ = (50, 100, 250, 500, 1000, 2000, 4000, 8000)

DOTS_PER_INCH = 100
WIDTH = 15.0  # all sizes in inches; wider only where there are more columns than fit
NARROWEST_COLUMN, PANEL, LINE = 3.9, 1.45, 0.17
LEFT, BETWEEN, RIGHT, HEAD, FOOT = 0.7, 0.5, 1.4, 0.4, 0.5
CHARACTERS = 14.0  # of a title, an inch
HEAD_POINTS, TITLE_POINTS, TICK_POINTS = 11, 9, 8


@dataclass(frozen=True, eq=False)
class Version:
    """The clip as it was or after effects: one wav, one panel of the picture.

    Attributes:
        name: of the wav, behind the clip's.
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
    """Writes the wavs and the picture of one clip.

    Args:
        clip: any file that libsndfile reads.
        study: its ranges, front end, longest clip and level.
        effects: which ones, together; none: the study's.
        each: each of them alone as well.
        draws: how many.
        seed: of the draws.
        folder: where to write; made if need be.

    Returns:
        The parameters drawn and the paths written, to print.

    Raises:
        AudioError: `clip` cannot be read as audio.
        ResultsUnwritable: `folder` cannot be written.
    """
    front_end = encoders.describe(study.model)
    assert isinstance(front_end, FrontEnd)  # the picture is of its bands
    together = dataclasses.replace(study.augmentation, effects=tuple(effects) or study.augmentation.effects)
    decoded = decode(clip, front_end.rate_hz)
    longest = max_samples(front_end, study.recipe.max_seconds)
    wave = _levelled(decoded[:longest], study.recipe.loudness_dbfs)
    drawn = draw(Augmenting(together), seed, epoch=0, clips=draws)

    name = "all" if together.effects == study.augmentation.effects else "+".join(together.effects)
    rows = [augmented(name, together, front_end, longest, wave, drawn, seed)]
    if each and len(together.effects) > 1:
        alone = {effect: dataclasses.replace(together, effects=(effect,)) for effect in together.effects}
        rows[:0] = [
            augmented(effect, spec, front_end, longest, wave, drawn, seed) for effect, spec in alone.items()
        ]
    original = unchanged(front_end, wave)
    versions = [original, *(version for row in rows for version in row)]

    try:
        folder.mkdir(parents=True, exist_ok=True)
        wavs, scale = _write_waves(folder, clip.stem, versions, front_end.rate_hz)
        path = folder / f"{clip.stem}-{name}{'-each' if len(rows) > 1 else ''}.png"
        about = f"{clip.name}, study {study.name}, seed {seed}"
        panels = [[original] * draws, *rows] if len(rows) > 1 else [[version] for version in versions]
        with letters_told():
            picture(panels, front_end, about).savefig(path)
    except (OSError, soundfile.LibsndfileError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ResultsUnwritable(
            f"wavs and picture cannot be written to {folder} ({reason}); make it writable, or name another"
            " folder with --output"
        ) from error

    seconds, most = len(decoded) / front_end.rate_hz, longest / front_end.rate_hz
    said = [
        f"{clip}: {seconds:.2f} s at {front_end.rate_hz} Hz, study {study.name}, seed {seed}",
        *_notes(study, together, seconds, most, front_end, scale),
        "",
        _parameters(together.effects, drawn),
        "",
        wavs,
        "",
        f"picture: {path}",
    ]
    return "\n".join(said)


def _levelled(samples: np.ndarray, loudness_dbfs: float | None) -> torch.Tensor:
    """A clip as training has it, float32 [1, samples], full scale 1."""
    wave = torch.from_numpy(samples).float()[None] / FULL_SCALE
    if loudness_dbfs is not None:
        wave *= level_gains(wave, torch.tensor([len(samples)]), loudness_dbfs)
    return wave


def unchanged(front_end: FrontEnd, wave: torch.Tensor) -> Version:
    """The clip without any effect; `wave` is float32 [1, samples]."""
    logmel, frames = LogMel(front_end)(wave, np.array([wave.shape[1]]))
    cells = logmel[0, : frames[0]].numpy()
    return Version("original", "original", wave[0].numpy(), cells, np.zeros(cells.shape, dtype=bool))


def augmented(
    name: str,
    spec: Augmentation,
    front_end: FrontEnd,
    longest: int,
    wave: torch.Tensor,
    drawn: Draw,
    seed: int,
) -> list[Version]:
    """The clip after the effects of `spec`, once for each draw.

    Args:
        name: of the effects.
        spec: effects and ranges.
        front_end: the study's.
        longest: samples of the study's longest clip; the noise depends on it.
        wave: the clip, float32 [1, samples].
        drawn: the draws.
        seed: of the noise.
    """
    waves, samples = wave.repeat(len(drawn), 1), np.full(len(drawn), wave.shape[1])
    changed, lengths = Chain(spec, front_end.rate_hz, seed, longest, "cpu")(waves, samples, drawn)
    rates = drawn.stretch_rate if spec.stretches_features else None
    masks = drawn if "specaugment" in spec.effects else None
    logmel, frames, masked = LogMel(front_end).inputs([Waves(changed, lengths, rates, masks)])
    if masked is None:
        masked = torch.zeros(logmel.shape, dtype=torch.bool)
    if spec.stretches_features:
        audible = dataclasses.replace(spec, stretch_method="vocoder")
        changed, lengths = Chain(audible, front_end.rate_hz, seed, longest, "cpu")(waves, samples, drawn)
    return [
        Version(
            name=f"{name}-{row + 1}{'-vocoder' if spec.stretches_features else ''}",
            title=f"draw {row + 1}: " + ", ".join(map(_unbroken, _settings(spec.effects, drawn, row))),
            wave=None if spec.effects == ("specaugment",) else changed[row, : lengths[row]].numpy(),
            logmel=logmel[row, : frames[row]].numpy(),
            masked=masked[row, : frames[row]].numpy(),
        )
        for row in range(len(drawn))
    ]


def _settings(effects: Sequence[str], drawn: Draw, row: int) -> Iterator[tuple[str, str]]:
    """What was drawn for one clip: (what, how much), in the order of the chain."""
    if "stretch" in effects:
        yield "stretch", f"x{drawn.stretch_rate[row]:.2f}"
    if "shift" in effects:
        yield "shift", f"{100 * drawn.shift_share[row]:+.1f} %"
    if "fade" in effects:
        yield "fade-in", f"{100 * drawn.fade_in_share[row]:.1f} %"
        yield "fade-out", f"{100 * drawn.fade_out_share[row]:.1f} %"
    if "equalizer" in effects:
        yield "high-pass", f"{drawn.high_pass_hz[row]:.0f} Hz"
        yield "low-pass", f"{drawn.low_pass_hz[row]:.0f} Hz"
    if "reverb" in effects:
        yield "room", f"{drawn.room_size[row]:.2f}"
        yield "wet", f"{drawn.wet_level[row]:.2f}"
    if "noise" in effects:
        yield "SNR", f"{drawn.noise_snr_db[row]:.1f} dB"
    if "specaugment" in effects:
        shares, bands = drawn.time_masks[row, :, 0], drawn.band_masks[row, :, 0]
        yield "time masks", " + ".join(f"{100 * share:.1f} %" for share in shares) or "none"
        yield "band masks", " + ".join(f"{count:.0f}" for count in bands) or "none"


def _unbroken(setting: tuple[str, str]) -> str:
    """A setting for a title, whose lines break between settings alone."""
    return " ".join(setting).replace(" ", "\N{NO-BREAK SPACE}")


def _parameters(effects: Sequence[str], drawn: Draw) -> str:
    """A table of every draw, a column each."""
    columns = [dict(_settings(effects, drawn, row)) for row in range(len(drawn))]
    rows = [[what, *(column[what] for column in columns)] for what in columns[0]]
    headers = ["", *(f"draw {number + 1}" for number in range(len(drawn)))]
    return tabulate(rows, headers=headers, disable_numparse=True)


def _notes(
    study: Study, spec: Augmentation, seconds: float, most: float, front_end: FrontEnd, scale: float
) -> Iterator[str]:
    """What a listener must know of this clip's wavs and picture."""
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
    """Writes the wavs, 32-bit float, all scaled by one factor where one would peak above full scale.

    Returns:
        A table of them, and the factor.
    """
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


def _decibels(amplitude: float) -> float:
    return 20 * np.log10(amplitude) if amplitude > 0 else -np.inf


def picture(rows: Sequence[Sequence[Version]], front_end: FrontEnd, about: str) -> Figure:
    """The spectrograms on one scale of colours and of time, a row each or several side by side.

    Args:
        rows: the panels; all rows equally long.
        front_end: which the cells are of.
        about: the picture's heading.
    """
    columns = len(rows[0])
    width = max(WIDTH, LEFT + RIGHT + columns * NARROWEST_COLUMN + (columns - 1) * BETWEEN)
    column = (width - LEFT - RIGHT - (columns - 1) * BETWEEN) / columns
    titles = [
        [textwrap.fill(version.title, int(column * CHARACTERS), break_on_hyphens=False) for version in row]
        for row in rows
    ]
    lines = [max(title.count("\n") + 1 for title in row) for row in titles]
    height = HEAD + FOOT + sum(PANEL + LINE * (count + 1) for count in lines)
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH)
    head = f"{about}. Log-mel as the network is given it; grey: blanked by SpecAugment"
    figure.text(LEFT / width, 1 - 0.25 / height, head, fontsize=HEAD_POINTS, va="center", parse_math=False)

    everything = [version for row in rows for version in row]
    loudest = max(float(version.logmel.max()) for version in everything)
    scale = Normalize(loudest - SPAN_DB, loudest)
    step = front_end.hop_samples / front_end.rate_hz
    seconds = max(len(version.logmel) for version in everything) * step
    top = HEAD
    for row, count, names in zip(rows, lines, titles, strict=True):
        top += LINE * (count + 1)
        for number, (version, title) in enumerate(zip(row, names, strict=True)):
            left = LEFT + number * (column + BETWEEN)
            axes = figure.add_axes((left / width, 1 - (top + PANEL) / height, column / width, PANEL / height))
            _panel(axes, version, scale, step)
            axes.set_xlim(-step / 2, seconds)
            axes.set_title(title, fontsize=TITLE_POINTS, loc="left", pad=3)
            axes.set_yticks(*_ticks(front_end), fontsize=TICK_POINTS)
            axes.tick_params(labelsize=TICK_POINTS, labelbottom=row is rows[-1])
            if number == 0:
                axes.set_ylabel("Hz", fontsize=TICK_POINTS)
            if number == columns - 1:
                bands = axes.secondary_yaxis("right")
                bands.set_yticks(range(0, MEL_BANDS + 1, 16))
                bands.tick_params(labelsize=TICK_POINTS)
                bands.set_ylabel("mel band", fontsize=TICK_POINTS)
            if row is rows[-1]:
                axes.set_xlabel("seconds", fontsize=TICK_POINTS)
        top += PANEL
    first = HEAD + LINE * (lines[0] + 1)
    beside = figure.add_axes(
        ((width - 0.8) / width, 1 - (first + PANEL) / height, 0.12 / width, PANEL / height)
    )
    bar = figure.colorbar(ScalarMappable(scale, COLOURS), cax=beside)
    bar.ax.tick_params(labelsize=TICK_POINTS)
    bar.set_label("dB", fontsize=TICK_POINTS)
    return figure


def _panel(axes: Axes, version: Version, scale: Normalize, step: float) -> None:
    colours = matplotlib.colormaps[COLOURS].with_extremes(bad=MASKED)
    frames = len(version.logmel)
    axes.imshow(
        np.ma.masked_array(version.logmel, version.masked).T,
        cmap=colours,
        norm=scale,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=(-step / 2, (frames - 0.5) * step, -0.5, MEL_BANDS - 0.5),
    )


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

"""Scores of the room estimator where the truth is known: speech in rooms that the training never saw.

Truth is always `tools.roomnet.rooms.decay` of the room's own impulse response:

    generated     held-out generated voices in image-source rooms
    <corpus>      real clips: their silent edges taken off, one speaker's strung together with pauses, in the
                  same rooms
    pedalboard    each of these through pedalboard's Reverb, whose responses no training example resembles

each through a random tilt and band limits, with steady noise of a random colour, 5 to 50 dB below the speech
(20 to 50 dB with pedalboard). A corpus that has a room of its own (studios do) cannot be judged where the
simulated one is drier than that: C50 is also given where the true one is below 20 dB.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pedalboard
from tabulate import tabulate
from tqdm import tqdm

from benchmark.report.output import claim, write
from serkit import audio, corpora, packs
from serkit.acoustics import room
from serkit.acoustics.room import RATE_HZ
from serkit.provenance import cpu_name, environment
from serkit.specs import CorpusSpec
from tools.roomnet import rooms
from tools.roomnet.training import score_of, shown, versions

GENERATED, PEDALBOARD = "generated", "pedalboard"
SNR_BANDS_DB = ((5.0, 15.0), (15.0, 30.0), (30.0, 50.0))
PEDALBOARD_SNR_DB = (20.0, 50.0)
EDGE_SHARE = 0.01  # of a clip's peak: what is below it before and after speech is its edge
EDGE_S = 0.025
IMPULSE = 1000.0  # pedalboard's constants against denormal numbers drown at 1
PEDALBOARD_S = 4.0  # its responses up to room size 0.5 have fallen by far more than 60 dB


@dataclass(frozen=True)
class Settings:
    """How to score.

    Attributes:
        clips: a set of speech, in image-source rooms and again through pedalboard.
        rooms: image-source rooms, the same for all sets.
        voices: generated ones, of eight phrases each.
        seconds: length of clips; the shorter ones are the beginnings of the longest.
        snr_db: range.
        seed: of everything; nothing of the training's.
    """

    clips: int = 400
    rooms: int = 200
    voices: int = 40
    seconds: tuple[float, ...] = (4.0, 2.0, 1.0)
    snr_db: tuple[float, float] = (5.0, 50.0)
    seed: int = 0


def settings(quick: bool = False, seed: int = 0) -> Settings:
    """The defaults, or far fewer clips and rooms."""
    chosen = Settings(seed=seed)
    return replace(chosen, clips=24, rooms=4, voices=3) if quick else chosen


_ROOMS, _VOICES, _CORPUS, _PEDALBOARD = range(4)
_SEEDS = 2_000_000  # added to a score's seed: no block of any training has it


# --- speech ---


def generated(settings: Settings) -> list[list[np.ndarray]]:
    """Phrases of held-out generated voices."""
    random = rooms.stream(_SEEDS + settings.seed, 0, _VOICES)
    voices = [rooms.draw_voice(random) for _ in range(settings.voices)]
    return [[rooms.phrase(voice, random) for _ in range(8)] for voice in voices]


def spoken(corpus: CorpusSpec, data: Path | None) -> list[list[np.ndarray]]:
    """Every speaker's clips without their edges, float32 [samples] at 16 kHz.

    Raises:
        CorpusMissing: not there.
        CorpusUnfit: there, but cannot be read.
        AudioError: clips that cannot be read.
    """
    table = corpora.load(corpus.reader, data, dict(corpus.options))
    packed = packs.pack(table, RATE_HZ)
    of: dict[str, list[np.ndarray]] = {}
    for number, speaker in enumerate(table.clips["speaker"]):
        first, last = packed.offsets[number : number + 2]
        wave = trimmed(packed.samples[first:last].astype(np.float32) / audio.FULL_SCALE)
        if len(wave):
            of.setdefault(str(speaker), []).append(wave)
    return list(of.values())


def trimmed(wave: np.ndarray) -> np.ndarray:
    """A clip from a little before its first sound to a little after its last; empty where it is silent."""
    loud = np.flatnonzero(np.abs(wave) > EDGE_SHARE * np.abs(wave).max(initial=0))
    if len(loud) == 0:
        return wave[:0]
    edge = round(EDGE_S * RATE_HZ)
    return wave[max(0, loud[0] - edge) : loud[-1] + edge]


# --- rooms ---


def through_pedalboard(random: np.random.Generator) -> np.ndarray:
    """A response of pedalboard's Reverb, dry 0.4 as in the study, beyond its ranges of wet level and room."""
    reverb = pedalboard.Reverb(
        room_size=random.uniform(0, 0.5), wet_level=random.uniform(0.1, 0.5), dry_level=0.4
    )
    impulse = np.zeros(round(PEDALBOARD_S * RATE_HZ), dtype=np.float32)
    impulse[0] = IMPULSE
    return reverb(impulse, RATE_HZ).astype(np.float64) / IMPULSE


def clips_of(
    speakers: Sequence[Sequence[np.ndarray]],
    responses: Sequence[np.ndarray],
    settings: Settings,
    snr_db: tuple[float, float],
    random: np.random.Generator,
) -> rooms.Block:
    """Clips of random speakers in random rooms."""
    n = round(max(settings.seconds) * RATE_HZ)
    truth = [rooms.label(response) for response in responses]
    waves, labels, snrs_db = [], [], random.uniform(*snr_db, settings.clips)
    for snr in snrs_db:
        speaker, number = int(random.integers(len(speakers))), int(random.integers(len(responses)))
        said = rooms.string(speakers[speaker], n, random)
        waves.append(rooms.record(said, responses[number], snr, random))
        labels.append(truth[number])
    return rooms.Block(np.stack(waves), np.array(labels), snrs_db)


# --- scores ---


def scored(net: room.RoomNet, block: rooms.Block, settings: Settings) -> dict[str, Any]:
    """Scores of all clips, by duration, by SNR."""
    by_seconds = {
        str(seconds): room.estimate(net, [wave[: round(seconds * RATE_HZ)] for wave in block.waves])
        for seconds in settings.seconds
    }
    whole = by_seconds[str(max(settings.seconds))]
    bands = {f"{low:g}-{high:g}": (block.snr_db >= low) & (block.snr_db < high) for low, high in SNR_BANDS_DB}
    return {
        "all": score_of(block.truth, whole),
        "by_seconds": {seconds: score_of(block.truth, found) for seconds, found in by_seconds.items()},
        "by_snr_db": {
            name: score_of(block.truth[chosen], whole[chosen])
            for name, chosen in bands.items()
            if chosen.any()
        },
    }


def score(
    weights: Path, settings: Settings, asked: Sequence[CorpusSpec], data: Path | None, output: Path
) -> str:
    """Scores weights, writes all of it to `output` as JSON, and returns the tables.

    Args:
        weights: file.
        settings: how.
        asked: real corpora.
        data: the folder they lie in.
        output: the file.

    Raises:
        ResultsUnwritable: `output` cannot be written.
        ExtraMissing: pyroomacoustics is not installed.
        WeightsMissing: `weights` are none.
        CorpusMissing: a corpus is not there.
    """
    net = room.load(weights)
    speech = {corpus.name: spoken(corpus, data) for corpus in asked}
    claim(output)
    random = rooms.stream(_SEEDS + settings.seed, 0, _ROOMS)
    shoeboxes = [rooms.image_source(random) for _ in tqdm(range(settings.rooms), desc="rooms")]
    random = rooms.stream(_SEEDS + settings.seed, 0, _PEDALBOARD)
    reverbs = [through_pedalboard(random) for _ in range(settings.rooms)]
    sets: dict[str, Any] = {}
    all_speech = {GENERATED: generated(settings), **speech}
    for number, (name, speakers) in enumerate(tqdm(all_speech.items(), desc="sets of speech")):
        random = rooms.stream(_SEEDS + settings.seed, number, _CORPUS)
        block = clips_of(speakers, shoeboxes, settings, settings.snr_db, random)
        again = clips_of(speakers, reverbs, settings, PEDALBOARD_SNR_DB, random)
        sets[name] = {
            "speakers": len(speakers),
            **scored(net, block, settings),
            PEDALBOARD: scored(net, again, settings)["all"],
        }
    measured = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "environment": environment("cpu"),
        "cpu_name": cpu_name(),
        "packages": versions(),
        "weights": room.digest(weights),
        "settings": asdict(settings),
        "pedalboard_snr_db": PEDALBOARD_SNR_DB,
        "sets": sets,
    }
    write(output, json.dumps(measured, allow_nan=False, indent=1) + "\n")
    return text(measured) + f"\n\nAll figures: {output}"


def text(measured: Mapping[str, Any]) -> str:
    """The tables, as printed."""
    headers = [
        "Speech",
        "",
        "n",
        "T60 RMSE s",
        "bias",
        "r",
        "C50 RMSE dB",
        "bias",
        "r",
        "< 20 dB: RMSE",
        "bias",
    ]
    rows = []
    for name, of in measured["sets"].items():
        rows.append([name, "all", *_row(of["all"])])
        rows += [["", f"first {key} s", *_row(each)] for key, each in list(of["by_seconds"].items())[1:]]
        rows += [["", f"SNR {key} dB", *_row(each)] for key, each in of["by_snr_db"].items()]
        rows.append(["", "pedalboard's Reverb", *_row(of[PEDALBOARD])])
    where = measured["environment"]
    return "\n\n".join(
        [
            f"weights {measured['weights']}, {measured['cpu_name']}, torch {where['packages']['torch']},"
            f" {measured['date']}",
            tabulate(rows, headers, disable_numparse=True),
        ]
    )


def _row(of: Mapping[str, Any]) -> list[str]:
    t60, c50, low = of["t60_s"], of["c50_db"], of["c50_db_below_20"]
    return [
        str(of["n"]),
        shown(t60["rmse"], ".3f"),
        shown(t60["bias"], "+.3f"),
        shown(t60["correlation"], ".3f"),
        shown(c50["rmse"], ".2f"),
        shown(c50["bias"], "+.2f"),
        shown(c50["correlation"], ".3f"),
        shown(low["rmse"], ".2f"),
        shown(low["bias"], "+.2f"),
    ]

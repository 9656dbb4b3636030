"""A corpus in a table, as a csv with paths or as parquet files with the audio inside."""

from __future__ import annotations

import io
import json
import wave
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

EMOTIONS = ("angry", "happy", "neutral", "sad")
SPLITS = {0: "train", 1: "train", 2: "dev", 3: "test", 4: "train", 5: "test"}


def rows(**changes: object) -> list[dict[str, object]]:
    """Six speakers, each with a clip a label; `boredom` of the first besides. Two clips a fold and label."""
    clips = [(speaker, emotion) for speaker in range(6) for emotion in EMOTIONS] + [(0, "boredom")]
    return [
        {
            "path": f"audio/s{speaker}-{emotion}.wav",
            "label": emotion,
            "speaker": f"s{speaker}",
            "split": SPLITS[speaker],
            "part": str(speaker % 3 + 8),
            "language": "de" if speaker < 4 else "en",
            **changes,
        }
        for speaker, emotion in clips
    ]


def sound(value: int, n: int = 800) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setparams((1, 2, 16_000, n, "NONE", ""))
        out.writeframes(value.to_bytes(2, "little") * n)
    return buffer.getvalue()


def write_csv(path: Path, table: list[dict[str, object]], delimiter: str = ",", audio: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [delimiter.join(table[0]), *(delimiter.join(map(str, row.values())) for row in table)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for row in table if audio else ():
        file = path.parent / str(row["path"])
        file.parent.mkdir(exist_ok=True)
        file.touch()
    return path


def write_shards(
    top: Path, table: list[dict[str, object]], *, classes: bool = True, n_each: int = 10
) -> None:
    """The rows as a dataset: two files a split at most, labels as numbers, the audio inside."""
    top.mkdir(parents=True, exist_ok=True)
    names = sorted({str(row["label"]) for row in table})
    features = {"label": {"names": names, "_type": "ClassLabel"}, "audio": {"_type": "Audio"}}
    about = {"huggingface": json.dumps({"info": {"features": features}})} if classes else None
    for split in dict.fromkeys(row["split"] for row in table):
        here = [(k, row) for k, row in enumerate(table) if row["split"] == split]
        shards = [here[start : start + n_each] for start in range(0, len(here), n_each)]
        for number, shard in enumerate(shards):
            columns = {
                "audio": pa.array([{"bytes": sound(k), "path": row["path"]} for k, row in shard]),
                "label": [names.index(str(row["label"])) if classes else row["label"] for _, row in shard],
                "speaker": [row["speaker"] for _, row in shard],
                "language": [row["language"] for _, row in shard],
            }
            name = f"{split}-{number:05d}-of-{len(shards):05d}.parquet"
            parquet.write_table(
                pa.table(columns).replace_schema_metadata(about), top / name, row_group_size=4
            )

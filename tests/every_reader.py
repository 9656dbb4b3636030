"""What holds for every reader: its test file derives a class of its own, and says READER, CASES and `make`.

`CASES` are pairs of a place below the tree that `make` builds, and options.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from serkit import corpora
from serkit.corpora.reading import folder
from serkit.corpora.reading.corpus import PARTS, Corpus
from serkit.errors import CorpusMissing
from serkit.labels import LABELS

ROOMS = ["TITLE", "PAGE", "OPTIONS", "LOOKS_LIKE", "WHOLE", "RATE_HZ", "CHANNELS"]
ROOMS += ["is_here", "choose", "title", "generate", "folds", "read", "facts", "expected"]
"""The parts of a reader in their order; what else it has stands between."""


def counts(corpus: Corpus, group: str, label: str) -> int:
    """Clips of a split, speaker or all (`*`) with a label, or any (`*`)."""
    clips = corpus.clips
    if group != "*":
        clips = clips[(clips["split"] == group) | (clips["speaker"] == group)]
    return len(clips) if label == "*" else int((clips["label"] == label).sum())


def parts(corpus: Corpus) -> list[dict[str, int]]:
    """Clips of each part, a dict a fold, as a reader's `expected` has them."""
    return [{part: len(corpus.part(fold, part)) for part in PARTS} for fold in range(corpus.n_folds)]


class EveryReader:
    """The tests; those that ask for `case` run for each of the file's CASES."""

    @pytest.fixture
    def reader(self, request):
        return request.module.READER

    @pytest.fixture
    def name(self, reader) -> str:
        return reader.__name__.rpartition(".")[2]

    @pytest.fixture
    def options(self, case) -> dict:
        return case[1]

    @pytest.fixture
    def corpus(self, case, loaded) -> Corpus:
        place, options = case
        return loaded(options, place)

    # --- the module ---

    def test_it_keeps_the_protocol(self, reader, name: str) -> None:
        assert corpora.reader(name) is reader
        assert not [part for part in corpora.PROTOCOL if not hasattr(reader, part)]
        parameters = inspect.signature(reader.read).parameters
        for option, allowed in reader.OPTIONS.items() if "options" not in parameters else ():
            assert parameters[option].default == (allowed[0] if allowed else None)

    def test_its_rooms_are_in_order(self, reader) -> None:
        found = []
        for node in ast.parse(inspect.getsource(reader)).body:
            if isinstance(node, ast.FunctionDef):
                found.append(node.name)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found += [target.id for target in targets if isinstance(target, ast.Name)]
        rooms = [one for one in found if one in ROOMS]
        assert rooms == sorted(rooms, key=ROOMS.index)

    def test_its_page_says_its_options(self, reader) -> None:
        page, _, anchor = reader.PAGE.partition("#")
        text = (Path(__file__).parents[1] / page).read_text()
        headings = [line.lstrip("# ").lower() for line in text.splitlines() if line.startswith("#")]
        assert anchor in [re.sub(r"[^a-z0-9-]", "", heading.replace(" ", "-")) for heading in headings]
        for option, allowed in reader.OPTIONS.items():
            assert f"`{option}`" in text
            assert all(str(value) in text for value in allowed)

    # --- the corpus ---

    def test_published_counts_hold(self, corpus, reader, options) -> None:
        if hasattr(reader, "facts"):
            facts = reader.facts(corpus, **corpora.checked_options(corpus.name, options))
            for (group, label), n in facts.items():
                assert counts(corpus, group, label) == n, (group, label)

    def test_what_is_expected_has_all_folds_and_parts(self, corpus, reader, options) -> None:
        if hasattr(reader, "expected"):
            expected = reader.expected(**options)
            assert [set(parts) for parts in expected] == [set(PARTS)] * corpus.n_folds

    def test_the_table_is_as_the_contract_says(self, corpus, name: str) -> None:
        clips = corpus.clips
        assert corpus.name == name
        assert corpus.version
        assert list(clips.columns[:5]) == ["path", "label", "speaker", "split", "fold"]
        assert clips.index.equals(pd.RangeIndex(len(clips)))
        assert clips["path"].is_monotonic_increasing
        assert clips["path"].is_unique
        assert set(clips["label"]) == set(LABELS)
        assert all(isinstance(speaker, str) and speaker for speaker in clips["speaker"])
        assert not clips.isna().any().any()
        assert not set(clips["path"]) & set(corpus.others)
        assert list(corpus.others) == sorted(set(corpus.others))
        # Below the corpus's folder, and nothing hidden; pathlib takes seconds for 100,000 names.
        assert [
            path for path in (*clips["path"], *corpus.others) if path[0] == "/" or "/." in f"/{path}"
        ] == []

    def test_parts_of_a_fold_share_no_clip_and_leave_none_out(self, corpus) -> None:
        for fold in range(corpus.n_folds):
            parts = {part: corpus.part(fold, part) for part in PARTS}
            together = np.concatenate(list(parts.values()))
            assert len(set(together)) == len(together)
            assert all(len(rows) for rows in parts.values())
            unused = set(corpus.clips["split"]) - {*PARTS, ""}
            assert len(together) == (~corpus.clips["split"].isin(unused)).sum()

    def test_folds_test_every_clip_once(self, corpus) -> None:
        if corpus.n_folds > 1:
            tested = np.concatenate([corpus.part(fold, "test") for fold in range(corpus.n_folds)])
            assert sorted(tested) == list(range(len(corpus.clips)))
            assert (corpus.clips["split"] == "").all()
            assert all(fold != validating for fold, validating in enumerate(corpus.validation_fold))
        else:
            assert (corpus.clips["fold"] == -1).all()

    def test_folds_are_known_before_the_corpus_is_read(self, corpus, name: str, options) -> None:
        assert corpora.folds(name, options) in (corpus.n_folds, None)

    def test_no_speaker_on_two_sides(self, corpus) -> None:
        speakers = corpus.clips["speaker"]
        for fold in range(corpus.n_folds):
            sides = [set(speakers.iloc[corpus.part(fold, part)]) - {"Unknown"} for part in PARTS]
            shared = sides[0] & sides[2] | sides[0] & sides[1] | sides[1] & sides[2]
            assert bool(shared) == corpus.split_by_clip

    def test_reading_depends_on_nothing_but_the_names(
        self, once, corpus, reader, options, monkeypatch
    ) -> None:
        listed: list[str] = []
        scandir = os.scandir

        class Reversed:
            def __init__(self, path) -> None:
                listed.append(str(path))
                with scandir(path) as entries:
                    self.entries = sorted(entries, key=lambda entry: entry.name, reverse=True)

            def __enter__(self):
                return iter(self.entries)

            def __exit__(self, *_) -> None:
                pass

        monkeypatch.setattr(folder.os, "scandir", Reversed)
        again = reader.read(corpus.folder, **options)
        assert again.digest() == corpus.digest()
        assert (again.others, again.notes, again.version) == (corpus.others, corpus.notes, corpus.version)
        assert len(set(listed)) == len(listed), "a folder was listed twice"

    # --- the search ---

    def test_it_is_found_and_looks_like_no_other(self, corpus, name: str) -> None:
        for other in corpora.READERS:
            if corpora.is_one(other):
                likeness = corpora.reader(other).is_here(corpus.folder)
                assert bool(likeness) == (other == name), other

    def test_it_is_missing_where_it_is_not(self, reader, name: str, tmp_path: Path) -> None:
        if corpora.is_one(name):
            with pytest.raises(CorpusMissing, match=r"no folder at or below .*levels down") as caught:
                corpora.find(name, tmp_path)
            assert reader.LOOKS_LIKE in str(caught.value)
            assert reader.PAGE in str(caught.value)

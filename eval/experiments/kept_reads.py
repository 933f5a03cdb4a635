"""What a reader said of passages, kept in a file, so that an experiment reads each only once, also
after it was stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rag.protocols import Reader
from rag.types import Hit, ReaderOutput, SentenceScore, Span, Verdict


class KeptReads:
    """A reader that remembers in `path`, JSON lines; `digest` is that of the reader's weights."""

    def __init__(self, reader: Reader, digest: str, path: Path) -> None:
        self.name = reader.name
        self.read_new = 0
        """How many questions were not in the file."""
        self._reader = reader
        self._digest = digest
        self._path = path
        self._known: dict[str, dict[str, Any]] = {}
        if path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                self._known[row["key"]] = row

    def read(self, question: str, hits: Sequence[Hit]) -> ReaderOutput:
        return self.read_many([(question, hits)])[0]

    def read_many(self, asked: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        keys = [self._key(question, hits) for question, hits in asked]
        new = {key: one for key, one in zip(keys, asked, strict=True) if key not in self._known}
        if new:
            found = self._reader.read_many(list(new.values()))
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                for (key, (_, hits)), output in zip(new.items(), found, strict=True):
                    self._known[key] = {"key": key, **_packed(output, hits)}
                    file.write(json.dumps(self._known[key]) + "\n")
            self.read_new += len(new)
        return [
            _unpacked(self._known[key], hits) for key, (_, hits) in zip(keys, asked, strict=True)
        ]

    def _key(self, question: str, hits: Sequence[Hit]) -> str:
        places = [(hit.passage.in_context, round(hit.score, 4)) for hit in hits]
        return hashlib.sha256(json.dumps([self._digest, question, places]).encode()).hexdigest()[
            :24
        ]


def _packed(output: ReaderOutput, hits: Sequence[Hit]) -> dict[str, Any]:
    place = {id(hit): number for number, hit in enumerate(hits)}
    return {
        "spans": [(place[id(s.hit)], s.start, s.end, round(s.score, 4)) for s in output.spans],
        "sentences": [
            (place[id(s.hit)], s.start, s.end, round(s.score, 5)) for s in output.sentences
        ],
        "verdicts": [
            (place[id(v.hit)], round(v.yes, 5), round(v.no, 5), round(v.unsaid, 5))
            for v in output.verdicts
        ],
    }


def _unpacked(row: dict[str, Any], hits: Sequence[Hit]) -> ReaderOutput:
    return ReaderOutput(
        [Span(hits[at], start, end, score) for at, start, end, score in row["spans"]],
        [SentenceScore(hits[at], start, end, score) for at, start, end, score in row["sentences"]],
        [Verdict(hits[at], yes, no, unsaid) for at, yes, no, unsaid in row["verdicts"]],
    )

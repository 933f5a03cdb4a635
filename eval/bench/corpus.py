"""Passages for an index of any size: real texts with their vectors, then perturbed copies.

    python -m eval.bench.corpus CACHE FOLDER… --seconds 300

reads the folders' documents in a random order, splits and embeds them as `rag ingest` does until
the time is over, and stores them in CACHE, with questions: a sentence of a passage, embedded as a
question.

A copy of a document has one word in `_WORDS` replaced by another of the corpus; its vectors are
moved towards those of other passages and by noise, to a cosine of about .87 with the original's.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rag import build
from rag.ingestion.chunking import split
from rag.meaning.sentences import split_sentences
from rag.parsing.base import ParseError
from rag.parsing.files import find
from rag.parsing.load import load
from rag.protocols import Embedder, Vectors
from rag.settings import Settings
from rag.types import Document, Passage

_KINDS = (".rst.gz", ".txt.gz", ".html.gz", ".rst", ".html")
_WORDS = 5
_TOWARDS, _NOISE = 0.5, 0.3
_EACH = 128
"""Minimum number of passages in a document of copies, for fewer commits."""
_QUESTIONS = 400


@dataclass(frozen=True, slots=True)
class Text:
    """A stored document; (start, end, heading) of its passages in order."""

    id: str
    title: str
    text: str
    passages: list[tuple[int, int, str]]

    def document(self) -> tuple[Document, list[Passage]]:
        made = Document(self.id, self.text, self.title, self.id, "0" * 64)
        return made, [
            Passage(self.id, a, b, self.text[a:b], self.title, heading)
            for a, b, heading in self.passages
        ]


class Corpus:
    """The result of `make` in a folder. `vectors` belong to all passages, in order."""

    def __init__(self, cache: Path) -> None:
        with (cache / "documents.jsonl").open() as lines:
            self.texts = [Text(**json.loads(line)) for line in lines]
        self.vectors: Vectors = np.load(cache / "vectors.npy")
        self.questions: list[str] = json.loads((cache / "questions.json").read_text())
        self.question_vectors: Vectors = np.load(cache / "questions.npy")

    def documents(
        self, count: int, seed: int = 0
    ) -> Iterator[tuple[Document, list[Passage], Vectors]]:
        """Documents with `count` passages together: the real ones, then copies."""
        done = 0
        for made, passages, vectors in self._real():
            kept = passages[: count - done]
            yield made, kept, vectors[: len(kept)]
            if (done := done + len(kept)) == count:
                return
        copies = _Copies(self, seed)
        while done < count:
            made, passages, vectors = copies.next()
            kept = passages[: count - done]
            yield made, kept, vectors[: len(kept)]
            done += len(kept)

    def _real(self) -> Iterator[tuple[Document, list[Passage], Vectors]]:
        at = 0
        for text in self.texts:
            made, passages = text.document()
            yield made, passages, self.vectors[at : at + len(passages)]
            at += len(passages)


class _Copies:
    def __init__(self, corpus: Corpus, seed: int) -> None:
        self._corpus, self._chance, self._random = (
            corpus,
            random.Random(seed),
            np.random.default_rng(seed),
        )
        self._words = [word for text in corpus.texts for word in text.text.split()[:500]]
        self._starts = np.cumsum([0, *(len(text.passages) for text in corpus.texts)]).tolist()
        self._number = 0

    def next(self) -> tuple[Document, list[Passage], Vectors]:
        """Copies of random documents, joined into one."""
        self._number += 1
        name, parts, rows = f"copies/{self._number}", list[tuple[str, str]](), list[int]()
        while len(parts) < _EACH:
            chosen = self._chance.randrange(len(self._corpus.texts))
            text = self._corpus.texts[chosen]
            parts += [(self._exchanged(text.text[a:b]), heading) for a, b, heading in text.passages]
            rows += range(self._starts[chosen], self._starts[chosen + 1])
        starts = np.cumsum([0, *(len(part) + 1 for part, _ in parts)]).tolist()
        passages = [
            Passage(name, at, at + len(p), p, name, h)
            for at, (p, h) in zip(starts, parts, strict=False)
        ]
        made = Document(name, "\n".join(part for part, _ in parts), name, name, "0" * 64)
        return made, passages, self._moved(self._corpus.vectors[rows])

    def _exchanged(self, text: str) -> str:
        parts = text.split(" ")
        for place in range(self._chance.randrange(_WORDS), len(parts), _WORDS):
            parts[place] = self._words[self._chance.randrange(len(self._words))]
        return " ".join(parts)

    def _moved(self, rows: Vectors) -> Vectors:
        others = self._corpus.vectors[
            self._random.integers(len(self._corpus.vectors), size=len(rows))
        ]
        noise = self._random.standard_normal(rows.shape, dtype=np.float32) / np.float32(
            np.sqrt(rows.shape[1])
        )
        return unit(rows + np.float32(_TOWARDS) * others + np.float32(_NOISE) * noise)


def unit(rows: Vectors) -> Vectors:
    made: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return made


def make(cache: Path, folders: Sequence[Path], seconds: float) -> int:
    """Fill `cache`. Returns the number of passages."""
    settings = Settings.load()
    model, chance = build.embedder(settings), random.Random(0)
    files = [found for found in find(list(folders)) if found.path.name.endswith(_KINDS)]
    chance.shuffle(files)
    texts, vectors, ends = list[Text](), list[Vectors](), time.monotonic() + seconds
    for found in files:
        try:
            documents = load(found).documents
        except ParseError:
            continue
        for document in documents:
            passages = split(document, model.count_tokens, settings.passage_tokens)
            if passages:
                texts.append(
                    Text(
                        document.id,
                        document.title,
                        document.text,
                        [(p.start, p.end, p.heading) for p in passages],
                    )
                )
                vectors.append(model.embed_passages([p.in_context for p in passages]))
        if time.monotonic() > ends:
            break
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "documents.jsonl").open("w") as out:
        out.writelines(
            json.dumps({name: getattr(text, name) for name in Text.__slots__}) + "\n"
            for text in texts
        )
    np.save(cache / "vectors.npy", np.concatenate(vectors))
    _ask(cache, texts, model, chance)
    return sum(len(text.passages) for text in texts)


def _ask(cache: Path, texts: Sequence[Text], model: Embedder, chance: random.Random) -> None:
    """Sentences of 5 to 20 words, each from a different document if there are enough."""
    asked = []
    for text in chance.sample(texts, len(texts)):
        start, end, _ = chance.choice(text.passages)
        part = text.text[start:end]
        sentences = [
            part[a:b] for a, b in split_sentences(part) if 5 <= len(part[a:b].split()) <= 20
        ]
        asked += [" ".join(chance.choice(sentences).split())] if sentences else []
    asked = asked[:_QUESTIONS]
    (cache / "questions.json").write_text(json.dumps(asked))
    np.save(cache / "questions.npy", model.embed_queries(asked))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("cache", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--seconds", type=float, default=300)
    asked = parser.parse_args()
    begun = time.monotonic()
    count = make(asked.cache, asked.folders, asked.seconds)
    print(f"{count} passages in {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()

"""Passages for an index of any size: real texts with their vectors, then perturbed copies.

    python -m eval.bench.corpus CACHE FOLDER…

reads the folders' documents in a random order, splits and embeds them as `rag ingest` does until
the time is over, and stores them in CACHE, with questions: a sentence of a passage, embedded as a
question.

A copy of a document has one word in `_WORDS` replaced by another of the corpus; its vectors are
moved towards those of other passages and by noise, to a cosine of about .87 with the original's.
"""

import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from itertools import count as count_from
from pathlib import Path

import click
import numpy as np

from eval.scripts import PATH, script
from rag import build
from rag.evaluation.set_files import json_lines
from rag.ingestion.chunking import split_document
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
_DOCUMENT_PASSAGES = 128
"""Minimum number of passages in a document of copies, for fewer commits."""
_QUESTIONS = 400


Item = tuple[Document, list[Passage], Vectors]


@dataclass(frozen=True, slots=True)
class Text:
    """A stored document; (start, end, heading) of its passages in order."""

    id: str
    title: str
    text: str
    passages: list[tuple[int, int, list[str]]]


class Corpus:
    """The result of `make` in a folder. `vectors` belong to all passages, in order."""

    def __init__(self, cache: Path) -> None:
        self.texts = [Text(**row) for row in json_lines(cache / "documents.jsonl")]
        self.vectors: Vectors = np.load(cache / "vectors.npy")
        self.questions: list[str] = json.loads((cache / "questions.json").read_text())
        self.question_vectors: Vectors = np.load(cache / "questions.npy")
        self._starts = np.cumsum([0, *(len(text.passages) for text in self.texts)]).tolist()

    def documents(self, count: int, seed: int = 0) -> Iterator[Item]:
        """Documents with `count` passages together: the real ones, then copies."""
        for document, passages, vectors in chain(self._real(), self._copies(seed)):
            if count <= 0:
                return
            yield document, passages[:count], vectors[:count]
            count -= len(passages)

    def _real(self) -> Iterator[Item]:
        for text, start in zip(self.texts, self._starts, strict=False):
            passages = [
                Passage(text.id, a, b, text.text[a:b], text.title, tuple(headings))
                for a, b, headings in text.passages
            ]
            document = Document(text.id, text.text, text.title, text.id, "0" * 64)
            yield document, passages, self.vectors[start : start + len(passages)]

    def _copies(self, seed: int) -> Iterator[Item]:
        """Endless copies of random documents, several joined into one."""
        chance = random.Random(seed)
        random_numbers = np.random.default_rng(seed)
        words = [word for text in self.texts for word in text.text.split()[:500]]

        def exchanged(text: str) -> str:
            parts = text.split(" ")
            for place in range(chance.randrange(_WORDS), len(parts), _WORDS):
                parts[place] = words[chance.randrange(len(words))]
            return " ".join(parts)

        for number in count_from(1):
            parts = list[TextPart]()
            rows = list[int]()
            while len(parts) < _DOCUMENT_PASSAGES:
                chosen = chance.randrange(len(self.texts))
                text = self.texts[chosen]
                parts += [(exchanged(text.text[a:b]), names) for a, b, names in text.passages]
                rows += range(self._starts[chosen], self._starts[chosen + 1])
            places = random_numbers.integers(len(self.vectors), size=len(rows))
            noise = random_numbers.standard_normal((len(rows), self.vectors.shape[1]))
            moved = self.vectors[rows] + _TOWARDS * self.vectors[places]
            moved = moved + _NOISE * noise / np.sqrt(self.vectors.shape[1])
            unit: Vectors = moved / np.linalg.norm(moved, axis=1, keepdims=True)
            yield *joined(f"copies/{number}", parts), unit.astype(np.float32)


TextPart = tuple[str, Sequence[str]]
"""A text and its headings."""


def joined(name: str, parts: Sequence[TextPart]) -> tuple[Document, list[Passage]]:
    """A document of passages on lines of their own."""
    starts = np.cumsum([0, *(len(text) + 1 for text, _ in parts)]).tolist()
    passages = [
        Passage(name, start, start + len(text), text, name, tuple(headings))
        for start, (text, headings) in zip(starts, parts, strict=False)
    ]
    return Document(name, "\n".join(text for text, _ in parts), name, name, "0" * 64), passages


def make(cache: Path, folders: Sequence[Path], seconds: float) -> int:
    """Fill `cache`. Returns the number of passages."""
    settings = Settings.load()
    model = build.embedder(settings)
    chance = random.Random(0)
    files = [file for file in find(list(folders)) if file.path.name.endswith(_KINDS)]
    chance.shuffle(files)
    texts = list[Text]()
    vectors = list[Vectors]()
    ends = time.monotonic() + seconds
    for file in files:
        try:
            documents = load(file).documents
        except ParseError:
            continue
        for document in documents:
            passages = split_document(document, model.count_tokens, settings.passage_tokens)
            if passages:
                places = [(p.start, p.end, list(p.headings)) for p in passages]
                texts.append(Text(document.id, document.title, document.text, places))
                vectors.append(model.embed_passages([p.in_context for p in passages]))
        if time.monotonic() > ends:
            break
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "documents.jsonl").open("w") as stream:
        stream.writelines(json.dumps(asdict(text)) + "\n" for text in texts)
    np.save(cache / "vectors.npy", np.concatenate(vectors))
    _ask(cache, texts, model, chance)
    return sum(len(text.passages) for text in texts)


def _ask(cache: Path, texts: Sequence[Text], model: Embedder, chance: random.Random) -> None:
    """Sentences of 5 to 20 words, each from a different document if there are enough."""
    questions = []
    for text in chance.sample(texts, len(texts)):
        start, end, _ = chance.choice(text.passages)
        part = text.text[start:end]
        sentences = [
            part[a:b] for a, b in split_sentences(part) if 5 <= len(part[a:b].split()) <= 20
        ]
        questions += [" ".join(chance.choice(sentences).split())] if sentences else []
    questions = questions[:_QUESTIONS]
    (cache / "questions.json").write_text(json.dumps(questions))
    np.save(cache / "questions.npy", model.embed_queries(questions))


@script(__doc__)
@click.argument("cache", type=PATH)
@click.argument("folders", type=PATH, nargs=-1, required=True)
@click.option("--seconds", default=300.0, help="Read and embed documents for so long.")
def main(cache: Path, folders: tuple[Path, ...], seconds: float) -> None:
    begun = time.monotonic()
    count = make(cache, folders, seconds)
    print(f"{count} passages in {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from rag.errors import ConflictError
from rag.ingestion.chunking import split_document
from rag.ingestion.pipeline import BATCH_PASSAGES, batches, embed, index
from rag.parsing.base import ParseError
from rag.parsing.load import load_data
from rag.protocols import Vectors
from rag.types import Document
from tests.fakes import BagOfWordsEmbedder, document
from tests.store.helpers import Worker, both, local

NAMES = ["a.txt", "b.txt", "c.txt"]


def named_document(name: str) -> Document:
    return document(f"Sardines swim near {name}.", name, name)


def test_others_may_write_between_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.ingestion.pipeline.BATCH_PASSAGES", 1)
    store = local(tmp_path)
    with Worker(tmp_path) as second_writer:

        def documents() -> Iterator[Document]:
            for name in NAMES:
                second_writer.ask("begin")  # takes the lock, or raises BusyError
                second_writer.ask("end")
                yield named_document(name)

        indexed = index(documents(), store, BagOfWordsEmbedder())
    assert (indexed.ids, indexed.passages, indexed.refused) == (NAMES, 3, [])
    assert both(store, "sardines") == [set(NAMES), set(NAMES)]


def test_a_document_that_is_refused_under_the_lock_is_left_out(tmp_path: Path) -> None:
    store = local(tmp_path)

    def check(checked: Document) -> None:
        if checked.id == "b.txt":
            raise ConflictError("b.txt is taken", "choose another name")

    indexed = index(map(named_document, NAMES), store, BagOfWordsEmbedder(), check=check)
    assert indexed.ids == ["a.txt", "c.txt"]
    assert [(checked.id, why.message) for checked, why in indexed.refused] == [
        ("b.txt", "b.txt is taken")
    ]
    assert both(store, "sardines") == [{"a.txt", "c.txt"}] * 2


def test_a_group_is_never_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.ingestion.pipeline.BATCH_PASSAGES", 2)
    groups = [
        ("one", [named_document("a.txt"), named_document("b.txt"), named_document("c.txt")]),
        ("two", []),
        ("three", []),
    ]
    divided = list(batches(groups, BagOfWordsEmbedder(), 160))
    assert [keys for keys, _ in divided] == [["one"], ["two", "three"]]
    assert [[prepared.document.id for prepared in batch] for _, batch in divided] == [NAMES, []]
    assert [prepared.vectors.shape for prepared in divided[0][1]] == [
        (1, BagOfWordsEmbedder().dim)
    ] * 3


class Largest(BagOfWordsEmbedder):
    """Remembers the most texts, and the longest one, that it embedded at once."""

    most_texts = longest_text = 0

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        self.most_texts = max(self.most_texts, len(texts))
        self.longest_text = max(self.longest_text, *map(len, texts))
        return super().embed_passages(texts)


LONG = "A b c d. " * 20_000
BODY = "\n\n".join(f"Sardine number {number} swims." for number in range(2000))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("heading.md", f"# {LONG}\n\n{BODY}"),
        ("mail.eml", f"From: a@example.org\nSubject: {LONG}\n\n{BODY}"),
        ("title.html", f"<title>{LONG}</title><h2>{LONG}</h2><p>{BODY}</p>"),
        ("column.csv", f"{LONG.replace('.', '')},b\n" + "x,y\n" * 2000),
        ("depth.md", "\n\n".join(f"{'#' * n} {n} {'A b c. ' * 90}" for n in range(1, 7)) + BODY),
    ],
)
def test_a_context_is_short_and_passages_are_embedded_some_at_a_time(
    name: str, content: str
) -> None:
    """A long heading was stored before each of 2,000 passages: one of 1.6 MB took 3 GB."""
    (source,) = load_data(name, content.encode()).documents
    embedder = Largest()
    passages = split_document(source, embedder.count_tokens, 20)
    (embedded,) = embed(embedder, [(source, passages)])
    assert embedded.vectors.shape == (len(passages), embedder.dim)
    assert len(passages) > 2 * BATCH_PASSAGES
    assert embedder.most_texts <= BATCH_PASSAGES
    assert max(len(passage.context) for passage in passages) < 1500
    assert all(source.text[p.start : p.end] == p.text for p in passages)
    assert embedder.longest_text < 4000


def test_a_document_of_very_many_headings_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.parsing.load._MOST_NAMES", 1000)
    assert load_data("a.md", b"# a\n\n" * 1000).documents
    with pytest.raises(ParseError, match="more than 1,000 headings"):
        load_data("a.md", b"# a\n\n" * 1001)

from pathlib import Path

from rag.ingestion.pipeline import index
from rag.store.local.integrity import examine
from tests.fakes import BagOfWordsEmbedder, document
from tests.store.helpers import local

SENTENCES = [
    f"Paragraph {word} speaks of sardines near the coast of {word}."
    for word in "one two three four five six".split()
]


def put(folder: Path, **texts: str) -> None:
    store, embedder = local(folder), BagOfWordsEmbedder()
    for name, text in texts.items():
        index([document(text, name, name)], store, embedder, 12)
    store.close()


def said(folder: Path) -> str:
    return next(finding.detail for finding in examine(folder) if finding.name == "copies")


def test_copies_and_editions_are_named(tmp_path: Path) -> None:
    whole = "\n\n".join(SENTENCES)
    put(
        tmp_path,
        a=whole,
        b=whole,
        later="\n\n".join([*SENTENCES[:4], "A new ending about boats and nothing else at all."]),
    )
    detail = said(tmp_path)
    assert "a = b" in detail
    assert "later" in detail
    assert "%" in detail


def test_different_documents_are_not(tmp_path: Path) -> None:
    put(tmp_path, a="\n\n".join(SENTENCES[:3]), b="\n\n".join([*SENTENCES[3:], SENTENCES[0]]))
    assert said(tmp_path) == "none"

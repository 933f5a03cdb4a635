"""Makes the receipt of an answer, and asks again from it: does the same question get the same
answer, and if not, which document, model or setting has changed?
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.errors import InputError, ModelError, cause_of
from rag.files import sha256_file
from rag.filters import parse
from rag.fusion import shipped
from rag.models.registry import DIGEST, MINILM_SHA256, shipped_embedder, shipped_reader
from rag.query import Query
from rag.retrieval import RetrievalResult
from rag.settings import Settings
from rag.types import Answer, Citation, Receipt

_ANSWER_SETTINGS = (
    "first_stage_k",
    "passage_tokens",
    "threshold",
    "spelling",
)
"""Settings that affect the answer; models are recorded as digests instead."""

_SINCE = ("form", "preferred")
"""Fields that receipts of earlier versions do not have."""


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question as it was asked, and what was found and read for it: all that a receipt says but
    the answer. `read` is the number of passages that were read; `calibration` is the digest of the
    confidence model; the threshold in `settings` is the one in force.
    """

    query: Query
    retrieved: RetrievalResult
    read: int
    settings: Settings
    calibration: str
    timings: Mapping[str, float]

    @property
    def question(self) -> str:
        """The question as it was typed."""
        return self.query.question.strip()

    @property
    def understood(self) -> str | None:
        """The question after spelling correction, if that changed it."""
        corrected = self.retrieved.question
        return corrected if corrected != self.question else None

    def receipt(
        self, text: str | None, citations: Sequence[Citation], documents_asked: Iterable[str] = ()
    ) -> Receipt:
        """The receipt of an answer. It has the number of passages needed to repeat it, and the
        digests of the documents that were read, or asked one by one.
        """
        query = self.query
        hits = self.retrieved.hits
        documents = self.retrieved.documents

        document_ids = {hit.passage.document_id for hit in hits[: self.read]}
        document_ids |= {citation.document_id for citation in citations}
        document_ids |= set(documents_asked)
        digests = {}
        for document_id in sorted(document_ids & documents.keys()):
            digests[document_id] = documents[document_id].sha256

        is_cut_short = self.read < len(hits)
        conditions = [f"{part.key}{part.op}{part.value}" for part in query.filter or ()]
        return Receipt(
            question=self.question,
            read=self.read if is_cut_short else query.k or self.settings.top_k,
            filter=tuple(conditions),
            generation=self.retrieved.generation,
            documents=digests,
            embedder=model_digest(self.settings.embedder),
            reader=model_digest(self.settings.reader),
            calibration=self.calibration,
            settings=answer_settings(self.settings),
            answer=answer_digest(text, citations),
            form=query.form,
            preferred=query.preferred,
        )


def answer_settings(settings: Settings) -> dict[str, str]:
    """The settings, and the digest of the fusion that ordered the passages."""
    values = {name: str(getattr(settings, name)) for name in _ANSWER_SETTINGS}
    return values | {"fusion": shipped().digest}


def answer_digest(text: str | None, citations: Iterable[Citation]) -> str:
    """Digest of the answer and its places, without confidence and timings."""
    places = []
    for citation in citations:
        places.append([citation.document_id, citation.start, citation.end, citation.quote])
    content = json.dumps([text, places], ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


@functools.lru_cache(16)
def model_digest(setting: str) -> str:
    """The sha256 of a model's weights: for shipped models the one checked at load, for a
    folder its weights', for a hub model that of its name.
    """
    if setting == "minilm":
        return MINILM_SHA256
    shipped = shipped_reader(setting) or shipped_embedder(setting)
    folder = shipped or Path(setting)
    stated = folder / DIGEST
    if shipped and stated.is_file():
        return stated.read_text(encoding="utf-8").strip()

    digest = hashlib.sha256(b"" if folder.is_dir() else setting.encode())
    try:
        for path in sorted(folder.glob("*")):
            if path.suffix not in (".safetensors", ".bin", ".json"):
                continue
            digest.update(path.name.encode())
            digest.update(bytes.fromhex(sha256_file(path)))
    except OSError as error:
        raise ModelError(f"model folder {setting}: {error.strerror}", "check the folder") from error
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Replay:
    """Whether the answer was the same, the new answer, and what differs, in words."""

    same: bool
    answer: Answer
    changed: tuple[str, ...]


def replay(ask: Callable[..., Answer], recorded: Receipt) -> Replay:
    """Asks the receipt's question again with the same options; `ask` is `Engine.ask`."""
    answer = ask(
        recorded.question,
        recorded.read,
        parse(recorded.filter) or None,
        form=recorded.form,
        preferred=recorded.preferred,
    )
    today = answer.receipt
    if today is None:
        raise InputError("this engine gives no receipts", "ask through rag.build.engine")
    return Replay(today.answer == recorded.answer, answer, tuple(changes(recorded, today)))


def changes(recorded: Receipt, today: Receipt) -> Iterable[str]:
    """The differences between two receipts that affect an answer, in words."""
    for name in ("embedder", "reader", "calibration"):
        value_then = getattr(recorded, name)
        value_now = getattr(today, name)
        if value_then != value_now:
            yield f"{name}: {value_then[:12]}… then, {value_now[:12]}… now"

    for name in sorted(recorded.settings.keys() | today.settings.keys()):
        if recorded.settings.get(name) == today.settings.get(name):
            continue
        setting_then = recorded.settings.get(name, "unknown")
        setting_now = today.settings.get(name, "unknown")
        yield f"setting {name}: {setting_then} then, {setting_now} now"

    for name in sorted(recorded.documents.keys() | today.documents.keys()):
        if name not in today.documents:
            yield f"document {name}: read then, not now"
        elif name not in recorded.documents:
            yield f"document {name}: read now, not then"
        elif recorded.documents[name] != today.documents[name]:
            yield f"document {name}: changed since"

    if recorded.generation != today.generation:
        yield f"index: generation {recorded.generation} then, {today.generation} now"


def load(record: Any) -> Receipt:
    """A receipt from JSON, or from an answer that has one. Raises InputError otherwise."""
    if isinstance(record, Mapping) and isinstance(record.get("receipt"), Mapping):
        record = record["receipt"]
    try:
        receipt = _receipt_of(record)
        _check_types(receipt)
    except (KeyError, TypeError, ValueError) as error:
        hint = "give the output of `rag ask --json`, or its field receipt"
        raise InputError(f"not a receipt: {cause_of(error)}", hint) from error
    return receipt


def _receipt_of(record: Any) -> Receipt:
    """Raises KeyError, TypeError or ValueError for a record that lacks a field."""
    values = {}
    for name in Receipt.__dataclass_fields__:
        if name not in _SINCE or name in record:
            values[name] = record[name]
    for name in ("filter", "preferred"):
        values[name] = tuple(map(str, values.get(name, ())))
    return Receipt(**values)


def _check_types(receipt: Receipt) -> None:
    """Raises TypeError for a field of the wrong type, and for a number of passages below 1."""
    texts = (
        receipt.question,
        receipt.embedder,
        receipt.reader,
        receipt.calibration,
        receipt.answer,
        receipt.form,
    )
    numbers = (receipt.read, receipt.generation)
    mappings = (receipt.documents, receipt.settings)

    are_texts = all(isinstance(text, str) for text in texts)
    are_numbers = all(type(number) is int for number in numbers)  # True is an int, too
    are_mappings = all(isinstance(mapping, Mapping) for mapping in mappings)
    if not (are_texts and are_numbers and are_mappings) or receipt.read < 1:
        raise TypeError("a field has the wrong type")

"""Makes the file that proves an answer, a refusal or a grid, and checks it against the index."""

from __future__ import annotations

import io
import json
import math
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rag.answering.judge import Ranks
from rag.answering.verification import (
    CitationCheck,
    ComputedCheck,
    Documents,
    citations,
    computed_value,
    verify,
    verify_computed,
)
from rag.desk import bundle, certificate, verify_bundle
from rag.desk.grid import Grid
from rag.engine import Engine
from rag.errors import InputError
from rag.protocols import Proceed, Store
from rag.query import Query
from rag.settings import Settings
from rag.types import TALK, Answer, Citation, Document, Json

ProofKind = Literal["answer", "certificate", "bundle", "grid"]
_ALTERED = "the certificate is not as rag wrote it, so nothing in it can be relied on"
_MOST_FILES = 10_000
_MOST_UNPACKED = 1 << 28
"""Bytes of a bundle's files; a small archive may claim to hold more than a disk has."""
_UNREADABLE = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError, EOFError)
_AS_WAS = ("ok", "moved")


@dataclass(frozen=True, slots=True)
class ProofFile:
    """A file that proves something: the bundle of an answer or of a grid, or a certificate of
    absence as a page.
    """

    kind: Literal["bundle", "certificate"]
    content: bytes


def of_question(
    engine: Engine, query: Query, answer_to: Callable[[Query], Answer], most_bytes: float = math.inf
) -> ProofFile:
    """Ask, and pack the answer, or certify that there is none. `answer_to` asks the engine.
    Raises as `certificate.ask` and `bundle.pack`, and InputError for a question to rag itself.
    """
    answer, record = certificate.ask(engine, query, answer_to)
    if record:
        return ProofFile("certificate", certificate.content(record, is_page=True))
    if answer.form == TALK:
        raise InputError("this is a question to rag itself", "ask one about the documents")
    return packed(engine.store, bundle.of_answer(answer.to_dict()), most_bytes)


def packed(store: Store, contents: bundle.Contents, most_bytes: float = math.inf) -> ProofFile:
    """The bundle, made in memory. Raises as `bundle.pack`."""
    file = io.BytesIO()
    bundle.pack(store, contents, file, most_bytes=most_bytes)
    return ProofFile("bundle", file.getvalue())


@dataclass(frozen=True, slots=True)
class ProofCheck:
    """What is different from the time when a proof was written.

    `faults` say what in the file is not as rag wrote it; such a certificate is compared no further.
    `checked` quotes were looked up in the index, and `citations` are those of them that are not at
    their places, or all of an answer's. `added`, `changed` and `removed` are ids of documents;
    `settings` says in words which models and settings differ.
    """

    kind: ProofKind
    checked: int = 0
    faults: tuple[str, ...] = ()
    citations: tuple[CitationCheck, ...] = ()
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether all of it is so today. A quote that moved within its document is."""
        if self.faults or self.settings:
            return False
        if self.added or self.changed or self.removed:
            return False
        sound_states = ("ok",) if self.kind == "certificate" else _AS_WAS
        return all(check.status in sound_states for check in self.citations)

    def to_dict(self) -> Json:
        return {
            "kind": self.kind,
            "holds": self.holds,
            "checked": self.checked,
            "faults": list(self.faults),
            "citations": [check.to_dict() for check in self.citations],
            "added": list(self.added),
            "changed": list(self.changed),
            "removed": list(self.removed),
            "settings": list(self.settings),
        }


class _LatestDocument:
    """The store, with the document that was read last: quotes of one follow each other."""

    def __init__(self, store: Documents) -> None:
        self._store = store
        self._document_id = ""
        self._document: Document | None = None

    def document(self, document_id: str) -> Document | None:
        if self._document_id != document_id:
            self._document_id = document_id
            self._document = self._store.document(document_id)
        return self._document


def check_file(
    content: bytes,
    store: Store,
    settings: Settings,
    judge: Ranks,
    proceed: Proceed = lambda: None,
) -> ProofCheck:
    """Check a file: an answer's JSON or a list of citations, a certificate as JSON or HTML, or a
    bundle. `settings` and `judge` are those that answers get today. Raises InputError for anything
    else.
    """
    if content.startswith(b"PK"):
        return _bundle(content, store, proceed)
    hint = "give an answer's JSON, a certificate, or a bundle as rag wrote it"
    try:
        value = certificate.load(content.decode())
    except (ValueError, RecursionError) as error:
        raise InputError(f"the file is no proof: {error}", hint) from error
    if isinstance(value, dict) and value.get("kind") == certificate.KIND:
        return _certificate(value, store, settings, judge)
    return check_answer(value, store, proceed)


def check_answer(value: Any, store: Documents, proceed: Proceed = lambda: None) -> ProofCheck:
    """Check the citations of an answer's JSON, or of a list, and compute again what was computed
    from them. Raises InputError without any.
    """
    cited = citations(value)
    if not cited:
        hint = "to check a refusal, give its certificate: rag ask QUESTION --certificate FILE"
        raise InputError('the answer has no citations (it was "not found")', hint)

    checks = _checks(store, cited, proceed)
    faults: tuple[str, ...] = ()
    computed = computed_value(value)
    if computed:
        faults = _faults_of_computed(verify_computed(store, computed, cited, checks))
    return ProofCheck("answer", len(cited), faults, citations=checks)


def _faults_of_computed(check: ComputedCheck) -> tuple[str, ...]:
    """Why a computed value does not hold, with what it would be today; () if it holds."""
    if check.holds:
        return ()
    today = f": {check.now}" if check.now else ""
    return (f"{check.text} does not hold: {check.detail}{today}",)


def check_grid(grid: Grid, store: Documents, proceed: Proceed = lambda: None) -> ProofCheck:
    """Check the quotes of a grid's cells."""
    cited: list[Citation] = []
    for *_, cell in grid.every_cell():
        if cell:
            cited += cell.quotes
    checks = _checks(store, cited, proceed)
    return ProofCheck("grid", len(cited), citations=_lost_quotes(checks))


def _checks(
    store: Documents, cited: Iterable[Citation], proceed: Proceed
) -> tuple[CitationCheck, ...]:
    """Look up each quote."""
    latest = _LatestDocument(store)
    checks = []
    for citation in cited:
        proceed()
        checks.append(verify(latest, citation))
    return tuple(checks)


def _lost_quotes(checks: Sequence[CitationCheck]) -> tuple[CitationCheck, ...]:
    """The quotes that are not at their places."""
    return tuple(check for check in checks if check.status != "ok")


def _certificate(
    record: dict[str, Any], store: Store, settings: Settings, judge: Ranks
) -> ProofCheck:
    """Compare a certificate with the index and the settings of today."""
    check = certificate.check(record, store, settings, judge)
    if not check.is_intact:
        return ProofCheck("certificate", faults=(_ALTERED,))
    return ProofCheck(
        "certificate",
        len(record["passages"]),
        citations=check.passages,
        added=check.added,
        changed=check.changed,
        removed=check.removed,
        settings=check.settings,
    )


def _bundle(content: bytes, store: Store, proceed: Proceed) -> ProofCheck:
    """Check a bundle as its own program does, and its quotes against the index."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _unpack(content, folder)
        try:
            results = list(verify_bundle.checks(folder, ""))
            cited = _bundled_citations(folder)
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            return ProofCheck("bundle", faults=(f"the bundle cannot be read: {error}",))

    checks = _checks(store, cited, proceed)
    return ProofCheck(
        "bundle",
        checked=len(cited),
        faults=tuple(fault for holds, fault in results if not holds),
        citations=_lost_quotes(checks),
    )


def _bundled_citations(folder: Path) -> list[Citation]:
    """The citations of all answers of a bundle, each once."""
    content = json.loads((folder / "answers.json").read_bytes())
    distinct: dict[Citation, None] = {}
    for answer in content["answers"]:
        distinct |= dict.fromkeys(citations(answer))
    return list(distinct)


def _unpack(content: bytes, folder: Path) -> None:
    """Raises InputError for an archive that is no bundle."""
    hint = "give the ZIP file that `rag export` or the page wrote"
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if bundle.SUMS not in archive.namelist():
                raise InputError(f"the archive is no bundle: it has no {bundle.SUMS}", hint)
            _check_size(archive)
            archive.extractall(folder)
    except _UNREADABLE as error:
        raise InputError(f"the archive cannot be read: {error}", hint) from error


def _check_size(archive: zipfile.ZipFile) -> None:
    """Raises InputError for an archive that holds more than a bundle may."""
    files = archive.infolist()
    unpacked_bytes = sum(file.file_size for file in files)
    if len(files) <= _MOST_FILES and unpacked_bytes <= _MOST_UNPACKED:
        return
    limit = f"{_MOST_FILES:,} files or {_MOST_UNPACKED >> 20} MiB"
    raise InputError(f"the bundle has more than {limit}", "run its own verify.py")

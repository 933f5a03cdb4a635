"""A certificate of absence: what was searched without finding an answer, the nearest passages, and
why each fell short. It can be checked against the index later.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from rag.answering import receipts
from rag.answering.candidate import quoted
from rag.answering.compose import ALL_NEEDED
from rag.answering.judge import Judge, Ranks
from rag.answering.verification import CitationCheck, citations, verify
from rag.desk import grid_export
from rag.desk.grid import now
from rag.engine import Engine
from rag.errors import BusyError, InputError, writing_to
from rag.filters import Filter, matches, parse
from rag.protocols import Store
from rag.query import Query
from rag.render.html_page import html_page, html_text
from rag.render.status import flat, plural
from rag.retrieval import TRIES
from rag.settings import Settings
from rag.types import TALK, Answer, Document, Hit, path_of, title_and_headings

KIND = "certificate of absence"
_OF_EVERY_DOCUMENT = re.compile(
    r"which (?:of (?:the|our|my|these|all) )?(?:[\w-]+ ){0,2}?"
    r"(?!does\b|is\b|was\b|has\b|this\b|its\b)[\w-]*[^\Wsui]s\b"
    r"|how many\b|list\b|name (?:all|every|the)\b|(?:who|what) all\b"
    r"|(?:are|is|do|does|has|have) (?:all|any|every|each|none|no) ",
    re.IGNORECASE,
)
"""How questions begin whose answer is spread over the documents: "Which suppliers …"."""
_ALL_CANDIDATES = 10_000
_MOST_LISTED = 500
"""Documents that the page lists; the data in the file has all."""
_DATA, _END = '<script type="application/json" id="certificate">', "</script>\n"
_STYLE = """
body { max-width: 48rem; } table { border-collapse: collapse; width: 100%; }
th, td { border-top: 1px solid var(--line); padding: .35rem .8rem .35rem 0; text-align: left;
  vertical-align: top; } th { width: 11rem; } code { font-size: .85em; }
.verdict { font-size: 1.15rem; border-left: .4rem solid #b37400; padding-left: .8rem; }
.passage { border-top: 1px solid var(--line); padding: .6rem 0; }
blockquote { white-space: pre-line; border-left: .2rem solid var(--line); padding-left: .8rem;
  margin: .5rem 0; }
@media (max-width: 40rem) { th, td { display: block; width: auto; padding-right: 0; }
  td { border: 0; padding-top: 0; } }
"""


def ask(
    engine: Engine, query: Query, answer_to: Callable[[Query], Answer] | None = None
) -> tuple[Answer, dict[str, Any] | None]:
    """The answer, with the certificate of a refusal. `answer_to` asks the engine; a service waits
    in it for its models. Raises as `Engine.ask`, BusyError, and InputError if the question has no
    answer and needs all documents, of which rag reads a few.
    """
    most = engine.alternatives
    answer_to = answer_to or (lambda query: engine.ask_many([query])[0])
    for _ in range(TRIES):
        answer = answer_to(replace(query, alternatives=_ALL_CANDIDATES))
        receipt, documents = answer.receipt, engine.store.documents()
        if receipt and receipt.generation == engine.store.stats().generation:
            break
    else:
        raise BusyError("the index changes all the time", "try again when nothing is ingested")
    count = most if answer.text is not None else most + 1
    shortened = replace(answer, alternatives=answer.alternatives[:count])
    if answer.text is not None or answer.form == TALK:
        return shortened, None
    if (
        answer.grid
        or answer.abstention_reason == ALL_NEEDED
        or _OF_EVERY_DOCUMENT.match(answer.question)
    ):
        message = "no certificate: this question needs all documents, and rag reads a few passages"
        hint = (
            "ask every document instead: write the question for one document into a grid file, "
            "then: rag grid run FILE.toml (rag grid --help shows one)"
        )
        raise InputError(message, hint)
    digests = _digests(documents, query.filter or ())
    judge, threshold = engine.judge, engine.threshold
    is_measured = isinstance(judge, Judge) and judge.threshold == threshold
    return shortened, {
        "kind": KIND,
        "version": 1,
        "at": now(),
        "question": answer.question,
        "understood": answer.understood,
        "reason": answer.abstention_reason,
        "documents_in_index": len(documents),
        "passages_in_index": engine.store.stats().passages,
        "documents_digest": _digest(digests),
        "passages": [_passage(hit, answer, engine) for hit in answer.hits_read],
        "threshold": threshold,
        "wrong_of_answered": getattr(judge, "risk", None) if is_measured else None,
        "missed_of_answerable": getattr(judge, "missed", None) if is_measured else None,
        "models": {"embedder": engine.settings.embedder, "reader": engine.settings.reader},
        "receipt": answer.to_dict()["receipt"],
        "documents": digests,
    }


def _digests(documents: Iterable[Document], conditions: Filter) -> dict[str, str]:
    """The digests of the documents that match, by id."""
    return {document.id: document.sha256 for document in documents if matches(conditions, document)}


def _passage(hit: Hit, answer: Answer, engine: Engine) -> dict[str, Any]:
    """A passage that was read, as the citation of its text, and its likeliest candidate."""
    passage = hit.passage
    candidates = (
        alternative
        for alternative in answer.alternatives
        if any(map(hit.contains, alternative.citations))
    )
    candidate = next(candidates, None)
    document = engine.store.document(passage.document_id)
    if document is None:
        raise BusyError("a document was deleted meanwhile", "ask again")
    citation = replace(quoted(document, passage.start, passage.end), headings=passage.headings)
    return {
        **citation.to_dict(),
        "scores": hit.scores,
        "candidate": candidate and candidate.text,
        "probability": candidate and candidate.confidence,
    }


def write(record: Mapping[str, Any], path: Path) -> None:
    """Write the certificate: as JSON, or as a page with it. Raises InputError."""
    sealed = content(record, path.suffix.lower() == ".html")
    with writing_to(path, "free some space, or choose another place with --certificate"):
        path.write_bytes(sealed)


def content(record: Mapping[str, Any], is_page: bool) -> bytes:
    """The certificate with its digest: as JSON, or as a page for people that contains it."""
    page = to_html(record) if is_page else ""
    sealed = {**record, "page": hashlib.sha256(page.encode()).hexdigest()}
    data = json.dumps({**sealed, "seal": _digest(sealed)}, indent=2) + "\n"
    if page:
        data = page + _DATA + data.replace("<", r"\u003c") + _END
    return data.encode()


def check_path(path: Path) -> None:
    """Raises InputError for a path that `write` cannot write."""
    grid_export.check_path(path, (".json", ".html"))


def load(text: str) -> Any:
    """Any JSON, or that of a certificate's page; a changed one has no seal. Raises ValueError."""
    page, mark, data = text.rpartition(_DATA)
    if not mark:
        return json.loads(text)
    record = dict(json.loads(data.removesuffix(_END)))
    is_same = hashlib.sha256(page.encode()).hexdigest() == record.get("page")
    return record if is_same else {**record, "seal": ""}


def _digest(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class CertificateCheck:
    """The differences since a certificate was written.

    `is_intact` says whether the file is as rag wrote it; if not, nothing is compared. `added`,
    `changed` and `removed` are ids of documents. `passages` are the nearest passages that are no
    longer at their places; `settings` says in words which models and settings differ.
    """

    is_intact: bool
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    passages: tuple[CitationCheck, ...] = ()
    settings: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        differences = (*self.added, *self.changed, *self.removed, *self.passages, *self.settings)
        return self.is_intact and not differences


def check(
    record: Mapping[str, Any], store: Store, settings: Settings, judge: Ranks
) -> CertificateCheck:
    """Compare a certificate with index, models and settings. Raises InputError if damaged."""
    if record.get("seal") != _digest({key: record[key] for key in record if key != "seal"}):
        return CertificateCheck(False)

    receipt = receipts.load(record)
    conditions = parse(receipt.filter)

    try:
        before, passages = dict(record["documents"]), citations(record["passages"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the certificate lacks a part: {error}", "write a new one") from error

    after = _digests(store.documents(), conditions)
    checks = (verify(store, passage) for passage in passages)

    threshold = settings.threshold if settings.threshold >= 0 else judge.threshold

    embedder, reader = map(receipts.model_digest, (settings.embedder, settings.reader))
    today = replace(receipt, embedder=embedder, reader=reader, calibration=judge.digest)
    settings_today = receipts.answer_settings(replace(settings, threshold=threshold))
    return CertificateCheck(
        True,
        tuple(sorted(after.keys() - before)),
        tuple(name for name in sorted(after.keys() & before) if after[name] != before[name]),
        tuple(sorted(before.keys() - after)),
        tuple(passage for passage in checks if passage.status != "ok"),
        tuple(receipts.changes(receipt, replace(today, settings=settings_today))),
    )


def to_html(record: Mapping[str, Any]) -> str:
    """The certificate as a page for people."""
    receipt, digests, read = record["receipt"], record["documents"], record["passages"]
    title = f"Not found: {flat(record['question'])}"
    day = record["at"][:16].replace("T", " ")

    searched = [
        ("question understood as", html_text(record["understood"] or "")),
        ("only documents with", html_text(", ".join(receipt["filter"]))),
        ("documents", f"{len(digests):,} of {record['documents_in_index']:,} in the index"),
        ("passages", f"{record['passages_in_index']:,} in the index, {len(read):,} of them read"),
        ("digest of the documents", _code(record["documents_digest"])),
    ]

    models = [
        (name, f"{html_text(setting)} {_code(receipt[name])}")
        for name, setting in record["models"].items()
    ]

    settings = [(name, html_text(value)) for name, value in receipt["settings"].items()]

    listed = [(name, _code(digest)) for name, digest in islice(digests.items(), _MOST_LISTED)]
    unlisted, searched_documents = len(digests) - len(listed), plural(len(digests), "document")

    body = [
        f'<p class="verdict">On {day} UTC, rag searched {searched_documents} and did '
        f"not find an answer: {html_text(record['reason'])}.</p><p>This is the record of a search; "
        "it does not prove that no document has the answer. rag compared all passages with the "
        "question, by words and by meaning, and read the nearest ones.</p>",
        f"<h2>What was searched</h2>{_table(searched)}",
        "<h2>The nearest passages, and why each fell short</h2>",
        *(_passage_html(number, item, record["threshold"]) for number, item in enumerate(read, 1)),
        "" if read else "<p>No passage was found.</p>",
        "<h2>The threshold and its measured risk</h2>",
        *(f"<p>{line}</p>" for line in _risk_lines(record)),
        "<h2>How to check this</h2><p><code>rag verify FILE</code> says whether the "
        "file is as rag wrote it, and which documents were added, changed or removed since. "
        "<code>rag verify --replay FILE</code> also asks the question again.</p>",
        "<h2>Models and settings</h2>",
        _table([*models, ("calibration", _code(receipt["calibration"])), *settings]),
        "<h2>Documents</h2><details><summary>All documents with the digests of their files"
        f"</summary>{_table(listed)}",
        f"<p>and {unlisted:,} more in the data of this file</p>" if unlisted else "",
        "</details>",
    ]

    return html_page(title, "".join(body), _STYLE)


def _passage_html(number: int, passage: Mapping[str, Any], threshold: float) -> str:
    scores, place = passage["scores"], passage["highlight"]

    ranked = (("meaning", scores["dense_rank"]), ("words", scores["lexical_rank"]))
    ranks = "".join(f"rank {rank} by {way}, " for way, rank in ranked if rank)

    page = f", page {passage['page']}" if passage["page"] else ""
    path = path_of(title_and_headings(passage["title"], passage["headings"]))

    names = dict.fromkeys((passage["document_id"], path or passage["document_id"]))

    why = "None of the likeliest candidates, which rag weighed, is in it."
    if passage["candidate"] is not None:
        words = flat(passage["candidate"])
        words = words if len(words) <= 200 else f"{words[:199]}…"
        why = f"The likeliest answer in it is “{words}”, right with a probability of "
        why += f"{passage['probability']:.1%}. rag needs {threshold:.1%}."

    quote = html_text(re.sub(r"\n\s+", "\n", place["text"]))

    return (
        f'<div class="passage"><b>{number}. {html_text(" > ".join(names))}{page}</b><br><small>'
        f"{ranks}characters {place['start_char_index']}-{place['end_char_index']}</small>"
        f"<blockquote>{quote}</blockquote>{html_text(why)}</div>"
    )


def _risk_lines(record: Mapping[str, Any]) -> Iterable[str]:
    wrong, missed = record["wrong_of_answered"], record["missed_of_answerable"]
    least = f"{record['threshold']:.1%}"
    yield f"rag gives an answer if it is right with a probability of at least {least}."
    if missed is not None:
        missing = f"{missed:.0%} of the test questions whose documents have one"
        yield f"rag did not find the answer to {missing}."
    if wrong is not None:
        yield f"{wrong:.0%} of the answers that rag gave to test questions were not useful."
    if wrong is None and missed is None:
        yield "It was not measured how often rag errs at this threshold."
    else:
        yield "Your documents and questions may be easier or harder than those of the tests."


def _table(rows: Iterable[tuple[str, str]]) -> str:
    cells = (f"<th>{html_text(name)}</th><td>{value}</td>" for name, value in rows if value)
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"


def _code(digest: str) -> str:
    return f"<code>{html_text(digest)}</code>" if digest else ""

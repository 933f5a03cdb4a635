"""A certificate of absence: what was searched without finding an answer, the nearest passages, and
why each fell short. It can be checked against the index later.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from rag.render.status import one_line, plural
from rag.retrieval import TRIES
from rag.settings import Settings
from rag.types import TALK, Answer, Document, Hit, Receipt, path_of, title_and_headings

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
_LONGEST_CANDIDATE = 200
"""Characters of a passage's likeliest answer that the page shows."""
_MOST_LISTED = 500
"""Documents that the page lists; the data in the file has all."""
_DATA = '<script type="application/json" id="certificate">'
_END = "</script>\n"
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
    most_alternatives = engine.alternatives
    answer_to = answer_to or (lambda query: engine.ask_many([query])[0])
    answer, documents = _of_one_state(engine, query, answer_to)
    is_answered = answer.text is not None
    if not is_answered:
        most_alternatives += 1  # as the answer that was refused is the first of them
    shortened = replace(answer, alternatives=answer.alternatives[:most_alternatives])
    if is_answered or answer.form == TALK:
        return shortened, None

    _check_certifiable(answer)
    digests = _digests(documents, query.filter or ())
    return shortened, _certificate(engine, answer, documents, digests)


def _of_one_state(
    engine: Engine, query: Query, answer_to: Callable[[Query], Answer]
) -> tuple[Answer, Sequence[Document]]:
    """The answer, and the documents of the state of the index that it was found in. Raises
    BusyError.
    """
    for _ in range(TRIES):
        answer = answer_to(replace(query, alternatives=_ALL_CANDIDATES))
        documents = engine.store.documents()
        generation = engine.store.stats().generation
        if answer.receipt and answer.receipt.generation == generation:
            return answer, documents
    raise BusyError("the index changes all the time", "try again when nothing is ingested")


def _check_certifiable(answer: Answer) -> None:
    """Raises InputError for a question that needs all documents: rag reads only a few."""
    needs_all = (
        answer.grid
        or answer.abstention_reason == ALL_NEEDED
        or _OF_EVERY_DOCUMENT.match(answer.question)
    )
    if not needs_all:
        return
    message = "no certificate: this question needs all documents, and rag reads a few passages"
    hint = (
        "ask every document instead: write the question for one document into a grid file, "
        "then: rag grid run FILE.toml (rag grid --help shows one)"
    )
    raise InputError(message, hint)


def _certificate(
    engine: Engine, answer: Answer, documents: Sequence[Document], digests: Mapping[str, str]
) -> dict[str, Any]:
    """The record of a refusal: what was searched, the passages that were read, and what is known
    about the threshold.
    """
    judge = engine.judge
    threshold = engine.threshold
    is_measured = isinstance(judge, Judge) and judge.threshold == threshold
    return {
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
    document = engine.store.document(passage.document_id)
    if document is None:
        raise BusyError("a document was deleted meanwhile", "ask again")
    citation = quoted(document, passage.start, passage.end)
    citation = replace(citation, headings=passage.headings)

    candidate = None
    for alternative in answer.alternatives:
        if any(map(hit.contains, alternative.citations)):
            candidate = alternative
            break
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
    with_page = {**record, "page": hashlib.sha256(page.encode()).hexdigest()}
    sealed = {**with_page, "seal": _digest(with_page)}
    data = json.dumps(sealed, indent=2) + "\n"
    if not page:
        return data.encode()
    embedded = data.replace("<", r"\u003c")
    return f"{page}{_DATA}{embedded}{_END}".encode()


def check_path(path: Path) -> None:
    """Raises InputError for a path that `write` cannot write."""
    grid_export.check_path(path, (".json", ".html"))


def load(text: str) -> Any:
    """Any JSON, or that of a certificate's page; a changed one has no seal. Raises ValueError."""
    page, mark, data = text.rpartition(_DATA)
    if not mark:
        return json.loads(text)
    record = dict(json.loads(data.removesuffix(_END)))
    is_unchanged = hashlib.sha256(page.encode()).hexdigest() == record.get("page")
    if not is_unchanged:
        record["seal"] = ""
    return record


def _digest(value: Mapping[str, Any]) -> str:
    """The SHA-256 of a record, in whatever order its keys are."""
    content = json.dumps(value, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


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
        """Whether all of it is so today."""
        are_other_documents = self.added or self.changed or self.removed
        if not self.is_intact or are_other_documents:
            return False
        return not self.passages and not self.settings


def check(
    record: Mapping[str, Any], store: Store, settings: Settings, judge: Ranks
) -> CertificateCheck:
    """Compare a certificate with index, models and settings. Raises InputError if damaged."""
    unsealed = {key: value for key, value in record.items() if key != "seal"}
    if record.get("seal") != _digest(unsealed):
        return CertificateCheck(is_intact=False)

    receipt = receipts.load(record)
    conditions = parse(receipt.filter)
    try:
        digests = dict(record["documents"])
        passages = citations(record["passages"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the certificate lacks a part: {error}", "write a new one") from error

    digests_today = _digests(store.documents(), conditions)
    kept = digests_today.keys() & digests
    changed = [name for name in sorted(kept) if digests_today[name] != digests[name]]
    checks = [verify(store, passage) for passage in passages]
    return CertificateCheck(
        is_intact=True,
        added=tuple(sorted(digests_today.keys() - digests)),
        changed=tuple(changed),
        removed=tuple(sorted(digests.keys() - digests_today)),
        passages=tuple(passage for passage in checks if passage.status != "ok"),
        settings=tuple(_changed_settings(receipt, settings, judge)),
    )


def _changed_settings(receipt: Receipt, settings: Settings, judge: Ranks) -> Iterable[str]:
    """Which models and settings differ from those of the receipt, in words."""
    threshold = settings.threshold if settings.threshold >= 0 else judge.threshold
    today = replace(
        receipt,
        embedder=receipts.model_digest(settings.embedder),
        reader=receipts.model_digest(settings.reader),
        calibration=judge.digest,
        settings=receipts.answer_settings(replace(settings, threshold=threshold)),
    )
    return receipts.changes(receipt, today)


def to_html(record: Mapping[str, Any]) -> str:
    """The certificate as a page for people."""
    passages = record["passages"]
    searched_documents = plural(len(record["documents"]), "document")
    day = record["at"][:16].replace("T", " ")
    body = [
        f'<p class="verdict">On {day} UTC, rag searched {searched_documents} and did '
        f"not find an answer: {html_text(record['reason'])}.</p><p>This is the record of a search; "
        "it does not prove that no document has the answer. rag compared all passages with the "
        "question, by words and by meaning, and read the nearest ones.</p>",
        f"<h2>What was searched</h2>{_searched_html(record)}",
        "<h2>The nearest passages, and why each fell short</h2>",
    ]
    for number, passage in enumerate(passages, 1):
        body.append(_passage_html(number, passage, record["threshold"]))
    if not passages:
        body.append("<p>No passage was found.</p>")

    body.append("<h2>The threshold and its measured risk</h2>")
    body += [f"<p>{line}</p>" for line in _risk_lines(record)]
    body += [
        "<h2>How to check this</h2><p><code>rag verify FILE</code> says whether the "
        "file is as rag wrote it, and which documents were added, changed or removed since. "
        "<code>rag verify --replay FILE</code> also asks the question again.</p>",
        f"<h2>Models and settings</h2>{_settings_html(record)}",
        f"<h2>Documents</h2>{_documents_html(record['documents'])}",
    ]
    title = f"Not found: {one_line(record['question'])}"
    return html_page(title, "".join(body), _STYLE)


def _searched_html(record: Mapping[str, Any]) -> str:
    """What was searched, as a table."""
    read_count = len(record["passages"])
    documents = f"{len(record['documents']):,} of {record['documents_in_index']:,} in the index"
    passages = f"{record['passages_in_index']:,} in the index, {read_count:,} of them read"
    return _table(
        [
            ("question understood as", html_text(record["understood"] or "")),
            ("only documents with", html_text(", ".join(record["receipt"]["filter"]))),
            ("documents", documents),
            ("passages", passages),
            ("digest of the documents", _code(record["documents_digest"])),
        ]
    )


def _settings_html(record: Mapping[str, Any]) -> str:
    """The models with their digests, and the settings, as a table."""
    receipt = record["receipt"]
    rows = []
    for name, setting in record["models"].items():
        rows.append((name, f"{html_text(setting)} {_code(receipt[name])}"))
    rows.append(("calibration", _code(receipt["calibration"])))
    for name, value in receipt["settings"].items():
        rows.append((name, html_text(value)))
    return _table(rows)


def _documents_html(digests: Mapping[str, str]) -> str:
    """The first documents with their digests, in a table that opens, and the number of others."""
    rows = [(name, _code(digest)) for name, digest in islice(digests.items(), _MOST_LISTED)]
    unlisted_count = len(digests) - len(rows)
    more = ""
    if unlisted_count:
        more = f"<p>and {unlisted_count:,} more in the data of this file</p>"
    summary = "<summary>All documents with the digests of their files</summary>"
    return f"<details>{summary}{_table(rows)}{more}</details>"


def _passage_html(number: int, passage: Mapping[str, Any], threshold: float) -> str:
    """A passage that was read, with its place, its ranks, and why it fell short."""
    document_id = passage["document_id"]
    path = path_of(title_and_headings(passage["title"], passage["headings"]))
    names = dict.fromkeys((document_id, path or document_id))
    page = f", page {passage['page']}" if passage["page"] else ""

    ranks = ""
    scores = passage["scores"]
    if scores["dense_rank"]:
        ranks += f"rank {scores['dense_rank']} by meaning, "
    if scores["lexical_rank"]:
        ranks += f"rank {scores['lexical_rank']} by words, "

    place = passage["highlight"]
    quote = html_text(re.sub(r"\n\s+", "\n", place["text"]))
    shortcoming = html_text(_shortcoming(passage, threshold))
    return (
        f'<div class="passage"><b>{number}. {html_text(" > ".join(names))}{page}</b><br><small>'
        f"{ranks}characters {place['start_char_index']}-{place['end_char_index']}</small>"
        f"<blockquote>{quote}</blockquote>{shortcoming}</div>"
    )


def _shortcoming(passage: Mapping[str, Any], threshold: float) -> str:
    """Why a passage gave no answer."""
    if passage["candidate"] is None:
        return "None of the likeliest candidates, which rag weighed, is in it."
    words = one_line(passage["candidate"])
    if len(words) > _LONGEST_CANDIDATE:
        words = f"{words[: _LONGEST_CANDIDATE - 1]}…"
    probability = f"{passage['probability']:.1%}"
    return (
        f"The likeliest answer in it is “{words}”, right with a probability of {probability}. "
        f"rag needs {threshold:.1%}."
    )


def _risk_lines(record: Mapping[str, Any]) -> Iterable[str]:
    """What the threshold means, and how often rag errs at it."""
    wrong = record["wrong_of_answered"]
    missed = record["missed_of_answerable"]
    threshold = f"{record['threshold']:.1%}"
    yield f"rag gives an answer if it is right with a probability of at least {threshold}."
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
    """A table of names and values, as HTML, without the rows that have no value."""
    lines = []
    for name, value in rows:
        if value:
            lines.append(f"<tr><th>{html_text(name)}</th><td>{value}</td></tr>")
    return f"<table>{''.join(lines)}</table>"


def _code(digest: str) -> str:
    return f"<code>{html_text(digest)}</code>" if digest else ""

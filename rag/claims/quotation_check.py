"""Checks the quotations of a text alone: fast, and without a model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from rag.claims.document_names import DocumentNames
from rag.claims.quotation_audit import QuotationAudit
from rag.claims.quotations import Quotation, find_quotations
from rag.claims.results import Checked, CheckedQuotation, CheckReport, NoClaimsError
from rag.claims.split import Claims, ClaimSentence, split_claims
from rag.errors import InputError
from rag.meaning.words import WORD
from rag.protocols import Filter, Proceed, RunWork, Store

MOST_CHARACTERS = 1_000_000
_BATCH = 8
"""Quotations that are audited together."""
_SENTENCE_END = re.compile(r"[.!?]\s")
_MOST_APART = 5
"""Characters of punctuation between the two halves of a quotation that the writer interrupts."""


class SplitText(NamedTuple):
    """A text's sentences and quotations, the ids of the sources that it lists, by number, and the
    names of the documents.
    """

    sentences: Sequence[ClaimSentence]
    quotations: Sequence[Quotation]
    sources: Mapping[int, str]
    document_names: DocumentNames


def split_text(store: Store, text: str) -> SplitText:
    """The parts of a text that are checked. Raises InputError for more than 1,000,000
    characters.
    """
    claims, quotations = _claims_and_quotations(text)
    may_name_documents = claims.sources or quotations
    document_names = DocumentNames(store.documents() if may_name_documents else ())
    sources = {}
    for number, line in claims.sources.items():
        document_id = document_names.source(line)
        if document_id:
            sources[number] = document_id
    return SplitText(claims.sentences, quotations, sources, document_names)


def _claims_and_quotations(text: str) -> tuple[Claims, Sequence[Quotation]]:
    """Raises InputError for more than 1,000,000 characters."""
    if len(text) > MOST_CHARACTERS:
        size = f"{len(text):,} characters, limit {MOST_CHARACTERS:,}"
        raise InputError(f"text too long: {size}", "check it in parts")
    claims = split_claims(text)
    return claims, find_quotations(text, claims.sentences)


def check_has_claims(text: str, only_quotations: bool) -> None:
    """What `Checker.check` or `check_quotations` would raise for this text, before a model loads:
    NoClaimsError or InputError.
    """
    claims, quotations = _claims_and_quotations(text)
    if only_quotations:
        require_quotations(quotations)
    else:
        require_claims(claims.sentences, quotations)


def require_claims(sentences: Iterable[ClaimSentence], quotations: Sequence[Quotation]) -> None:
    """Raises NoClaimsError if a text makes no claim and quotes nothing."""
    if not quotations and not any(sentence.parts for sentence in sentences):
        hint = "give a text with statements or quotations: rag check FILE"
        raise NoClaimsError("the text contains no claims", hint)


def require_quotations(quotations: Sequence[Quotation]) -> None:
    """Raises NoClaimsError if a text quotes nothing."""
    if not quotations:
        hint = "only quotations of four words or more count; check its sentences too: rag check"
        raise NoClaimsError("the text contains no quotations", hint)


def audit(
    store: Store,
    text: str,
    parts: SplitText,
    filter: Filter | None,
    sources: Mapping[int, str],
    run: RunWork,
    proceed: Proceed,
) -> tuple[CheckedQuotation, ...]:
    """The quotations with their verdicts; otherwise as in `check_quotations`."""
    auditor = QuotationAudit(store, text, sources, parts.document_names, filter or (), proceed)
    checked: list[CheckedQuotation] = []
    for start in range(0, len(parts.quotations), _BATCH):
        batch = parts.quotations[start : start + _BATCH]
        checked += run(partial(list, map(auditor.judge, batch)))
    return tuple(_excuse_interrupted(text, checked))


def _excuse_interrupted(
    text: str, checked: Sequence[CheckedQuotation]
) -> Iterator[CheckedQuotation]:
    """The quotations; one that is cut is no fault if the next goes on with its sentence, as in:
    “The deposit of 255 euros,” it says, “is paid back within four weeks.”
    """
    following: list[CheckedQuotation | None] = [*checked[1:], None]
    for quotation, next_quotation in zip(checked, following, strict=False):
        is_cut = quotation.verdict == "cut"
        if is_cut and next_quotation and _goes_on(text, quotation, next_quotation):
            reason = "the next quotation goes on with its sentence"
            quotation = replace(quotation, is_fault=False, reason=reason)
        yield quotation


def _goes_on(text: str, quotation: CheckedQuotation, following: CheckedQuotation) -> bool:
    """Whether `following` has the words after `quotation` in its document, and the writer's words
    between both end no sentence.
    """
    text_between = text[quotation.end : following.start]
    has_ended = quotation.text[-1:] in ".!?" or _SENTENCE_END.search(text_between)
    if has_ended or not quotation.rest or following.verdict not in ("exact", "cut"):
        return False

    place = quotation.places[0]
    next_place = following.places[0]
    is_beside = 0 <= next_place.start - place.end <= _MOST_APART
    if place.document_id != next_place.document_id or not is_beside:
        return False
    gap_start = place.end - place.sentence_start
    gap_end = next_place.start - place.sentence_start
    return not WORD.search(place.sentence[gap_start:gap_end])


def check_quotations(
    store: Store,
    text: str,
    filter: Filter | None = None,
    sources: Mapping[int, str] | None = None,
    run: RunWork = lambda job: job(),
    proceed: Proceed = lambda: None,
) -> CheckReport:
    """The quotations of a text with their verdicts; its sentences are not judged. The arguments are
    those of `Checker.check`. Raises NoClaimsError if it quotes nothing, InputError if it is too
    long.
    """
    parts: SplitText = run(partial(split_text, store, text))
    require_quotations(parts.quotations)
    numbered = {**parts.sources, **(sources or {})}
    quotations = audit(store, text, parts, filter, numbered, run, proceed)
    sentences = []
    for item in parts.sentences:
        if item.skipped != "source":
            sentence = Checked(
                item.start,
                item.end,
                item.text,
                verdict="not_a_claim",
                confidence=1.0,
                reason="not checked",
            )
            sentences.append(sentence)
    return CheckReport(
        text,
        tuple(sentences),
        generation=store.stats().generation,
        sources=numbered,
        quotations=quotations,
        only_quotations=True,
    )

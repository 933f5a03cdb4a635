"""Checks the quotations of a text alone: fast, and without a model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from rag.claims.document_names import DocumentNames
from rag.claims.quotation_audit import QuotationAudit
from rag.claims.quotations import Quotation, find_quotations
from rag.claims.results import Checked, CheckedQuotation, CheckReport, NoClaimsError
from rag.claims.split import ClaimSentence, split_claims
from rag.errors import InputError
from rag.meaning.words import WORD
from rag.protocols import Filter, Store

MOST_CHARACTERS = 1_000_000
_BATCH = 8
"""Quotations that are audited together."""
_SENTENCE_END = re.compile(r"[.!?]\s")
_APART = 5
"""Characters of punctuation between the two halves of a quotation that the writer interrupts."""
Proceed = Callable[[], object]
Run = Callable[[Callable[[], Any]], Any]


class SplitText(NamedTuple):
    """A text's sentences and quotations, the ids of the sources that it lists, by number, and the
    names of the documents.
    """

    sentences: Sequence[ClaimSentence]
    quotations: Sequence[Quotation]
    sources: Mapping[int, str]
    document_names: DocumentNames


def split(store: Store, text: str) -> SplitText:
    """The parts of a text that are checked. Raises InputError for more than 1,000,000
    characters.
    """
    if len(text) > MOST_CHARACTERS:
        size = f"{len(text):,} characters, limit {MOST_CHARACTERS:,}"
        raise InputError(f"text too long: {size}", "check it in parts")
    claims = split_claims(text)
    quotations = find_quotations(text, claims.sentences)
    is_naming = claims.sources or quotations
    document_names = DocumentNames(store.documents() if is_naming else ())
    ids = {number: document_names.source(line) for number, line in claims.sources.items()}
    sources = {number: name for number, name in ids.items() if name}
    return SplitText(claims.sentences, quotations, sources, document_names)


def audit(
    store: Store,
    text: str,
    parts: SplitText,
    filter: Filter | None,
    sources: Mapping[int, str],
    run: Run,
    proceed: Proceed,
) -> tuple[CheckedQuotation, ...]:
    """The quotations with their verdicts; otherwise as in `check_quotations`."""
    judge = QuotationAudit(store, text, sources, parts.document_names, filter or (), proceed).judge
    checked = list[CheckedQuotation]()
    for start in range(0, len(parts.quotations), _BATCH):
        checked += run(partial(list, map(judge, parts.quotations[start : start + _BATCH])))
    return tuple(_interrupted(text, checked))


def _interrupted(text: str, checked: Sequence[CheckedQuotation]) -> Iterator[CheckedQuotation]:
    """The quotations; one that is cut is no fault if the next goes on with its sentence, as in:
    “The deposit of 255 euros,” it says, “is paid back within four weeks.”
    """
    for number, quotation in enumerate(checked):
        following = checked[number + 1] if number + 1 < len(checked) else None
        if quotation.verdict == "cut" and following and _goes_on(text, quotation, following):
            reason = "the next quotation goes on with its sentence"
            quotation = replace(quotation, is_fault=False, reason=reason)
        yield quotation


def _goes_on(text: str, quotation: CheckedQuotation, following: CheckedQuotation) -> bool:
    """Whether `following` has the words after `quotation` in its document, and the writer's words
    between both end no sentence.
    """
    between = text[quotation.end : following.start]
    has_ended = quotation.text[-1:] in ".!?" or _SENTENCE_END.search(between)
    if has_ended or not quotation.rest or following.verdict not in ("exact", "cut"):
        return False
    place, next_place = quotation.places[0], following.places[0]
    skipped = place.sentence[
        place.end - place.sentence_start : next_place.start - place.sentence_start
    ]
    is_next = (
        place.document_id == next_place.document_id and 0 <= next_place.start - place.end <= _APART
    )
    return is_next and not WORD.search(skipped)


def check_quotations(
    store: Store,
    text: str,
    filter: Filter | None = None,
    sources: Mapping[int, str] | None = None,
    run: Run = lambda job: job(),
    proceed: Proceed = lambda: None,
) -> CheckReport:
    """The quotations of a text with their verdicts; its sentences are not judged. The arguments are
    those of `Checker.check`. Raises NoClaimsError if it quotes nothing, InputError if it is too
    long.
    """
    parts: SplitText = run(partial(split, store, text))
    if not parts.quotations:
        hint = "only quotations of four words or more count; check its sentences too: rag check"
        raise NoClaimsError("the text contains no quotations", hint)
    numbered = {**parts.sources, **(sources or {})}
    quotations = audit(store, text, parts, filter, numbered, run, proceed)
    sentences = tuple(
        Checked(item.start, item.end, item.text, "not_a_claim", 1.0, "not checked")
        for item in parts.sentences
        if item.skipped != "source"
    )
    generation = store.stats().generation
    return CheckReport(text, sentences, generation, numbered, quotations, only_quotations=True)

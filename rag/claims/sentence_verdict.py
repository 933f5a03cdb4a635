"""The verdict on a sentence, from those on its clauses, with the reason in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rag.claims.results import (
    CONTRADICTED,
    NO_CLAIM,
    NOT_CHECKABLE,
    NOT_FOUND,
    PARTLY,
    SUPPORTED,
    Checked,
    CheckedPart,
    FoundEvidence,
)
from rag.claims.split import ClaimPart, ClaimSentence

_SKIPPED = {
    "question": "a question",
    "heading": "a heading",
    "code": "code",
    "table": "a table: its rows are not checked",
    "introduction": "it introduces what follows",
    "address": "it addresses the reader",
    "fragment": "too short to be a claim",
}


def unresolved(part: ClaimPart) -> CheckedPart:
    """A clause whose pronoun has no antecedent: not checkable."""
    return CheckedPart(part.text, NOT_CHECKABLE, 1.0, 0.0, 0.0)


def skipped(sentence: ClaimSentence) -> Checked:
    """A sentence that makes no claim; rows of a table are not checkable."""
    verdict = NOT_CHECKABLE if sentence.skipped == "table" else NO_CLAIM
    return Checked(
        sentence.start,
        sentence.end,
        sentence.text,
        verdict,
        1.0,
        _SKIPPED[sentence.skipped],
        cited=sentence.cited,
    )


def from_parts(sentence: ClaimSentence, parts: Sequence[CheckedPart]) -> Checked:
    """The sentence from its parts: contradicted if one is, partly if only some are supported."""
    verdict = _combined({part.verdict for part in parts})
    decisive = [part for part in parts if part.verdict == verdict] or parts
    others = [part for part in parts if part not in decisive]
    wrong = any(part.wrong_citation for part in parts)
    return Checked(
        sentence.start,
        sentence.end,
        sentence.text,
        verdict,
        min(part.confidence for part in decisive),
        _reason(verdict, parts, wrong, sentence),
        tuple(dict.fromkeys(_evidence([*decisive, *others]))),
        sentence.cited,
        wrong,
        tuple(parts),
    )


def _combined(verdicts: set[str]) -> str:
    if CONTRADICTED in verdicts:
        return CONTRADICTED
    if len(verdicts) > 1 and verdicts & {SUPPORTED, PARTLY}:
        return PARTLY
    return next(name for name in (PARTLY, NOT_FOUND, NOT_CHECKABLE, SUPPORTED) if name in verdicts)


def _evidence(parts: Sequence[CheckedPart]) -> Iterator[FoundEvidence]:
    for part in parts:
        yield from part.evidence


def _reason(
    verdict: str, parts: Sequence[CheckedPart], wrong: bool, sentence: ClaimSentence
) -> str:
    """The reason for the verdict, in one line."""
    supports = (one for one in _evidence(parts) if one.says == "supports")
    elsewhere = next((one.citation.document_id for one in supports), "")
    if wrong:
        marks = "".join(f"[{number}]" for number in sentence.cited)
        return f"{elsewhere} says so, {marks} does not"
    if verdict == CONTRADICTED:
        return _contradiction([part for part in parts if part.verdict == CONTRADICTED])
    if verdict == PARTLY:
        return _missing(parts)
    if verdict == NOT_CHECKABLE:
        pronoun = next(part.unresolved for part in sentence.parts if part.unresolved)
        return f'it is not clear what "{pronoun}" means'
    return f"{elsewhere} says so" if verdict == SUPPORTED else "no document says so"


def _contradiction(parts: Sequence[CheckedPart]) -> str:
    against = next(one for one in _evidence(parts) if one.says == "contradicts")
    if against.differs:
        mine, theirs = against.differs[0]
        return f'says "{mine}", {against.citation.document_id} says "{theirs}"'
    return f"{against.citation.document_id} says otherwise"


def _missing(parts: Sequence[CheckedPart]) -> str:
    unsaid = [part.text for part in parts if part.verdict not in (SUPPORTED, PARTLY)]
    if unsaid:
        return f'no document says "{unsaid[0]}"'
    value = next(
        (value for part in parts if part.verdict == PARTLY for value in part.evidence[0].missing),
        "",
    )
    return f'the evidence does not contain "{value}"'

"""Scores a checker's verdicts on gold claims, overall and by kind of error.

The file has one JSON object per line: "claim", "verdict" (supported, contradicted, partly,
not_in_documents), and optionally "id", "kind" (type of claim) and "document" (id of the document
with the evidence).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from rag.claims.checker import Checker
from rag.claims.results import Checked
from rag.evaluation.set_files import NonBlank, StrictRow, read_rows

_HINT = "a line has a claim and a verdict, one of supported, contradicted, partly, not_in_documents"


class GoldClaim(StrictRow):
    """A claim with its correct verdict; `document` is the id of the one that decides it, or ""."""

    id: str = ""
    claim: NonBlank
    plain: str = ""
    verdict: Literal["supported", "contradicted", "partly", "not_in_documents"]
    kind: NonBlank = "claim"
    document: str = ""


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """A gold claim and the checker's verdict; `found`: the evidence is from the gold document."""

    gold: GoldClaim
    verdict: str
    confidence: float
    reason: str
    found: bool


def read_claims(path: Path) -> list[GoldClaim]:
    """The claims of a file; ids are lines by default. Raises InputError that names the line."""
    claims = []
    for place, row in read_rows(path, GoldClaim, "claims", _HINT).items():
        line_number = place.rpartition(" ")[2]
        claims.append(row.model_copy(update={"id": row.id or line_number}))
    return claims


def run(claims: Sequence[GoldClaim], checker: Checker) -> list[ClaimRow]:
    """Check each claim as a separate text."""
    rows = []
    for gold in tqdm(claims, unit="claim", disable=None):
        checked = _decisive_sentence(checker.check(gold.claim).sentences)
        cited = {evidence.citation.document_id for evidence in checked.evidence}
        row = ClaimRow(
            gold=gold,
            verdict=checked.verdict,
            confidence=checked.confidence,
            reason=checked.reason,
            found=gold.document in cited,
        )
        rows.append(row)
    return rows


def _decisive_sentence(sentences: Sequence[Checked]) -> Checked:
    """The first sentence that is not supported, or else the first."""
    for sentence in sentences:
        if sentence.verdict != "supported":
            return sentence
    return sentences[0]


def summary(rows: Sequence[ClaimRow]) -> dict[str, Any]:
    """Scores over all claims and by kind; shares are in [0, 1]. Balanced accuracy separates
    supported from all others; "right" counts exact verdicts; "confusion" is how often each verdict
    was given, by correct verdict.
    """
    by_kind = defaultdict(list)
    confusion = defaultdict[str, Counter[str]](Counter)
    for row in rows:
        by_kind[row.gold.kind].append(row)
        confusion[row.gold.verdict][row.verdict] += 1

    kinds = {kind: _figures(of_kind) for kind, of_kind in by_kind.items()}
    return {**_figures(rows), "confusion": confusion, "kinds": kinds}


def as_dict(rows: Sequence[ClaimRow]) -> dict[str, Any]:
    """The summary and every row."""
    dicts = []
    for row in rows:
        dicts.append(asdict(row) | {"gold": row.gold.model_dump()})
    return {**summary(rows), "rows": dicts}


def _figures(rows: Sequence[ClaimRow]) -> dict[str, Any]:
    supported = [row for row in rows if row.gold.verdict == "supported"]
    unsupported = [row for row in rows if row.gold.verdict != "supported"]
    with_document = [row for row in rows if row.gold.document]

    passed = _share([row.verdict == "supported" for row in supported])
    removed = _share([row.verdict != "supported" for row in unsupported])
    sides = [side for side in (passed, removed) if side is not None]
    balanced = sum(sides) / len(sides)

    return {
        "claims": len(rows),
        "balanced_accuracy": round(balanced, 4),
        "right": _share([row.verdict == row.gold.verdict for row in rows]),
        "supported_struck": _complement(passed),
        "unsupported_passed": _complement(removed),
        "document_found": _share([row.found for row in with_document]),
    }


def _complement(share: float | None) -> float | None:
    """What a share leaves of 1."""
    return None if share is None else round(1 - share, 4)


def _share(holds: Sequence[bool]) -> float | None:
    if not holds:
        return None
    return round(sum(holds) / len(holds), 4)


def text(rows: Sequence[ClaimRow]) -> str:
    """The scores as text: all, by kind, then the misjudged claims."""
    figures = summary(rows)
    lines = [_line("all", figures)]
    for kind, of_kind in figures["kinds"].items():
        lines.append(_line(kind, of_kind))

    misjudged_rows = [row for row in rows if row.verdict != row.gold.verdict]
    if misjudged_rows:
        lines += ["", f"{len(misjudged_rows)} verdicts differ from the gold ones:"]
    for row in misjudged_rows:
        gold = row.gold
        lines.append(f"  {gold.id}  {gold.verdict} -> {row.verdict}  {gold.claim}")
    return "\n".join(lines)


_LABELS = {
    "balanced_accuracy": "balanced accuracy",
    "right": "right verdict",
    "supported_struck": "supported rejected",
    "unsupported_passed": "unsupported passed",
}


def _line(name: str, figures: dict[str, Any]) -> str:
    scores = []
    for key, label in _LABELS.items():
        value = figures[key]
        if value is not None:
            scores.append(f"{label} {value:.3f}")

    count = figures["claims"]
    listed = "  ".join(scores)
    return f"{name:12}{count:4} claims  {listed}"

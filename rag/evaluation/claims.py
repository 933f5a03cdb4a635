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
from rag.evaluation.set_files import StrictRow, Text, read_rows

_HINT = "a line has a claim and a verdict, one of supported, contradicted, partly, not_in_documents"


class GoldClaim(StrictRow):
    """A claim with its correct verdict; `document` is the id of the one that decides it, or ""."""

    id: str = ""
    claim: Text
    plain: str = ""
    verdict: Literal["supported", "contradicted", "partly", "not_in_documents"]
    kind: Text = "claim"
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
    rows = read_rows(path, GoldClaim, "claims", _HINT)
    return [
        row.model_copy(update={"id": row.id or place.rpartition(" ")[2]})
        for place, row in rows.items()
    ]


def run(claims: Sequence[GoldClaim], checker: Checker) -> list[ClaimRow]:
    """Check each claim as a separate text."""
    rows = []
    for gold in tqdm(claims, unit="claim", disable=None):
        sentences = checker.check(gold.claim).sentences
        decisive = next((s for s in sentences if s.verdict != "supported"), sentences[0])
        cited = {evidence.citation.document_id for evidence in decisive.evidence}
        found = gold.document in cited
        rows.append(ClaimRow(gold, decisive.verdict, decisive.confidence, decisive.reason, found))
    return rows


def summary(rows: Sequence[ClaimRow]) -> dict[str, Any]:
    """Scores over all claims and by kind; shares are in [0, 1]. Balanced accuracy separates
    supported from all others; "right" counts exact verdicts; "confusion" is how often each verdict
    was given, by correct verdict.
    """
    by_kind, confusion = defaultdict(list), defaultdict[str, Counter[str]](Counter)
    for row in rows:
        by_kind[row.gold.kind].append(row)
        confusion[row.gold.verdict][row.verdict] += 1
    kinds = {kind: _figures(of_kind) for kind, of_kind in by_kind.items()}
    return {**_figures(rows), "confusion": confusion, "kinds": kinds}


def as_dict(rows: Sequence[ClaimRow]) -> dict[str, Any]:
    """The summary and every row."""
    return summary(rows) | {"rows": [asdict(row) | {"gold": row.gold.model_dump()} for row in rows]}


def _figures(rows: Sequence[ClaimRow]) -> dict[str, Any]:
    supported = [row for row in rows if row.gold.verdict == "supported"]
    unsupported = [row for row in rows if row.gold.verdict != "supported"]

    passed = _share([row.verdict == "supported" for row in supported])
    removed = _share([row.verdict != "supported" for row in unsupported])
    sides = [side for side in (passed, removed) if side is not None]

    return {
        "claims": len(rows),
        "balanced_accuracy": round(sum(sides) / len(sides), 4),
        "right": _share([row.verdict == row.gold.verdict for row in rows]),
        "supported_struck": None if passed is None else round(1 - passed, 4),
        "unsupported_passed": None if removed is None else round(1 - removed, 4),
        "document_found": _share([row.found for row in rows if row.gold.document]),
    }


def _share(holds: Sequence[bool]) -> float | None:
    return round(sum(holds) / len(holds), 4) if holds else None


def text(rows: Sequence[ClaimRow]) -> str:
    """The scores as text: all, by kind, then the misjudged claims."""
    figures = summary(rows)
    lines = [
        _line(name, of_name) for name, of_name in [("all", figures), *figures["kinds"].items()]
    ]
    wrong = [row for row in rows if row.verdict != row.gold.verdict]
    lines += ["", f"{len(wrong)} verdicts differ from the gold ones:"] if wrong else []
    for row in wrong:
        lines.append(f"  {row.gold.id}  {row.gold.verdict} -> {row.verdict}  {row.gold.claim}")
    return "\n".join(lines)


_LABELS = {
    "balanced_accuracy": "balanced accuracy",
    "right": "right verdict",
    "supported_struck": "supported rejected",
    "unsupported_passed": "unsupported passed",
}


def _line(name: str, figures: dict[str, Any]) -> str:
    values = [(label, figures[key]) for key, label in _LABELS.items()]
    scores = [f"{label} {value:.3f}" for label, value in values if value is not None]
    return f"{name:12}{figures['claims']:4} claims  {'  '.join(scores)}"

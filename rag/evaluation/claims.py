"""Scores a checker's verdicts on gold claims, overall and by kind of error.

The file has one JSON object per line: "claim", "verdict" (supported, contradicted, partly,
not_in_documents), and optionally "id", "kind" (type of claim) and "document" (id of the document
with the evidence).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rag.claims.checker import Checker
from rag.claims.results import CONTRADICTED, NOT_FOUND, PARTLY, SUPPORTED
from rag.errors import InputError

_VERDICTS = (SUPPORTED, CONTRADICTED, PARTLY, NOT_FOUND)
_FIELDS = frozenset(("id", "claim", "verdict", "kind", "document"))


@dataclass(frozen=True, slots=True)
class GoldClaim:
    """A claim with its correct verdict; `document` is the id of the document that decides it, or
    "".
    """

    id: str
    claim: str
    verdict: str
    kind: str = "claim"
    document: str = ""


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """A gold claim and the checker's verdict; `found` means that the evidence is from the gold
    document.
    """

    gold: GoldClaim
    verdict: str
    confidence: float
    reason: str
    found: bool


@dataclass(frozen=True, slots=True)
class ClaimsResult:
    """Scores over all claims and by kind. Shares are in [0, 1]."""

    rows: tuple[ClaimRow, ...]

    @property
    def summary(self) -> dict[str, Any]:
        """Balanced accuracy separates supported from all others; "right" counts exact verdicts."""
        return {**_figures(self.rows), "confusion": self.confusion} | {
            "kinds": {
                kind: _figures([r for r in self.rows if r.gold.kind == kind])
                for kind in self._kinds()
            }
        }

    @property
    def confusion(self) -> dict[str, dict[str, int]]:
        """For each correct verdict, how often each verdict was given."""
        return {
            verdict: dict(Counter(row.verdict for row in self.rows if row.gold.verdict == verdict))
            for verdict in _VERDICTS
            if any(row.gold.verdict == verdict for row in self.rows)
        }

    def _kinds(self) -> list[str]:
        return list(dict.fromkeys(row.gold.kind for row in self.rows))

    def as_dict(self) -> dict[str, Any]:
        """The summary and every row."""
        return self.summary | {"rows": [asdict(row) for row in self.rows]}


def read_claims(path: Path) -> list[GoldClaim]:
    """The claims of a file. Raises InputError that names the line."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"gold claims {path} cannot be read: {error}", "give a JSON Lines file"
        ) from error
    found = [_read(f"{path}, line {n}", line, n) for n, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise InputError(
            f"{path} contains no claims", 'write {"claim": …, "verdict": …}, one per line'
        )
    return found


def _read(where: str, line: str, number: int) -> GoldClaim:
    hint = f"a line has a claim and a verdict, one of {', '.join(_VERDICTS)}"
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is not JSON: {error}", hint) from error
    if not isinstance(row, dict) or not all(isinstance(value, str) for value in row.values()):
        raise InputError(f"{where} is not an object of strings", hint)
    unknown = sorted(set(row) - _FIELDS)
    if unknown:
        raise InputError(
            f"{where} has an unknown field {unknown[0]!r}", f"known: {', '.join(sorted(_FIELDS))}"
        )
    if not row.get("claim", "").strip() or row.get("verdict") not in _VERDICTS:
        raise InputError(f"{where} has no claim, or no verdict", hint)
    return GoldClaim(**({"id": str(number)} | row))


def run(
    claims: Sequence[GoldClaim],
    checker: Checker,
    on_progress: Callable[[int], object] = lambda count: None,
) -> ClaimsResult:
    """Check each claim as a separate text. `on_progress` is called with 1 after each."""
    rows = []
    for gold in claims:
        report = checker.check(gold.claim)
        worst = next(
            (one for one in report.sentences if one.verdict != SUPPORTED), report.sentences[0]
        )
        named = {found.citation.document_id for found in worst.evidence}
        rows.append(
            ClaimRow(gold, worst.verdict, worst.confidence, worst.reason, gold.document in named)
        )
        on_progress(1)
    return ClaimsResult(tuple(rows))


def _figures(rows: Sequence[ClaimRow]) -> dict[str, Any]:
    supported = [row for row in rows if row.gold.verdict == SUPPORTED]
    others = [row for row in rows if row.gold.verdict != SUPPORTED]
    kept = _share([row.verdict == SUPPORTED for row in supported])
    struck = _share([row.verdict != SUPPORTED for row in others])
    sides = [side for side in (kept, struck) if side is not None]
    return {
        "claims": len(rows),
        "balanced_accuracy": round(sum(sides) / len(sides), 4),
        "right": _share([row.verdict == row.gold.verdict for row in rows]),
        "supported_struck": None if kept is None else round(1 - kept, 4),
        "unsupported_passed": None if struck is None else round(1 - struck, 4),
        "document_found": _share([row.found for row in rows if row.gold.document]),
    }


def _share(said: Sequence[bool]) -> float | None:
    return round(sum(said) / len(said), 4) if said else None


def text(result: ClaimsResult) -> str:
    """The scores as text: all, by kind, then the misjudged claims."""
    summary = result.summary
    lines = [_line("all", summary)]
    lines += [_line(kind, figures) for kind, figures in summary["kinds"].items()]
    wrong = [row for row in result.rows if row.verdict != row.gold.verdict]
    lines += ["", f"{len(wrong)} verdicts differ from the gold ones:"] if wrong else []
    for row in wrong:
        lines.append(f"  {row.gold.id}  {row.gold.verdict} -> {row.verdict}  {row.gold.claim}")
    return "\n".join(lines)


def _line(name: str, figures: dict[str, Any]) -> str:
    words = {
        "balanced_accuracy": "balanced accuracy",
        "right": "right verdict",
        "supported_struck": "supported struck",
        "unsupported_passed": "unsupported passed",
    }
    shown = [
        f"{said} {figures[key]:.3f}" for key, said in words.items() if figures[key] is not None
    ]
    return f"{name:12}{figures['claims']:4} claims  {'  '.join(shown)}"

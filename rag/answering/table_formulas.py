"""Measures that are computed from two rows of statements: margins, rates, and balances.

Their definitions are those of textbooks (such as Penman, Financial Statement Analysis). Companies
define some of them in another way: a row with the name of the measure comes before the formula.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rag.meaning.stems import stem_words


@dataclass(frozen=True)
class Formula:
    """A measure with its operation (`rag.answering.computed`) on two other measures."""

    pattern: re.Pattern[str]
    operation: str
    first: str
    second: str

    @property
    def measures(self) -> tuple[str, str]:
        return self.first, self.second


def _formula(pattern: str, operation: str, first: str, second: str) -> Formula:
    return Formula(re.compile(rf"(?i)\b(?:{pattern})\b"), operation, first, second)


_REVENUE = "total revenue"
_NET_INCOME = "net income"
_OPERATING_INCOME = "operating income"
_OPERATING_CASH = "net cash provided by operating activities"
_CAPEX = "capital expenditures"
_CURRENT_ASSETS = "total current assets"
_CURRENT_LIABILITIES = "total current liabilities"
FORMULAS = (
    _formula(r"gross (?:profit )?margin", "share", "gross profit", _REVENUE),
    _formula(
        r"(?:operating (?:profit |income )?|ebit )margin", "share", _OPERATING_INCOME, _REVENUE
    ),
    _formula(r"(?:net (?:profit |income )?|profit )margin", "share", _NET_INCOME, _REVENUE),
    _formula(
        r"(?:effective )?(?:income )?tax rate",
        "share",
        "income tax expense",
        "income before income taxes",
    ),
    _formula(r"(?:dividend )?pay-?out ratio", "share", "dividends paid", _NET_INCOME),
    _formula(r"equity ratio", "share", "total equity", "total assets"),
    _formula(
        r"current ratio|working capital ratio", "ratio", _CURRENT_ASSETS, _CURRENT_LIABILITIES
    ),
    _formula(r"operating cash flow ratio", "ratio", _OPERATING_CASH, _CURRENT_LIABILITIES),
    _formula(r"interest cover(?:age)?(?: ratio)?", "ratio", _OPERATING_INCOME, "interest expense"),
    _formula(
        r"(?:net )?working capital(?! ratio)", "difference", _CURRENT_ASSETS, _CURRENT_LIABILITIES
    ),
    _formula(r"free cash[- ]?flow|fcf", "difference", _OPERATING_CASH, _CAPEX),
    _formula(r"ebitda(?! margin)", "sum", _OPERATING_INCOME, "depreciation and amortization"),
)
_OTHER_MEASURE = re.compile(r"(?i)\b(?:average|(?<!un)adjusted|underlying|normali[sz]ed)\b")
"""Words of a question whose measure has another definition."""


def formula_of(question: str) -> tuple[Formula, frozenset[str]] | None:
    """The formula of the measure that a question names, and the stems of that name; None if it
    names none, or several.
    """
    if _OTHER_MEASURE.search(question):
        return None
    found = [
        (formula, match) for formula in FORMULAS if (match := formula.pattern.search(question))
    ]
    widest = [
        (formula, match)
        for formula, match in found
        if not any(_is_inside(match, other) for _, other in found)
    ]
    if len(widest) != 1:
        return None
    formula, match = widest[0]
    return formula, frozenset(stem_words(match[0]))


def _is_inside(match: re.Match[str], other: re.Match[str]) -> bool:
    """Whether a match is a part of another, longer one."""
    is_within = other.start() <= match.start() and match.end() <= other.end()
    return is_within and len(match[0]) < len(other[0])

"""Differences, sums, shares, ratios and growth over quoted figures of tables; nothing else is
computed.

`computation` refuses figures that differ in unit, scale or length of period.
`rag.answering.verification` reads the same figures again, and says whether the result still holds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rag.facts import Fact, mismatch
from rag.types import Value

OPERATIONS = ("difference", "sum", "share", "ratio", "growth")
KIND = "computed"
"""The kind of such a value."""
_SCALES = {10**3: " thousand", 10**6: " million", 10**9: " billion"}
_PAYMENT = re.compile(
    r"(?i)\b(?:purchases?|additions?|expenditures?|spending|paid|payments?|dividends|costs?|expenses?"
    r"|interest|tax(?:es)?|depreciation)\b"
)
_RECEIPT = re.compile(r"(?i)\b(?:income before|benefit|credit|recovery|proceeds|received)\b")
"""In labels of payments, whose figures in brackets are no losses, and of what they may be else."""
_NUMBERS = "two three four five six seven eight nine ten".split()


@dataclass(frozen=True, slots=True)
class Computation:
    """The result of an operation on figures, in the order in which it is written.

    `text` is the whole line, `number` the result with its scale; `unit` is a currency, "percent",
    another unit, or "".
    """

    operation: str
    text: str
    number: float
    unit: str
    operands: int

    @property
    def words(self) -> str:
        """The answer for people."""
        count = _NUMBERS[self.operands - 2] if self.operands <= 10 else str(self.operands)
        return f"{self.text}, computed from {count} cells"

    @property
    def value(self) -> Value:
        return Value(
            KIND, self.text, number=self.number, unit=self.unit or None, operation=self.operation
        )


def computation(operation: str, facts: Sequence[Fact]) -> Computation | None:
    """The result; None if the figures cannot be computed with each other, or divide by nothing. For
    a difference the first figure is the larger one, for growth the later one, for a share the part,
    and for a ratio what is divided. Figures that are all negative, as costs in brackets, count
    without their sign; so does a payment in brackets beside another figure, but in a sum.
    """
    if len(facts) < 2 or mismatch(facts):
        return None

    numbers = [fact.number or 0.0 for fact in facts]
    if all(number <= 0 for number in numbers):
        numbers = [-number for number in numbers]
    elif operation in ("difference", "share", "ratio"):
        numbers = [abs(n) if _is_payment(f) else n for n, f in zip(numbers, facts, strict=True)]

    decimals = max(_decimals(fact.text) for fact in facts)
    leading = facts[0]
    operands = [_shown(number, _decimals(f.text)) for number, f in zip(numbers, facts, strict=True)]

    if operation in ("difference", "sum"):
        if len({fact.counted for fact in facts}) > 1:
            return None
        is_sum = operation == "sum"
        result = round(sum(numbers) if is_sum else numbers[0] - numbers[1], decimals)
        line = (" + " if is_sum else " − ").join(operands)

        scale = _SCALES.get(leading.scale, "")
        unit = _written_unit(leading.unit)
        text = f"{line} = {_shown(result, decimals)}{scale}{unit}"
        number = round(result * leading.scale, max(0, decimals))

        return Computation(operation, text, number, leading.unit, len(facts))

    if len(facts) != 2 or numbers[1] <= 0 or (operation == "share" and numbers[0] < 0):
        return None

    if operation == "ratio":
        ratio = round(numbers[0] / numbers[1], 2)
        text = f"{operands[0]} ÷ {operands[1]} = {_shown(ratio, 2)}"
        return Computation(operation, text, ratio, "", 2)

    share = operation == "share"
    result = round(100 * (numbers[0] if share else numbers[0] - numbers[1]) / numbers[1], 1)

    part = operands[0] if share else f"({operands[0]} − {operands[1]})"
    text = f"{part} ÷ {operands[1]} = {_shown(result, 1)}%"

    return Computation(operation, text, result, "percent", 2)


def _is_payment(fact: Fact) -> bool:
    """Whether the label of a figure says that it was paid."""
    return bool(_PAYMENT.search(fact.label)) and not _RECEIPT.search(fact.label)


def _written_unit(unit: str) -> str:
    """A unit as it follows a number: "%", " kilometre", or nothing."""
    if unit == "percent":
        return "%"
    return f" {unit}".rstrip() if unit != "number" else ""


def _decimals(text: str) -> int:
    """Digits after the point of a figure."""
    _, point, digits = text.partition(".")
    return sum(map(str.isdecimal, digits)) if point else 0


def _shown(number: float, decimals: int) -> str:
    return f"{number:,.{decimals}f}".replace("-", "−")

"""Bounds on a result's metrics, and a JUnit report of them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

from rag.errors import InputError, writing_to
from rag.evaluation.metrics import METRICS
from rag.evaluation.result import Result, Summary

_MILLISECONDS = ("p50_ms", "p95_ms", "p99_ms")
_LOWER_IS_BETTER = {
    *_MILLISECONDS,
    *(name for name, metric in METRICS.items() if metric.better == "lower"),
}
NAMES = (*METRICS, "questions_per_second", *_MILLISECONDS)


@dataclass(frozen=True, slots=True)
class Gate:
    """A bound in the unit of reports: per cent, milliseconds, or questions per second. `is_minimum`
    means a minimum, otherwise a maximum. `value` is the measured one; None, if it was not measured
    or the metric does not apply to the questions, does not pass.
    """

    name: str
    bound: float
    is_minimum: bool
    value: float | None = None

    @property
    def text(self) -> str:
        sign = "≥" if self.is_minimum else "≤"
        return f"{self.name} {sign} {self.bound:g}"

    @property
    def passed(self) -> bool:
        if self.value is None:
            return False
        if self.is_minimum:
            return self.value >= self.bound
        return self.value <= self.bound

    @property
    def found(self) -> str:
        """The bound and the measured value."""
        value = "not measured" if self.value is None else f"{self.value:.2f}"
        return f"{self.text}: {value}"

    def __str__(self) -> str:
        verdict = "ok   " if self.passed else "FAIL "
        return f"{verdict} {self.found}"


def parse(minimum_texts: Sequence[str], maximum_texts: Sequence[str] = ()) -> list[Gate]:
    """Gates from minimums such as f1=70 and maximums such as p95_ms=500. Raises InputError."""
    minimums = [_parse(text, is_minimum=True) for text in minimum_texts]
    maximums = [_parse(text, is_minimum=False) for text in maximum_texts]
    return minimums + maximums


def _parse(text: str, is_minimum: bool) -> Gate:
    name, equals, bound = text.partition("=")
    if name not in NAMES:
        similar_names = difflib.get_close_matches(name, NAMES, 1)
        hint = f"known: {', '.join(NAMES)}"
        if similar_names:
            hint = f"did you mean {similar_names[0]}?"
        raise InputError(f"unknown metric {name!r}", hint)

    is_lower_better = name in _LOWER_IS_BETTER
    if is_minimum and is_lower_better:
        raise InputError(f"lower is better for {name}", f"give --fail-over {text}")
    if not is_minimum and not is_lower_better:
        raise InputError(f"higher is better for {name}", f"give --fail-under {text}")

    try:
        return Gate(name, float(bound), is_minimum)
    except ValueError:
        fault = f"{bound!r} is not a number" if equals else "the bound is missing"
        raise InputError(f"{text!r}: {fault}", f"give it as {name}=70") from None


def verdicts(gates: Sequence[Gate], summary: Summary) -> list[Gate]:
    """The gates with the values of a result."""
    return [replace(gate, value=_measured_value(gate.name, summary)) for gate in gates]


def _measured_value(name: str, summary: Summary) -> float | None:
    if name in _MILLISECONDS:
        percentile = name.removesuffix("_ms")
        return summary.latency["total"][percentile]
    if name == "questions_per_second":
        return summary.per_second
    if name not in summary.metrics:
        return None
    return 100 * summary.metrics[name]


def junit(result: Result, gates: Sequence[Gate], path: Path) -> None:
    """Write a JUnit file with one test case per gate. Raises InputError if it cannot be written."""
    name = f"rag eval {result.facts['name']}"
    failures = sum(not gate.passed for gate in gates)
    attributes = {
        "name": name,
        "tests": str(len(gates)),
        "failures": str(failures),
        "errors": "0",
    }
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(root, "testsuite", attributes)

    properties = ElementTree.SubElement(suite, "properties")
    for metric, value in result.summary.metrics.items():
        ElementTree.SubElement(properties, "property", name=metric, value=f"{value:.6f}")

    for gate in gates:
        case = ElementTree.SubElement(suite, "testcase", classname=name, name=gate.text)
        if not gate.passed:
            ElementTree.SubElement(case, "failure", message=gate.found)

    with writing_to(path, "name another file with --junit"):
        tree = ElementTree.ElementTree(root)
        tree.write(path, encoding="utf-8", xml_declaration=True)

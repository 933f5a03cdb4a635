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
_LOWER = {*_MILLISECONDS, *(name for name, metric in METRICS.items() if metric.better == "lower")}
NAMES = (*METRICS, "questions_per_second", *_MILLISECONDS)


@dataclass(frozen=True, slots=True)
class Gate:
    """A bound in the unit of reports: per cent, milliseconds, or questions per second. `least`
    means a minimum, otherwise a maximum. `value` is the measured one; None, if it was not measured
    or the metric does not apply to the questions, does not pass.
    """

    name: str
    bound: float
    least: bool
    value: float | None = None

    @property
    def text(self) -> str:
        return f"{self.name} {'≥' if self.least else '≤'} {self.bound:g}"

    @property
    def passed(self) -> bool:
        if self.value is None:
            return False
        return self.value >= self.bound if self.least else self.value <= self.bound

    @property
    def found(self) -> str:
        """The bound and the measured value."""
        return f"{self.text}: {'not measured' if self.value is None else f'{self.value:.2f}'}"

    def __str__(self) -> str:
        return f"{'ok   ' if self.passed else 'FAIL '} {self.found}"


def parse(under: Sequence[str], over: Sequence[str] = ()) -> list[Gate]:
    """Gates from minimums such as f1=70 and maximums such as p95_ms=500. Raises InputError."""
    return [_parse(text, True) for text in under] + [_parse(text, False) for text in over]


def _parse(text: str, is_minimum: bool) -> Gate:
    name, equals, bound = text.partition("=")
    if name not in NAMES:
        similar = difflib.get_close_matches(name, NAMES, 1)
        hint = f"did you mean {similar[0]}?" if similar else f"known: {', '.join(NAMES)}"
        raise InputError(f"unknown metric {name!r}", hint)
    if is_minimum == (name in _LOWER):
        direction, option = ("lower", "over") if is_minimum else ("higher", "under")
        raise InputError(f"{direction} is better for {name}", f"give --fail-{option} {text}")
    try:
        return Gate(name, float(bound), is_minimum)
    except ValueError:
        wrong = f"{bound!r} is not a number" if equals else "the bound is missing"
        raise InputError(f"{text!r}: {wrong}", f"give it as {name}=70") from None


def verdicts(gates: Sequence[Gate], summary: Summary) -> list[Gate]:
    """The gates with the values of a result."""
    return [replace(gate, value=_measured(gate.name, summary)) for gate in gates]


def _measured(name: str, summary: Summary) -> float | None:
    if name in _MILLISECONDS:
        return summary.latency["total"][name.removesuffix("_ms")]
    if name == "questions_per_second":
        return summary.per_second
    return 100 * summary.metrics[name] if name in summary.metrics else None


def junit(result: Result, gates: Sequence[Gate], path: Path) -> None:
    """Write a JUnit file with one test case per gate. Raises InputError if it cannot be written."""
    name, add = f"rag eval {result.facts['name']}", ElementTree.SubElement
    counts = {"tests": len(gates), "failures": sum(not gate.passed for gate in gates), "errors": 0}
    root = ElementTree.Element("testsuites")
    suite = add(root, "testsuite", {"name": name, **{k: str(n) for k, n in counts.items()}})
    properties = add(suite, "properties")
    for metric, value in result.summary.metrics.items():
        add(properties, "property", name=metric, value=f"{value:.6f}")
    for gate in gates:
        case = add(suite, "testcase", classname=name, name=gate.text)
        if not gate.passed:
            add(case, "failure", message=gate.found)
    with writing_to(path, "name another file with --junit"):
        ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)

"""Bounds on a result's metrics, and a JUnit report of them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
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
    means a minimum, otherwise a maximum.
    """

    name: str
    bound: float
    least: bool

    def __str__(self) -> str:
        return f"{self.name} {'≥' if self.least else '≤'} {self.bound:g}"


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """A gate and the measured value. None, if the metric does not apply to the questions, does not
    pass.
    """

    gate: Gate
    value: float | None

    @property
    def passed(self) -> bool:
        if self.value is None:
            return False
        return self.value >= self.gate.bound if self.gate.least else self.value <= self.gate.bound

    @property
    def found(self) -> str:
        """The gate and the measured value."""
        return f"{self.gate}: {'not measured' if self.value is None else f'{self.value:.2f}'}"

    def __str__(self) -> str:
        return f"{'ok   ' if self.passed else 'FAIL '} {self.found}"


def parse(under: Sequence[str], over: Sequence[str] = ()) -> list[Gate]:
    """Gates from minimums such as f1=70 and maximums such as p95_ms=500. Raises InputError."""
    return [_parse(text, True) for text in under] + [_parse(text, False) for text in over]


def _parse(text: str, is_minimum: bool) -> Gate:
    name, equals, bound = text.partition("=")
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, 1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(NAMES)}"
        raise InputError(f"unknown metric {name!r}", hint)
    if is_minimum == (name in _LOWER):
        better, option = ("lower", "over") if is_minimum else ("higher", "under")
        raise InputError(f"{better} is better for {name}", f"give --fail-{option} {text}")
    try:
        return Gate(name, float(bound), is_minimum)
    except ValueError:
        wrong = f"{bound!r} is not a number" if equals else "the bound is missing"
        raise InputError(f"{text!r}: {wrong}", f"give it as {name}=70") from None


def verdicts(gates: Sequence[Gate], summary: Summary) -> list[GateVerdict]:
    return [GateVerdict(gate, _measured(gate.name, summary)) for gate in gates]


def _measured(name: str, summary: Summary) -> float | None:
    if name in _MILLISECONDS:
        return summary.latency["total"][name.removesuffix("_ms")]
    if name == "questions_per_second":
        return summary.per_second
    return 100 * summary.metrics[name] if name in summary.metrics else None


def junit(result: Result, verdicts: Sequence[GateVerdict], path: Path) -> None:
    """Write a JUnit file with one test case per gate. Raises InputError if it cannot be written."""
    name = f"rag eval {result.facts['name']}"
    short = sum(not verdict.passed for verdict in verdicts)
    suite = ElementTree.Element(
        "testsuite", name=name, tests=str(len(verdicts)), failures=str(short), errors="0"
    )
    properties = ElementTree.SubElement(suite, "properties")
    for metric, value in result.summary.metrics.items():
        ElementTree.SubElement(properties, "property", name=metric, value=f"{value:.6f}")
    for verdict in verdicts:
        case = ElementTree.SubElement(suite, "testcase", classname=name, name=str(verdict.gate))
        if not verdict.passed:
            ElementTree.SubElement(case, "failure", message=verdict.found)
    root = ElementTree.Element("testsuites")
    root.append(suite)
    with writing_to(path, "name another file with --junit"):
        ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)

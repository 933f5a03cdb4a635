"""The report is complete, loads nothing, and escapes markup in documents."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from rag.evaluation import gates
from rag.evaluation.gold import Gold
from rag.evaluation.report.page import page, scale
from rag.evaluation.result import Result, compare
from rag.evaluation.runs import run
from tests.evaluation.helpers import QUESTIONS, UNANSWERABLE, engine, store

HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(1)">\u202e'
VOID = {"meta", "input", "br"}


class Reader(HTMLParser):
    """Checks that tags are balanced."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.met: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.met.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.met.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture
def result(tmp_path: Path) -> Result:
    asked = engine(store(tmp_path / "index"), threshold=0.0)
    return run(Gold("town", (*QUESTIONS, UNANSWERABLE)), asked, tmp_path)


def test_a_complete_page_that_fetches_nothing(result: Result) -> None:
    html = page(result, None, gates.verdicts(gates.parse(["f1=100"]), result.summary))
    reader = read(html)
    assert not re.search(r"https?://|//[a-z]|@import|url\(", html)
    assert not any({"src", "href", "srcset"} & attributes.keys() for _, attributes in reader.met)
    assert not any(name.startswith("on") for _, attributes in reader.met for name in attributes)
    assert [tag for tag, _ in reader.met].count("svg") == 4
    policy = next(
        a["content"]
        for tag, a in reader.met
        if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "f1 ≥ 100" in "".join(reader.words)


def test_every_figure_and_miss_is_shown(result: Result) -> None:
    reader = read(page(result, None, []))
    said = "".join(reader.words)
    assert all(f"{100 * value:.1f}" in said for value in result.summary.metrics.values())
    rows = [
        attributes for tag, attributes in reader.met if tag == "tr" and "data-stage" in attributes
    ]
    assert [row["data-stage"] for row in rows] == [row.stage for row in result.rows if row.stage]
    assert rows
    assert all(
        str(value) in said
        for group in ("settings", "index", "models")
        for value in result.facts[group].values()
    )


def test_document_text_is_escaped(result: Result) -> None:
    hostile = [
        replace(
            row,
            question=HOSTILE,
            text=HOSTILE,
            document=HOSTILE,
            sentence=HOSTILE,
            detail=HOSTILE,
            stage="reader",
        )
        for row in result.rows
    ]
    other = Result.of({**result.facts, "name": HOSTILE}, hostile)
    reader = read(page(other, compare(other, other), []))
    assert [tag for tag, _ in reader.met].count("script") == 1
    assert "img" not in {tag for tag, _ in reader.met}
    assert HOSTILE in reader.words


def test_flips_are_listed(result: Result) -> None:
    worse = Result.of(result.facts, [replace(row, text="wrong", f1=0.0) for row in result.rows])
    html = page(worse, compare(result, worse), [])
    count = len(compare(result, worse).lost)
    assert count
    assert html.count('<td class="bad">lost</td>') == count


@pytest.mark.parametrize("most", [0.02, 0.7, 3, 9, 12, 48, 99, 101, 760, 2194, 30_000])
def test_marks_of_an_axis_are_few_and_reach_its_end(most: float) -> None:
    marks = scale(most)
    assert marks[0] == 0
    assert most <= marks[-1] <= 2.6 * most
    assert 3 <= len(marks) <= 6

"""Plots readers by usefulness of their answers and cost per question.

python -m eval.experiments.frontier --cache DIR [--data DATA] [--technical FOLDER]
    [--student FOLDER] [--beside FOLDER] [--out eval/results/frontier.json]
    [--svg eval/results/frontier.svg]

DIR caches the outputs of the readers fast and best for all passages (`eval.experiments.kept`).
Reading fewer passages gives the same outputs for them, so every point's answers are derived from
these. Times are measured: all points read the same questions in turn, in one process. --student is
another reader with three heads, read and cached, too; --beside is one that is only timed, over all
passages. Prints and writes JSON.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import click
import numpy as np

from eval.experiments.kept import ROOT, SETS, opened
from rag import build
from rag.answering.searcher import Query
from rag.engine import Engine
from rag.evaluation.gold import Question
from rag.evaluation.squad import exact, f1
from rag.evaluation.statistics import auroc
from rag.evaluation.usefulness import judge, shown
from rag.models.cascade import Cascade
from rag.models.device import Arithmetic, arithmetic
from rag.models.reader import ExtractiveReader
from rag.protocols import Reader, ReaderOutput
from rag.settings import Settings
from rag.types import Answer, Hit

RESULTS = ROOT / "eval/results"
_TIMED = 24
"""Number of questions per point, once to warm up and once timed."""


@dataclass(frozen=True, slots=True)
class Point:
    """A way of reading: `reader` reads the best `passages`, or the `most` of them chosen by
    "fast".
    """

    name: str
    reader: str
    passages: int
    most: int = 0


POINTS = (
    Point("fast, 8 passages", "fast", 8),
    Point("fast, 4 passages", "fast", 4),
    Point("1 of 8 passages", "best", 8, 1),
    Point("2 of 8 passages", "best", 8, 2),
    Point("accurate: 3 of 8 passages", "best", 8, 3),
    Point("4 of 8 passages", "best", 8, 4),
    Point("best, 4 passages", "best", 4),
    Point("best, 6 passages", "best", 6),
    Point("best, 8 passages", "best", 8),
)
_STUDENT = Point("student, 8 passages", "student", 8)

PROFILES = ("accurate: 3 of 8 passages", "fast, 8 passages", "best, 8 passages")


class Known:
    """A reader that returns cached outputs for the given passages."""

    def __init__(self, reader: Reader) -> None:
        self.name = reader.name
        self._reader = reader
        self._all: dict[str, Sequence[Hit]] = {}

    def learn(self, question: str, hits: Sequence[Hit]) -> None:
        """Cache a question's outputs."""
        self._all[question] = hits

    def read(self, question: str, hits: Sequence[Hit]) -> ReaderOutput:
        # The side of a comparison is a question of its own, with its own passages.
        whole = self._reader.read(question, self._all.get(question, hits))
        places = {_place(hit) for hit in hits}
        return ReaderOutput(
            [one for one in whole.spans if _place(one.hit) in places],
            [one for one in whole.sentences if _place(one.hit) in places],
            [one for one in whole.verdicts if _place(one.hit) in places],
        )

    def read_many(self, asked: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        return [self.read(question, hits) for question, hits in asked]


def _place(hit: Hit) -> tuple[str, int]:
    return hit.passage.document_id, hit.passage.start


class Through:
    """Reads like the current `point`, with `readers` by name."""

    name = "through"

    def __init__(self, readers: dict[str, Any]) -> None:
        self.readers = readers
        self.point = POINTS[0]

    def read(self, question: str, hits: Sequence[Hit]) -> ReaderOutput:
        return self.read_many([(question, hits)])[0]

    def read_many(self, asked: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        point = self.point
        reader: Reader = self.readers[point.reader]
        if point.most:
            reader = Cascade(self.readers["fast"], reader, point.most)
        return reader.read_many([(question, hits[: point.passages]) for question, hits in asked])


def quality(
    name: str, readers: dict[str, str], points: Sequence[Point], places: dict[str, Any]
) -> dict[str, Any]:
    """Figures of every point on a set, by the point's name. `readers` are settings of
    RAG_READER by the names that points use, `places` arguments of `opened`.
    """
    known: dict[str, Known] = {}

    def keep(reader: Reader) -> Reader:
        known[called] = Known(reader)
        return Through(known)

    engines: dict[str, Engine] = {}
    for called, setting in readers.items():
        engines[called], questions = opened(name, reader=setting, through=keep, **places)
    questions = [question for question in questions if _is_in(name, question)]
    found = {}
    for point in points:
        engine = engines[point.reader]
        cast(Through, engine.reader).point = point
        answers = []
        for question in questions:
            (one,) = engine.find_many([Query(question.text)])
            for reader in known.values():
                reader.learn(one.question, one.hits)
            answers += engine.answer_many([Query(question.text)], [one], {})
        found[point.name] = figures(questions, answers)
    return found


def _is_in(name: str, question: Question) -> bool:
    """Whether the set's index contains the question's documents; that of forms has only office/."""
    if name != "forms" or not question.answers:
        return True
    places = [one.document for one in question.evidence]
    return bool(places) and all(place.startswith("office/") for place in places)


def figures(questions: Sequence[Question], answers: Sequence[Answer]) -> dict[str, Any]:
    """Counts, and in [0, 1] EM and F1 of questions with short answers, and how well confidence
    separates answerable from unanswerable questions.
    """
    rows = [(q, a, judge(q, shown(a))) for q, a in zip(questions, answers, strict=True)]
    own = [row for row in rows if row[0].answers]
    other = [row for row in rows if not row[0].answers]
    facts = [(q, a) for q, a, _ in own if q.form in ("", "span")]
    predict = [np.array([a.confidence for _, a, _ in part]) for part in (own, other)]
    return {
        "answerable": len(own),
        "useful": sum(said == "useful" for _, _, said in own),
        "wrong": sum(said == "wrong" for _, _, said in own),
        "unanswerable": len(other),
        "refused": sum(said == "refused" for _, _, said in other),
        "em": _mean([exact(a.text, q.answers) for q, a in facts]),
        "f1": _mean([f1(a.text, q.answers) for q, a in facts]),
        "auroc of answerable": auroc(*predict) if other else None,
    }


def _mean(values: Sequence[float]) -> float:
    return round(statistics.mean(values), 4) if values else 0.0


def cost(
    readers: dict[str, str], points: Sequence[Point], places: dict[str, Any], beside: Path | None
) -> dict[str, dict[str, float]]:
    """Milliseconds (p50) and CPU seconds to read a question, by the point's name; all points read a
    question before the next one.
    """
    engine, questions = opened("seeds", reader="fast", **places)
    asked = [engine.find_many([Query(q.text)])[0] for q in questions[:_TIMED]]
    loaded = {name: build.reader(Settings.load(reader=value)) for name, value in readers.items()}
    through = Through(loaded)
    ways: dict[str, tuple[Reader, Point]] = {point.name: (through, point) for point in points}
    if beside:
        ways["beside"] = (ExtractiveReader(str(beside), arithmetic=_arithmetic()), POINTS[0])
    clocks: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for turn in range(2):
        for one in asked:
            for name, (reader, point) in ways.items():
                through.point = point
                wall, cpu = time.perf_counter(), time.process_time()
                reader.read(one.question, one.hits)
                took = time.perf_counter() - wall, time.process_time() - cpu
                if turn:
                    clocks[name].append(took)
    return {
        name: {
            "ms": round(1000 * statistics.median(wall for wall, _ in took), 1),
            "cpu seconds": round(statistics.mean(cpu for _, cpu in took), 3),
        }
        for name, took in clocks.items()
    }


def _arithmetic() -> Arithmetic:
    settings = Settings.load()
    return arithmetic(settings.device, settings.precision)


def plot(found: dict[str, Any], path: Path) -> None:
    """An SVG file: useful answers on all sets against milliseconds (p50). Needs matplotlib."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    asked = sum(next(iter(points.values()))["answerable"] for points in found["sets"].values())
    for name in (one["name"] for one in found["points"]):
        useful = sum(points[name]["useful"] for points in found["sets"].values())
        place = found["cost"][name]["ms"], 100 * useful / asked
        axes.scatter(*place, s=60, color="tab:red" if name in PROFILES else "tab:gray")
        below: Any = {"xytext": (3, -7), "rotation": -30, "va": "top"}
        above: Any = {"xytext": (3, 7), "rotation": 30, "va": "bottom"}
        side = below if name.startswith(("best", "student")) else above
        axes.annotate(name, place, textcoords="offset points", fontsize=8, **side)
    axes.set(
        xlabel="milliseconds to read a question, p50 (lower is better)",
        ylabel=f"useful answers, % of {asked}",
    )
    axes.margins(0.2)
    axes.grid(alpha=0.3)
    figure.savefig(path, bbox_inches="tight")
    pyplot.close(figure)


@click.command()
@click.option("--cache", type=click.Path(path_type=Path), required=True)
@click.option("--data", type=click.Path(path_type=Path))
@click.option("--technical", type=click.Path(path_type=Path))
@click.option("--student", type=click.Path(path_type=Path))
@click.option("--beside", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS / "frontier.json")
@click.option("--svg", type=click.Path(path_type=Path), help="Draw a plot; needs matplotlib.")
@click.argument("names", nargs=-1, type=click.Choice(list(SETS)))
def main(
    cache: Path,
    data: Path | None,
    technical: Path | None,
    student: Path | None,
    beside: Path | None,
    out: Path,
    svg: Path | None,
    names: tuple[str, ...],
) -> None:
    """Measure the points on the sets."""
    places = {"cache": cache, "data": data, "technical": technical}
    readers = {"fast": "fast", "best": "best"}
    points: tuple[Point, ...] = POINTS
    if student:
        readers |= {"student": str(student)}
        points += (_STUDENT,)
    found: dict[str, Any] = {"points": [asdict(point) for point in points]}
    found["sets"] = {name: quality(name, readers, points, places) for name in names or tuple(SETS)}
    found["cost"] = cost(readers, points, places, beside)
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if svg:
        plot(found, svg)
    click.echo(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

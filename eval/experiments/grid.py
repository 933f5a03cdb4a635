"""Scores the grid of eval/gold/grid.jsonl: 40 documents, 8 questions, a third without an answer.

    python -m eval.experiments.grid FOLDER --index INDEX [--documents N] [--time N]

FOLDER is made by `eval.gold.collections`. The gold file was written from the documents before
anything was asked. Every second document is for fitting; figures are printed for each half. A cell
is useful if it is answered with a value that contains an accepted wording. `--time` asks N cells as
a grid, and again as single questions with the same filter, and compares the processor's seconds.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from eval.scripts import GOLD, OUT, PATH, finished, script
from rag import build
from rag.desk import grid as grids
from rag.desk import grid_run
from rag.desk.grid import Cell
from rag.desk.grid_file import definition
from rag.engine import Engine
from rag.evaluation.set_files import json_lines
from rag.filters import parse
from rag.settings import Settings

Row = dict[str, Any]


def is_useful(row: Row, cell: Cell) -> bool:
    """Whether the value contains an accepted wording."""
    value = " ".join(cell.value.split()).casefold()
    return any(answer.casefold() in value for answer in row["answers"])


def scores(pairs: Sequence[tuple[Row, Cell]]) -> dict[str, float]:
    """Shares of the cells: useful and wrong of those with an answer, also with guesses, and the
    precision and recall of "not in the document".
    """
    counts = Counter[tuple[bool, str, bool]]()
    for row, cell in pairs:
        counts[bool(row["answers"]), str(cell.state), is_useful(row, cell)] += 1

    def count(answerable: bool, state: str, *useful: bool) -> int:
        return sum([counts[answerable, state, flag] for flag in useful or (True, False)])

    answerable = sum(bool(row["answers"]) for row, _ in pairs)
    absent = len(pairs) - answerable
    refused = count(False, "absent")

    def of_answerable(state: str, useful: bool) -> float:
        return count(True, state, useful) / max(1, answerable)

    return {
        "cells": len(pairs),
        "answerable": answerable,
        "useful": of_answerable("answered", True),
        "wrong": of_answerable("answered", False),
        "useful_guesses": of_answerable("unsure", True),
        "absent_precision": refused / max(1, refused + count(True, "absent")),
        "absent_recall": refused / max(1, absent),
        "answered_without_answer": count(False, "answered") / max(1, absent),
    }


def ask_rows(engine: Engine, rows: Sequence[Row]) -> list[tuple[Row, Cell]]:
    """The cells of the rows, as a grid is asked."""
    cells_to_ask = _due_cells(engine, rows)
    cells: dict[tuple[str, str], Cell] = {}
    for start in tqdm(range(0, len(cells_to_ask), grid_run.BATCH), unit="batch", disable=None):
        for cell in grid_run.ask(engine, cells_to_ask[start : start + grid_run.BATCH]):
            cells[cell.row, cell.column] = cell
    return [(row, cells[row["document"], row["column"]]) for row in rows]


def _due_cells(engine: Engine, rows: Sequence[Row]) -> list[grid_run.Due]:
    names = {row["document"] for row in rows}
    row_of_column = {row["column"]: row for row in rows}
    columns = []
    for name, row in row_of_column.items():
        columns.append({"name": name, "question": row["question"], "type": row["type"]})
    spec = definition({"name": "gold", "columns": columns}, str(GOLD / "grid.jsonl"))
    return [
        grid_run.Due(grid_row, column, None)
        for grid_row in grids.rows_of(spec, engine.store.documents())
        if grid_row.key in names
        for column in spec.columns
    ]


def compare_times(engine: Engine, rows: Sequence[Row]) -> dict[str, float]:
    """Processor seconds of the cells as a grid, and as single questions."""
    started = time.process_time()
    ask_rows(engine, rows)
    middle = time.process_time()
    for row in rows:
        engine.ask(row["question"], filter=parse([f"document={row['document']}"]))
    grid_time = middle - started
    question_time = time.process_time() - middle
    return {"grid": grid_time, "single": question_time, "share": grid_time / question_time}


@script(__doc__)
@click.argument("folder", type=PATH)
@click.option("--index", type=PATH, required=True, help="Index of the folder.")
@click.option("--documents", default=40, help="Ask so many documents.")
@click.option("--time", "timed", default=0, help="Compare the times of so many cells.")
@OUT
def main(folder: Path, index: Path, documents: int, timed: int, out: Path | None) -> None:
    rows = list(json_lines(GOLD / "grid.jsonl"))
    names = list(dict.fromkeys(row["document"] for row in rows))[:documents]
    rows = [row for row in rows if row["document"] in names]
    for row in rows:
        content = (folder / row["document"]).read_bytes()
        if hashlib.sha256(content).hexdigest() != row["sha256"]:
            raise SystemExit(f"{row['document']} is another version")
    engine = build.engine(Settings.load(index=index))
    pairs = ask_rows(engine, rows)
    result: dict[str, Any] = {}
    for half, chosen in (("fit", names[::2]), ("report", names[1::2])):
        of_half = [(row, cell) for row, cell in pairs if row["document"] in chosen]
        result[half] = scores(of_half)
    if timed:
        result["seconds"] = compare_times(engine, rows[:timed])
    finished(result, out)


if __name__ == "__main__":
    main()

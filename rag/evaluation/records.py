"""A question's row, from which all figures are computed, and the file of an unfinished run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from rag.errors import InputError, RagError, writing_to

QuestionKind = Literal["answerable", "unanswerable", "retrieval"]


@dataclass(frozen=True, slots=True)
class Row:
    """The outcome of one question.

    `text` is the answer, None if refused; `guess` is the best candidate, given or not, and
    `confidence` its confidence in [0, 1]. `em` and `f1` score `text`, `right` scores `guess`.
    `rank` is the rank, from 1, of the first passage with a complete evidence sentence, and
    `dense_rank` and `lexical_rank` its ranks in each retriever; None if it is not among the
    candidates. `found` has the (rank, grade) of each relevant document that was found, `unfound`
    the grades of the others. `citations` counts the answer's citations, `cited_right` those in
    evidence, `cited_evidence` the evidence sentences cited, of `evidence`; `cited_document` means
    that the first is from a relevant document. `sound` of `checked` citations, including those of
    alternatives, match the document at their offsets. `ms` holds milliseconds by stage. `form` is
    the gold form and `asked_as` the type of the question (why, how_to, …); `given` is the answer's
    form, and `judgement` is "useful", "partial", "wrong" or "refused"
    (`rag.evaluation.usefulness`). `stage` lost the answer (`rag.evaluation.error_analysis.STAGES`),
    None if none did; `document` and `sentence` are the evidence to find.
    """

    id: str
    question: str
    group: str
    kind: QuestionKind
    answers: tuple[str, ...] = ()
    text: str | None = None
    guess: str | None = None
    confidence: float = 0.0
    em: float = 0.0
    f1: float = 0.0
    right: bool = False
    rank: int | None = None
    dense_rank: int | None = None
    lexical_rank: int | None = None
    found: tuple[tuple[int, int], ...] = ()
    unfound: tuple[int, ...] = ()
    citations: int = 0
    cited_document: bool = False
    cited_right: int = 0
    cited_evidence: int = 0
    evidence: int = 0
    sound: int = 0
    checked: int = 0
    ms: Mapping[str, float] = field(default_factory=dict)
    stage: str | None = None
    detail: str = ""
    document: str = ""
    sentence: str = ""
    form: str = "span"
    asked_as: str = ""
    given: str = ""
    judgement: str = ""


COLUMNS = tuple(field.name for field in fields(Row))


def unpack(table: Mapping[str, Any]) -> list[Row]:
    """Rows of a table; unknown columns are ignored. Raises InputError if it is not a table."""
    try:
        return [_row(table["columns"], values) for values in table["rows"]]
    except (KeyError, TypeError, ValueError) as error:
        message = f"the questions of the result cannot be read: {error}"
        raise InputError(message, "create it again: rag eval run GOLD") from error


def _row(columns: Sequence[str], values: Sequence[Any]) -> Row:
    """The row of these values, in which JSON has made tuples lists."""
    cells: dict[str, Any] = {}
    for name, value in zip(columns, values, strict=True):
        if name in COLUMNS:
            cells[name] = value

    for name in ("answers", "unfound"):
        cells[name] = tuple(cells.get(name) or ())
    found = cells.get("found") or ()
    cells["found"] = tuple((int(rank), int(grade)) for rank, grade in found)
    return Row(**cells)


class Partial:
    """The file of an unfinished run. `rows`, by question id, are those of an interrupted run with
    the same `fingerprint`, which covers code, questions, documents, settings and models; a
    truncated last line is ignored. Raises InputError if the file cannot be written.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self._path = path
        head = {"fingerprint": fingerprint, "columns": list(COLUMNS)}
        self.rows = self._read(head)
        with writing_to(path, "name another folder with --out"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("", encoding="utf-8")
            self._append(head, *map(astuple, self.rows.values()))

    def _read(self, expected: Mapping[str, Any]) -> dict[str, Row]:
        try:
            # answers may contain other line ends
            head, *lines = self._path.read_text(encoding="utf-8").split("\n")
            if json.loads(head) != expected:
                return {}
            rows = [json.loads(line) for line in lines[:-1]]
            return {row.id: row for row in unpack({"columns": COLUMNS, "rows": rows})}
        except (OSError, ValueError, RagError):
            return {}

    def _append(self, *values: object) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(value, ensure_ascii=False) + "\n" for value in values)

    def add(self, row: Row) -> None:
        with writing_to(self._path, "name another folder with --out"):
            self._append(astuple(row))
        self.rows[row.id] = row

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)

"""The row of a question, from which all figures of a report are computed, and the file of an
unfinished run's rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from rag.errors import InputError, RagError, writing_to

Kind = Literal["answerable", "unanswerable", "retrieval"]


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
    kind: Kind
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


def pack(rows: Sequence[Row]) -> dict[str, Any]:
    """Rows as a table: column names, then values."""
    return {"columns": list(COLUMNS), "rows": [list(asdict(row).values()) for row in rows]}


def unpack(table: Mapping[str, Any]) -> list[Row]:
    """Rows of a table; unknown columns are ignored. Raises InputError if it is not a table."""
    try:
        return [_row(zip(table["columns"], values, strict=True)) for values in table["rows"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"the questions of the result cannot be read: {error}",
            "create it again: rag eval run GOLD",
        ) from error


def _row(values: Iterable[tuple[str, Any]]) -> Row:
    """Lists become tuples."""
    cells = {name: value for name, value in values if name in COLUMNS}
    for name in ("answers", "unfound"):
        cells[name] = tuple(cells.get(name) or ())
    cells["found"] = tuple((int(rank), int(grade)) for rank, grade in cells.get("found") or ())
    return Row(**cells)


class Partial:
    """Rows of an unfinished run. Its `fingerprint` covers code, questions, documents, settings and
    models; rows of other runs are not used.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path = path
        self._first = {"fingerprint": fingerprint, "columns": list(COLUMNS)}

    def read(self) -> dict[str, Row]:
        """The rows of an interrupted run, by question id; a truncated last line is ignored."""
        try:
            # answers may contain other line ends
            first, *lines = self.path.read_text(encoding="utf-8").split("\n")
            if json.loads(first) != self._first:
                return {}
            rows = [json.loads(line) for line in lines[:-1]]
            return {row.id: row for row in unpack({"columns": COLUMNS, "rows": rows})}
        except (OSError, ValueError, RagError):
            return {}

    @contextmanager
    def writing(self, rows: Sequence[Row]) -> Iterator[Callable[[Row], None]]:
        """Start the file with these rows; the yielded function appends one. Raises InputError if it
        cannot be written.
        """
        with writing_to(self.path, "name another folder with --out"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("w", encoding="utf-8") as file:

                def write(value: object) -> None:
                    file.write(json.dumps(value, ensure_ascii=False) + "\n")
                    file.flush()

                def add(row: Row) -> None:
                    write(astuple(row))

                write(self._first)
                for row in rows:
                    add(row)
                yield add

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

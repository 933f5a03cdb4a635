"""One row a question: all that is kept of it, and all that any number of a report is made of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, field, fields
from pathlib import Path
from typing import IO, Any, Literal

from rag.errors import InputError, RagError

Kind = Literal["answerable", "unanswerable", "retrieval"]


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one question.

    `text` is the answer that was given, None if refused; `guess` the best candidate, given or not,
    and `confidence` that of it, in [0, 1]. `em` and `f1` are of `text`, `right` of `guess`. `rank`
    is the place, from 1, of the first passage that holds a whole evidence sentence, with
    `dense_rank` and `lexical_rank` its places in the legs; None: not among the candidates. `found`
    has (rank, grade) of each relevant document in the ranking of documents, `unfound` the grades of
    the others. `citations` are those of the answer, `cited_right` those of them that stand in
    evidence, `cited_evidence` the evidence sentences they stand in, of `evidence`;
    `cited_document`: whether the first is of a relevant document. `sound` of `checked` citations,
    alternatives' too, stand word for word where they say. `ms` are milliseconds by stage. `form` is
    what the question wants and `asked_as` how it is put (why, how_to, …); `given` is the form of
    the answer, and `judgement` what the answer is to a person: "useful", "partial", "wrong" or
    "refused" (`rag.evaluation.usefulness`). `stage` is what lost it
    (`rag.evaluation.error_analysis.STAGES`), None if nothing did; `document` and `sentence` what
    was sought.
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
    """As a table: names once, then values.."""
    return {"columns": list(COLUMNS), "rows": [list(asdict(row).values()) for row in rows]}


def unpack(table: Mapping[str, Any]) -> list[Row]:
    """Rows of a table. Raises InputError if it is not one; columns that are not known are passed
    over.
    """
    try:
        return [_row(dict(zip(table["columns"], values, strict=True))) for values in table["rows"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"the questions of the result cannot be read: {error}", "make it again: rag eval GOLD"
        ) from error


def _row(values: Mapping[str, Any]) -> Row:
    known = {name: value for name, value in values.items() if name in COLUMNS}
    for name in ("answers", "unfound"):
        known[name] = tuple(known.get(name) or ())
    known["found"] = tuple((int(rank), int(grade)) for rank, grade in known.get("found") or ())
    return Row(**known)


class Partial:
    """Rows of one run, known by `fingerprint`: of other code, questions, documents, settings or
    models none is used.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path = path
        self._first = {"fingerprint": fingerprint, "columns": list(COLUMNS)}

    def read(self) -> dict[str, Row]:
        """The rows that an earlier run left, by question id. A last line that was cut off is passed
        over.
        """
        try:
            first, *lines = self.path.read_text(encoding="utf-8").split(
                "\n"
            )  # an answer may hold other line ends
            if json.loads(first) != self._first:
                return {}
        except (OSError, ValueError):
            return {}
        try:
            return {
                row.id: row for row in unpack({"columns": COLUMNS, "rows": list(_whole(lines))})
            }
        except RagError:
            return {}

    @contextmanager
    def writing(self, rows: Sequence[Row]) -> Iterator[Partial]:
        """Begin the file with these rows; then `add` appends. Raises InputError if it cannot be
        written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("w", encoding="utf-8") as file:
                self._file: IO[str] = file
                self._line(self._first)
                for row in rows:
                    self.add(row)
                yield self
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be written: {error.strerror}", "name another folder with --out"
            ) from error

    def add(self, row: Row) -> None:
        self._line(astuple(row))

    def _line(self, value: object) -> None:
        self._file.write(json.dumps(value, ensure_ascii=False) + "\n")
        self._file.flush()

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def _whole(lines: Sequence[str]) -> Iterator[list[object]]:
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            return

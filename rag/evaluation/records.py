"""One row a question: all that is kept of it, and all that any number of a report is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from rag.errors import InputError

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

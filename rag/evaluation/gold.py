"""Gold questions with accepted answers and evidence, one JSON object per line (see eval/README.md).

    {"id": "lease-1", "question": "When does the lease end?",
     "answers": ["31 May 2027", "May 2027"],
     "evidence": [{"document": "notes/lease.md", "sentence": "The lease ends on 31 May 2027."}]}

Only `question` is required. `plain` is the same question in other words than the documents'. A
question without `answers`, `verdict`, `items` and `evidence` is unanswerable, and `near` may name
the document that nearly answers it. Without `evidence`, every occurrence of an accepted answer
counts. Questions that need more than a few words give a `form`:

    {"question": "May I keep a dog?", "form": "yes_no", "verdict": "yes", "evidence": [...]}
    {"question": "How do I claim expenses?", "form": "steps",
     "items": [["receipts"], ["send the claim", "submit it"]]}
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field

from rag.errors import InputError
from rag.evaluation.set_files import NonBlank, StrictRow, read_rows
from rag.filters import Filter, parse
from rag.types import Citation, Document, Passage, YesNo

GoldForm = Literal[
    "span", "yes_no", "sentences", "steps", "list", "comparison", "overview", "catalogue"
]
FORMS: tuple[str, ...] = get_args(GoldForm)
"""Forms of answers; see "Answer forms" in eval/README.md."""
_HINT = "correct the line; eval/README.md has the format"


class EvidenceRow(StrictRow):
    document: NonBlank = Field(description="its id, as `rag list` prints it")
    sentence: NonBlank = Field(
        description="verbatim, as `rag show DOCUMENT` prints it; a line break counts as a space"
    )


class QuestionRow(StrictRow):
    """A line of a gold file; `QuestionRow.model_json_schema()` is its JSON Schema."""

    id: NonBlank = Field("", description="unique in the file; by default the line's number")
    question: NonBlank
    plain: NonBlank = Field(
        "", description="the same question, as somebody asks it who has not read the documents"
    )
    answers: list[NonBlank] = Field([], description="every accepted wording")
    evidence: list[EvidenceRow] = Field([], description="the sentences that answer")
    form: GoldForm = Field("span", description="form of the answer")
    kind: NonBlank = Field("", description="type of the question (why, typo, …), for breakdowns")
    verdict: YesNo | None = Field(
        None,
        description='correct answer to a yes/no question; "condition" if the documents say yes or '
        "no only under a condition that the question leaves open",
    )
    items: list[list[NonBlank]] = Field([], description="accepted wordings of each list item")
    need: int = Field(
        0, description="items or evidence sentences in a useful answer; by default over half"
    )
    document: NonBlank = Field("", description="the document that the question is about")
    filter: list[NonBlank] = Field([], description="conditions on the documents asked, as --filter")
    unanswerable: bool = False
    reason: Literal["not_said", "needs_all"] = Field(
        "not_said", description="why it cannot be answered"
    )
    near: NonBlank | None = Field(
        None, description="the document that nearly answers an unanswerable question"
    )
    group: NonBlank = Field("", description="group for resampling; by default its first document")

    def problem(self) -> str | None:
        """The first contradiction of the row, None without one."""
        sentences = [" ".join(evidence.sentence.split()) for evidence in self.evidence]
        wordings = [" ".join(answer.split()) for answer in self.answers]
        if self.unanswerable and (wordings or sentences or self.verdict or self.items):
            return "is marked unanswerable but has an answer; remove one of them"
        if self.form == "yes_no" and sentences and not self.verdict:
            return 'has no verdict; give "yes", "no" or "condition"'
        if self.form != "span" or not sentences:
            return None
        if not wordings:
            return "has evidence but no answers; add the accepted answers, or remove the evidence"
        is_verbatim = any(answer in sentence for answer in wordings for sentence in sentences)
        return None if is_verbatim else "has no answer that occurs verbatim in its evidence"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A verbatim sentence of the document with this id. `start` is its offset, or -1 if unknown."""

    document: str
    sentence: str
    start: int = -1

    @property
    def end(self) -> int:
        return self.start + len(self.sentence)

    def in_passage(self, passage: Passage) -> bool:
        """Whether the passage contains all of it; its offset must be known."""
        is_inside = passage.start <= self.start and self.end <= passage.end
        return passage.document_id == self.document and is_inside

    def touches(self, place: Citation | Passage) -> bool:
        """Whether the citation or passage overlaps it; its offset must be known."""
        overlaps = place.start < self.end and self.start < place.end
        return place.document_id == self.document and overlaps


@dataclass(frozen=True, slots=True)
class Question:
    """A gold question. `answers` is empty if it is unanswerable; `relevant` maps relevant documents
    to grades.

    Intervals resample by `group`, by default the document. If the row gives only a verdict, items
    or evidence, `answers` is made from these, so that every metric treats the question as
    answerable. `need` is the number of items (or evidence sentences, if there are no items) in a
    useful answer.
    """

    id: str
    text: str
    answers: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    relevant: Mapping[str, int] = field(default_factory=dict)
    group: str = ""
    form: str = "span"
    kind: str = ""
    verdict: str | None = None
    items: tuple[tuple[str, ...], ...] = ()
    need: int = 0
    filter: Filter = ()
    wordings: tuple[str, ...] = ()
    """The row's own accepted wordings; `answers` may be made of evidence, verdict and items."""
    plain: str = ""
    """The question in other words than the documents'."""


@dataclass(frozen=True, slots=True)
class Gold:
    """Questions. `documents` are their own corpus; if `retrieval_only`, answers are unknown."""

    name: str
    questions: tuple[Question, ...]
    documents: tuple[Document, ...] = ()
    retrieval_only: bool = False


def read_jsonl(path: Path) -> list[Question]:
    """Read a JSON Lines file of questions. Raises InputError that names the line."""
    questions: dict[str, Question] = {}
    for place, row in read_rows(path, QuestionRow, "questions", _HINT).items():
        line_number = place.rpartition(" ")[2]
        question = _question(row, line_number)
        problem = row.problem()
        if not problem and question.id in questions:
            problem = f"the id {question.id!r} was used before"
        if problem:
            raise InputError(f"{place}: {problem}", _HINT)
        questions[question.id] = question
    return list(questions.values())


def _question(row: QuestionRow, number: str) -> Question:
    """The question of a row, with what follows from its fields in place of those left out."""
    name = row.id or number
    evidence = tuple(Evidence(source.document, source.sentence) for source in row.evidence)
    items = tuple(tuple(wordings) for wordings in row.items)

    documents = [source.document for source in evidence]
    documents.append(row.document)
    relevant = {document: 1 for document in documents if document}
    first_document = next(iter(relevant), None)

    parts = items or evidence
    over_half = (len(parts) + 1) // 2
    return Question(
        id=name,
        text=row.question.strip(),
        answers=tuple(row.answers) or _accepted(evidence, row.verdict, items),
        evidence=evidence,
        relevant=relevant,
        group=row.group or first_document or row.near or name,
        form=row.form,
        kind=row.kind,
        verdict=row.verdict,
        items=items,
        need=row.need or over_half,
        filter=parse(row.filter),
        wordings=tuple(row.answers),
        plain=row.plain.strip(),
    )


PLAIN_SUFFIX = "+plain"
"""End of the ids of questions in other words."""


def in_other_words(questions: Iterable[Question]) -> list[Question]:
    """The questions that have a second wording, asked in it. Their ids end with `PLAIN_SUFFIX`."""
    reworded = []
    for question in questions:
        if question.plain:
            name = question.id + PLAIN_SUFFIX
            reworded.append(replace(question, id=name, text=question.plain, plain=""))
    return reworded


def _accepted(
    evidence: Sequence[Evidence], verdict: str | None, items: Sequence[Sequence[str]]
) -> tuple[str, ...]:
    """Substitutes for the answers of a row without any."""
    sentences = [source.sentence for source in evidence]
    answers = []
    if len(sentences) > 1:
        answers.append(" ".join(sentences))
    answers += sentences
    if verdict:
        answers.append(verdict)
    if not sentences:
        answers += [wordings[0] for wordings in items if wordings]
    return tuple(answers)


def sample(questions: Sequence[Question], limit: int | None) -> tuple[Question, ...]:
    """At most `limit` questions: a fixed random sample, in the original order."""
    if limit is None or limit >= len(questions):
        return tuple(questions)
    places = random.Random(0).sample(range(len(questions)), limit)
    return tuple(questions[place] for place in sorted(places))

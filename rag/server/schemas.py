"""Bodies of requests and responses: questions, searches and checks, then documents, then grids.

Offsets count Unicode code points; ends are exclusive.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from rag.types import Value, YesNo

LineText = Annotated[str, Field(max_length=500)]
Text = Annotated[str, Field(max_length=100_000)]
"""A bound also rejects halves of surrogate pairs."""
_FOUND = "Passages to find; by default as many as are read."
TopK = Annotated[int | None, Field(ge=1, le=100, description=_FOUND)]
Id = Annotated[str, Field(max_length=2000)]
ShortText = Annotated[str, Field(max_length=200)]
Milliseconds = Annotated[int | None, Field(ge=1, le=600_000)]
QuestionText = Annotated[str, Field(min_length=1, max_length=100_000)]
Form = Literal[
    "span", "yes_no", "sentences", "steps", "list", "comparison", "overview", "catalogue"
]
MOST_CHECKED = 200_000
"""Characters of a text that is checked."""
_MOST_BYTES_A_CHARACTER = 4
_MOST_FIELDS = 100
_QUESTION = "When was the JCPOA signed?"
_FILTERS = """Conditions that documents must all meet, such as `type=pdf`, `year>=2024`,
`document=notes/a.md`; only one of several `source=`, and one of several `document=`."""


def has_few_fields(value: Any) -> Any:
    """The value of a field. Refuses a hundred thousand entries before each has an error of its own,
    which takes seconds.
    """
    if isinstance(value, dict) and len(value) > _MOST_FIELDS:
        count = {"count": len(value), "most": _MOST_FIELDS}
        raise PydanticCustomError("fields", "it has {count} fields, more than {most}", count)
    return value


class Strict(BaseModel):
    """Base of request bodies: unknown fields and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _has_few_fields(cls, value: Any) -> Any:
        return has_few_fields(value)


class Loose(BaseModel):
    """Base of other applications' requests: clients send many fields that have no meaning here."""

    model_config = ConfigDict(extra="ignore", strict=True)


class Options(Strict):
    top_k: TopK = None
    filters: list[LineText] = Field(
        default=[], max_length=200, description=_FILTERS, examples=[["type=md"]]
    )
    as_typed: bool = Field(default=False, description="Do not correct the question's spelling.")
    deadline_ms: Milliseconds = Field(
        default=None, description="Time limit: what was read by then is used; 503 if nothing was."
    )


class AskOptions(Options):
    form: Form | None = Field(default=None, description="Form of the answer; by default chosen.")


class Turn(Strict):
    """An earlier question and its answer, as returned by `/v1/ask`."""

    question: QuestionText
    answer: Text | None = None
    documents: list[LineText] = Field(default=[], max_length=50, description="Ids of those cited.")


class Ask(AskOptions):
    question: QuestionText = Field(examples=[_QUESTION])
    conversation: list[Turn] = Field(default=[], max_length=50, description="Oldest first.")
    stream: bool = Field(default=False, description="Answer with server-sent events.")
    write: bool = Field(
        default=False,
        description="Also have the language model at RAG_WRITER write the answer from the quoted "
        "sentences; each sentence that it writes is checked.",
    )


class AskBatch(Options):
    questions: list[QuestionText] = Field(min_length=1, max_length=64, examples=[[_QUESTION]])


class Search(Options):
    question: QuestionText = Field(examples=[_QUESTION])


class CheckSource(Strict):
    """The document that [index] cites in the text."""

    index: int = Field(ge=0, le=999, examples=[1])
    document_id: str = Field(min_length=1, max_length=2000, examples=["seeds/jcpoa.md"])


class Check(Strict):
    text: str = Field(
        min_length=1,
        max_length=MOST_CHECKED,
        description="Plain text, Markdown, or a chat answer with [n] marks.",
        examples=["The JCPOA was signed in 2018. [1]\n\n[1] seeds/jcpoa.md"],
    )
    sources: list[CheckSource] = Field(default=[], max_length=200, description="For the [n] marks.")
    filters: list[LineText] = Field(default=[], max_length=20, description="As for `/v1/ask`.")
    quotations_only: bool = Field(default=False, description="Fast: the reader judges no sentence.")
    deadline_ms: Milliseconds = Field(default=None, description="After it, the status is 503.")


class Highlight(BaseModel):
    """The quoted words in the document: `text[start_char_index:end_char_index]` of its text."""

    text: Text = Field(examples=["2015"])
    start_char_index: int = Field(ge=0, examples=[1204])
    end_char_index: int = Field(ge=0, examples=[1208])


class Scores(BaseModel):
    """Higher is better. `score`: the probability that this passage, of those found, has the answer;
    then the cosine, in [-1, 1], and the BM25 score.
    """

    score: float
    dense: float
    lexical: float
    dense_rank: int | None = Field(default=None, description="Rank, from 1, by meaning alone.")
    lexical_rank: int | None = Field(default=None, description="Rank, from 1, by words alone.")


class SpanSchema(BaseModel):
    """`text[start_char_index:end_char_index]` of the document's text."""

    document_id: str = Field(examples=["seeds/jcpoa.md"])
    title: str
    start_char_index: int
    end_char_index: int


class PlaceSchema(SpanSchema):
    """`cited_text` is its text."""

    uri: str = Field(description="Address of a web page or an upload; for a file, its id.")
    page: int | None = Field(default=None, description="From 1, if the document has pages.")
    cited_text: str = Field(examples=["The JCPOA was signed in 2015."])
    document_sha256: str = Field(description="SHA-256 of the document's bytes.")


class CitationSchema(PlaceSchema):
    """The source of an answer; `cited_text` is the sentence."""

    index: int = Field(description="Its number, from 1.")
    date: str = Field(default="", description="The document's day in ISO 8601, if it is known.")
    headings: list[str] = Field(description="From the outermost to the innermost.")
    highlight: Highlight
    start: int = Field(description="Start of the cited part in the answer.")
    end: int = Field(description="End of the cited part in the answer.")
    scores: Scores | None = Field(default=None, description="Of its passage, if that is a hit.")
    copies: list[SpanSchema] = Field(default=[], description="Other places with the same words.")


class HitSchema(SpanSchema):
    headings: list[str]
    text: str
    scores: Scores


class AlternativeSchema(BaseModel):
    text: str
    verdict: YesNo | None = None
    confidence: float
    documents: int = Field(description="Number of documents read that support it.")
    citations: list[CitationSchema]


class PieceSchema(BaseModel):
    """A part of the answer in a document's own words, with its `citation`."""

    text: str
    citation: CitationSchema
    gap: bool = Field(description="Whether words were left out between the piece before and this.")
    heading: bool = Field(description="Whether the piece is a heading.")
    label: str = Field(description='A side of a comparison, a section, a document\'s title, or "".')


class GridCellSchema(BaseModel):
    state: str = Field(description="answered, unsure, absent or unreadable.", examples=["answered"])
    value: str = Field(description="The words, yes or no, or empty.", examples=["£58"])
    probability: float = Field(ge=0, le=1)
    typed: Value | None = Field(default=None, description="What the words mean.")
    citation: dict[str, Any] | None = Field(default=None, description="It quotes them.")


class GridAnswerRowSchema(BaseModel):
    document_id: str
    title: str
    outcome: str = Field(
        description="counted, other (it says something else), unsure, silent, unreadable, or "
        "waiting (not asked before the deadline)."
    )
    cells: list[GridCellSchema] = Field(description="One for each column.")


class GridColumnSchema(BaseModel):
    question: str = Field(examples=["When does the contract end?"])
    type: str = Field(examples=["date"])
    test: dict[str, Any] = Field(description="What a value must be for its document to count.")


class GridAnswerSchema(BaseModel):
    """The small grid behind an answer. Without rows, there are too many documents to ask at once:
    `definition` can be sent to `POST /v1/grids`.
    """

    kind: str = Field(examples=["contracts"])
    operation: str = Field(description="list, count, all, any, sum, most, least or difference.")
    columns: list[GridColumnSchema]
    rows: list[GridAnswerRowSchema]
    counts: dict[str, int] = Field(description="Rows by outcome.")
    definition: dict[str, Any] = Field(description="A grid with the same questions.")


class WrittenSentenceSchema(BaseModel):
    text: str
    cited: list[int] = Field(description="Numbers of `sources`.")
    struck: str = Field(description='Why it was left out of `text`, or "".')


class WriterSourceSchema(HitSchema):
    """A sentence that the text cites as [number]."""

    number: int


class WrittenSchema(BaseModel):
    """What a language model wrote, without the sentences that the documents do not support."""

    text: str | None = Field(description="With its marks, such as [1]; null if none is left.")
    reason: str = Field(description='Why there is no text, or "".')
    sentences: list[WrittenSentenceSchema]
    sources: list[WriterSourceSchema] = Field(description="What the text cites.")


class AnswerSchema(BaseModel):
    """`answer` is null if nothing was found; then `abstention_reason` says why."""

    question: str = Field(examples=[_QUESTION])
    understood: str | None = Field(default=None, description="After spelling correction.")
    answer: str | None = Field(examples=["2015"])
    verdict: YesNo | None = Field(
        default=None,
        description="Of a yes/no question; condition: yes or no only as the quote says.",
    )
    asked: str = Field(default="", description="The follow-up as typed, if completed.")
    note: str = Field(default="", description="Says if a follow-up was asked as typed.")
    confidence: float = Field(ge=0, le=1, description="Probability that the best is right.")
    abstention_reason: str | None = Field(default=None, description="Why there is no answer.")
    form: str = Field(
        default="span",
        description="A form as in a request; talk for a question to rag itself; grid for one that "
        "each document was asked.",
    )
    suggestions: list[str] = Field(default=[], description="Questions to ask, after talk.")
    pieces: list[PieceSchema] = Field(default=[], description="The answer's quotes, in order.")
    more: int = Field(default=0, description="Number of list items that are not shown.")
    citations: list[CitationSchema]
    alternatives: list[AlternativeSchema] = Field(description="Other candidate answers.")
    conflicts: list[AlternativeSchema] = Field(
        default=[], description="Answers that contradict it."
    )
    value: Value | None = Field(default=None, description="A typed value: date, number etc.")
    documents: int = Field(default=0, description="Documents read that support the answer.")
    grid: GridAnswerSchema | None = Field(
        default=None, description="What each document says, of a question over the whole shelf."
    )
    explain: list[str] = Field(default=[], description="Explanation of the answer.")
    nearest: list[HitSchema] = Field(description="The retrieved passages, best first.")
    passages_found: int = Field(description="Number of retrieved passages.")
    passages_read: int = Field(description="Best first; fewer after a deadline.")
    receipt: dict[str, Any] | None = Field(default=None, description="It replays the answer.")
    generation: int = Field(description="Generation of the index.")
    written: WrittenSchema | None = Field(default=None, description="If `write` was sent.")
    timings_ms: dict[str, float] = Field(examples=[{"retrieve": 6.1, "read": 180.2}])


class AnswersSchema(BaseModel):
    answers: list[AnswerSchema] = Field(description="In the order of the questions.")


class HitsSchema(BaseModel):
    question: str
    understood: str | None = Field(default=None, description="After spelling correction.")
    generation: int
    hits: list[HitSchema]


class Claim(BaseModel):
    """A citation as returned with an answer; these fields are used, others are ignored."""

    document_id: str = Field(min_length=1, max_length=2000, examples=["seeds/jcpoa.md"])
    highlight: Highlight
    cited_text: Text = Field(default="", description="The sentence, if known.")
    document_sha256: str = Field(default="", max_length=100, description="Then, if known.")

    @field_validator("highlight")
    @classmethod
    def _spans_its_text(cls, value: Highlight) -> Highlight:
        """Catch offsets that count bytes by mistake, without comparing the whole document."""
        span, characters = value.end_char_index - value.start_char_index, len(value.text)
        if not 0 <= span <= _MOST_BYTES_A_CHARACTER * characters:
            raise PydanticCustomError(
                "span",
                "its text has {characters} characters, but its offsets span {span}",
                {"characters": characters, "span": span},
            )
        return value


class CitationCheckSchema(BaseModel):
    """State of a citation: "ok", "moved" (to other offsets), "changed" or "missing"."""

    status: str = Field(examples=["ok"])
    document_id: str
    text: str
    start_char_index: int | None = Field(description="Current place; null if not found.")
    end_char_index: int | None
    edited: bool = Field(description="Whether the document's bytes have changed.")
    detail: str
    now: str | None = Field(default=None, description="The current sentence, if it has changed.")


class AskOne(AskOptions):
    """A question of its own, not of a conversation."""

    question: QuestionText = Field(examples=[_QUESTION])


class ReplaySchema(BaseModel):
    same: bool = Field(description="Whether the answer is the same.")
    changed: list[str] = Field(description="What differs that affects an answer, in words.")
    answer: AnswerSchema = Field(description="The answer today.")


class ProofCheckSchema(BaseModel):
    """How a proof differs from the index of today."""

    kind: Literal["answer", "certificate", "bundle", "grid"]
    holds: bool = Field(description="Whether all of it is so today; a quote may have moved.")
    checked: int = Field(description="Number of quotes that were looked up.")
    faults: list[str] = Field(description="What in the file is not as it was written.")
    citations: list[CitationCheckSchema] = Field(
        description="Quotes that are not at their places; of an answer all."
    )
    added: list[str] = Field(description="Documents since a certificate.")
    changed: list[str]
    removed: list[str]
    settings: list[str] = Field(description="Models and settings that differ.")
    replay: ReplaySchema | None = None


class EvidenceSchema(PlaceSchema):
    says: str = Field(description="supports, contradicts or near.")
    probability: float = Field(ge=0, le=1)
    differs: list[tuple[str, str]] = Field(
        description="Values of the text and of the document.", examples=[[["2018", "14 July 2015"]]]
    )
    missing: list[str] = Field(description="Values and names of the text that the sentence lacks.")


class CheckedSchema(BaseModel):
    """A sentence of the text, `text[start:end]`; the verdict is supported, contradicted, partly,
    not_in_documents, not_a_claim or not_checkable.
    """

    start: int
    end: int
    text: str
    verdict: str = Field(examples=["contradicted"])
    confidence: float = Field(ge=0, le=1, description="Probability that the verdict is right.")
    reason: str = Field(examples=['says "2018", seeds/jcpoa.md says "14 July 2015"'])
    cited: list[int] = Field(description="The [n] numbers it cites.")
    wrong_citation: bool = Field(description="Supported, but not by the cited passage.")
    evidence: list[EvidenceSchema]


class QuotedPlaceSchema(PlaceSchema):
    heading: str


class QuotationSchema(BaseModel):
    """A quotation of the text, `text[start:end]` without its marks. The verdict is exact, altered,
    stitched, cut, misattributed or not_found.
    """

    start: int
    end: int
    text: str
    verdict: str = Field(examples=["altered"])
    is_fault: bool = Field(
        description="False if exact, joined by an ellipsis, or a phrase of a longer sentence."
    )
    reason: str = Field(examples=['says "60", lease.md says "30"'])
    places: list[QuotedPlaceSchema] = Field(description="Where its words are, or nearly so.")
    differs: list[tuple[str, str]] = Field(description="Its words and the document's, or empty.")
    rest: str = Field(description="How the document's sentence goes on.")
    cited: list[str] = Field(description="Ids of the documents that it cites.")


class ReportSchema(BaseModel):
    sentences: list[CheckedSchema]
    quotations: list[QuotationSchema] = Field(default=[], description="Of four words or more.")
    quotation_counts: dict[str, int] = Field(default={}, description="By verdict; faults.")
    counts: dict[str, int] = Field(description="Sentences by verdict, and wrong citations.")
    generation: int = Field(description="The state of the index.")
    timings_ms: dict[str, float]


class SectionSchema(BaseModel):
    start: int = Field(description="Start of the heading's line.")
    headings: list[str]


class DocumentSchema(BaseModel):
    id: str = Field(examples=["uploads/lease.md"])
    title: str = Field(examples=["The lease"])
    uri: str = Field(examples=["upload:uploads/lease.md"])
    sha256: str
    metadata: dict[str, str]


class DocumentDetailSchema(DocumentSchema):
    characters: int = Field(description="Length of its text in Unicode code points.")
    sections: list[SectionSchema]


class DocumentsSchema(BaseModel):
    documents: list[DocumentSchema]
    total: int
    next: str | None = Field(description="`after` for the next page; null on the last one.")


class Deleted(BaseModel):
    id: str
    deleted: bool
    generation: int = Field(description="First generation of the index without the document.")
    complete: bool = Field(description="Whether it is gone from all of the index.")
    receipt: dict[str, Any] = Field(description="Entries in each part, before and after.")


class TextDocument(Strict):
    """A document as text."""

    name: str = Field(
        min_length=1, max_length=200, description="Its suffix is the format.", examples=["lease.md"]
    )
    text: str = Field(min_length=1, examples=["# The lease\n\nThe lease ends in May 2027."])


class PutDocument(Strict):
    """A document as text, under the id in the path."""

    text: str = Field(min_length=1, examples=["# Ticket 42\n\nThe lease ends in May 2027."])
    title: str | None = Field(
        default=None, min_length=1, max_length=500, description="By default taken from the text."
    )
    metadata: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")], LineText],
        BeforeValidator(has_few_fields),
    ] = Field(default={}, max_length=50, description="For filters, in addition to the text's own.")


class FileSchema(BaseModel):
    """The outcome for one uploaded file."""

    name: str
    outcome: str = Field(description="added, updated, unchanged, rejected, or answered (grid).")
    document_ids: list[str] = Field(default=[])
    detail: str = Field(default="", description="Why, or what was skipped or removed.")


class Job(BaseModel):
    """An upload in progress. Once accepted, it survives a crash of the service."""

    id: str
    state: str = Field(description="queued, running or done.", examples=["done"])
    created: str
    files: list[FileSchema] = Field(description="Files processed so far.")
    total: int = Field(description="Number of files.")


class JobsSchema(BaseModel):
    jobs: list[Job] = Field(description="Newest first.")


class CountSchema(BaseModel):
    name: str
    count: int


class SourceSchema(BaseModel):
    id: str
    title: str
    type: str
    date: str
    pages: int = Field(description="Number of pages; 0 for a format without pages.")


class GridColumnBody(Strict):
    name: str = Field(examples=["End"])
    question: str = Field(examples=["When does the lease end?"])
    type: Literal["text", "date", "amount", "number", "yes_no", "list"] = "text"


class GridBody(Strict):
    """A grid: a row for each document or group of documents, a column for each question."""

    name: str = Field(examples=["leases"])
    columns: list[GridColumnBody] = Field(max_length=100)
    filter: list[LineText] = Field(default=[], max_length=20, examples=[["type=md"]])
    rows: str = Field(default="documents", description="documents, folders, none, or metadata:KEY.")
    all_documents: bool = Field(default=False, description="One more row for the whole index.")
    refresh: Literal["", "on_sync"] = ""


class CellRating(Strict):
    """A person's rating of a cell."""

    row: str = Field(max_length=2000, examples=["uploads/lease.md"])
    column: str = Field(max_length=100, examples=["End"])
    verdict: Literal["confirmed", "corrected", "rejected", "withdrawn"]
    value: str = Field(default="", max_length=10_000, description="The right one, if corrected.")


class GridJobSchema(BaseModel):
    name: str
    job: str = Field(description="See `GET /v1/jobs/{job}`.")


class GridSummarySchema(BaseModel):
    name: str
    rows: int
    columns: int
    changed: int = Field(description="Answers that changed since somebody looked.")
    counts: dict[str, int] = Field(
        description="Cells by state: answered, unsure, absent, unreadable, waiting; rated ones "
        "count only as confirmed, corrected or rejected."
    )


class GridsSchema(BaseModel):
    grids: list[GridSummarySchema]


class GridRowSchema(BaseModel):
    row: str = Field(description="A document's id, a folder, a value, or * for all documents.")
    title: str
    cells: list[dict[str, Any]] = Field(
        description="In the order of the columns: `state`, `value`, `typed`, `probability`, "
        "`quotes` with `document_id`, `sha256`, offsets and `headings`, `rating`, `shown`, the "
        "value that counts, and `addition`, what its typed value says beyond these words."
    )


class GridSchema(GridSummarySchema):
    definition: dict[str, Any]
    finished: str = Field(description='When all cells were first answered, or "".')
    due: int = Field(description="Cells to ask: new ones, or with a changed document or question.")
    job: str = Field(description='The job that asks it now, or "".')
    cells: list[GridRowSchema] = Field(description="The rows from `offset` on.")


class GridChangesSchema(BaseModel):
    changes: list[dict[str, Any]] = Field(
        description="`row`, `column`, `before`, `after`, `document_id`, `reason` and `at`."
    )

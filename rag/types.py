"""The nouns of the service: frozen values that pass between its parts.

Every offset in this package counts Unicode code points, and every end is exclusive.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

INSIDE = "//"
"""Between the path of a file and the name of a part of it; no resolved path has two slashes."""


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a document under one heading; it ends where the next section starts.

    `start` is an offset in the document's text, where the heading's own line begins.
    `heading` is the path of headings from the outermost, joined by " > ", or "".
    """

    start: int
    heading: str


@dataclass(frozen=True, slots=True)
class Document:
    """A text that can be cited.

    `id` is chosen by where the document comes from (folder and path, or URI) and stays when its
    content changes. `source` is the absolute path or URI. `sha256` is the digest of the bytes that
    were loaded, in hex. `pages` are the offsets at which pages start, page n at index n - 1; ()
    where there are none. Of a document that is a part of a file, of an archive or a mailbox,
    `source` is the file's and INSIDE and the part's name, and `stamp` is the digest of the whole
    file.
    """

    id: str
    text: str
    title: str
    source: str
    sha256: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    sections: tuple[Section, ...] = ()
    pages: tuple[int, ...] = ()
    stamp: str = ""

    @property
    def file(self) -> str:
        """The absolute path or URI of the file that the document is, or is a part of."""
        begin = self.source.find("://") + 3 if "://" in self.source else 1
        inside = self.source.find(INSIDE, begin) if self.stamp else -1
        return self.source if inside < 0 else self.source[:inside]

    @property
    def file_sha256(self) -> str:
        return self.stamp or self.sha256

    def page(self, offset: int) -> int | None:
        """The number, from 1, of the page that holds the character at `offset`; None where there
        are no pages.
        """
        return max(1, bisect_right(self.pages, offset)) if self.pages else None


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document: `document.text[start:end] == text`."""

    document_id: str
    start: int
    end: int
    text: str
    title: str
    heading: str

    @property
    def context(self) -> str:
        """Title and heading: what the text is about. Embedded, searched and read with it, but not
        part of it.
        """
        own_title = self.heading == self.title or self.heading.startswith(self.title + " > ")
        parts = [self.heading] if own_title else [self.title, self.heading]
        return " > ".join(part for part in parts if part)

    @property
    def in_context(self) -> str:
        """What is embedded."""
        return f"{self.context}\n{self.text}"


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that retrieval found. Higher is better.

    `score` is the combined score, in [0, 1]; `dense` the cosine, in [-1, 1]; `lexical` the BM25
    score, at least 0. `dense_rank` and `lexical_rank` are the places, from 1, that each leg gave it
    before fusion; None: not among its candidates. `copies` are passages with the same text
    elsewhere, which are not read again.
    """

    passage: Passage
    score: float
    dense: float
    lexical: float
    dense_rank: int | None = None
    lexical_rank: int | None = None
    copies: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """A candidate answer: `hit.passage.text[start:end]`.

    `score` is the reader's log-odds of this span against "no answer here"; it compares across
    passages.
    """

    hit: Hit
    start: int
    end: int
    score: float

    @property
    def text(self) -> str:
        return self.hit.passage.text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Copy:
    """Another place with a citation's words, in a passage of the same text:
    `document.text[start:end]` is the quote.
    """

    document_id: str
    title: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class SentenceScore:
    """How likely one sentence, `hit.passage.text[start:end]`, belongs to the answer.

    `score` is a probability, in [0, 1]; it compares across passages.
    """

    hit: Hit
    start: int
    end: int
    score: float

    @property
    def text(self) -> str:
        return self.hit.passage.text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one passage says to a yes/no question, or to a claim in the question's place.

    Probabilities that add up to 1: of a claim, `yes` means supported, `no` contradicted, `unsaid`
    neither.
    """

    hit: Hit
    yes: float
    no: float
    unsaid: float


@dataclass(frozen=True, slots=True)
class ReaderOutput:
    """What a reader found in a question's passages.

    `spans` are the best first. `sentences` come by passage, in the order given, then by place;
    `verdicts` are one a passage. Both are empty where the reader's model has no such head.
    """

    spans: list[Span]
    sentences: list[SentenceScore] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Citation:
    """Where an answer stands: `document.text[start:end] == quote`, inside the sentence
    `[sentence_start, sentence_end)`.

    `page` is the number, from 1, of the page where the quote starts; None in a document without
    pages. `copies` are the other places of a passage that the index holds more than once.
    """

    document_id: str
    title: str
    heading: str
    source: str
    sha256: str
    start: int
    end: int
    quote: str
    sentence_start: int
    sentence_end: int
    sentence: str
    page: int | None = None
    copies: tuple[Copy, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an answer in a document's own words, `citation.quote`.

    `gap`: words of the document were left out between the piece before and this one. `heading`: the
    words are a heading. `label` names what the piece is about where that is not in its words: a
    side of a comparison, a document's title.
    """

    citation: Citation
    gap: bool = False
    heading: bool = False
    label: str = ""

    @property
    def text(self) -> str:
        return self.citation.quote


@dataclass(frozen=True, slots=True)
class Value:
    """What an answer says, typed; beside its words, never instead of them.

    `kind` is "date", "duration", "number", "quantity", "money", "percentage" or "boolean"; `text`
    the words it was read from. A date has `iso` (ISO 8601, as long as it is known: "2015",
    "2015-07", "2015-07-14") and its `precision` ("day", "month", "year"); a duration `iso` too
    ("P12D"). Numbers have `number`, a range also `upper`, with the `unit` ("kilogram", "USD",
    "percent", "day", or what is counted). `bound` is how exact it is said to be: "", "about", "more
    than", "at least", "less than" or "at most". `yes` answers a polar question. `resolved` says,
    for a relative date, from what it was resolved.
    """

    kind: str
    text: str
    iso: str | None = None
    precision: str | None = None
    number: float | None = None
    upper: float | None = None
    unit: str | None = None
    bound: str = ""
    yes: bool | None = None
    resolved: str | None = None


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another answer that was considered, with the same guarantees as the first.

    `documents` is how many of the read documents say it, independent of each other; `citations`
    names the best of them.
    """

    text: str
    confidence: float
    citations: tuple[Citation, ...]
    documents: int = 0


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an answer was made from, so that it can be made again; every digest is a sha256 in hex.

    `documents` holds the digest of every document that was read; `settings` those that bear on an
    answer; `answer` is the digest of the answer's text and citations. `read` and `filter` are what
    the question was asked with.
    """

    question: str
    read: int
    filter: tuple[str, ...]
    generation: int
    documents: Mapping[str, str]
    embedder: str
    reader: str
    calibration: str
    settings: Mapping[str, str]
    answer: str
    form: str = ""
    """The form that was asked for; "": none was, the classifier chose."""
    preferred: tuple[str, ...] = ()
    """The documents of the answer before, which a follow-up prefers."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the documents say, or why nothing is said.

    `text` is None if and only if the service abstains; then `reason` says why and there are no
    citations. Otherwise there is at least one citation. `confidence` is the estimated probability,
    in [0, 1], that the best candidate is right, also when it was not given. `timings` are seconds
    by stage.

    `documents` is how many of the read documents say it: copies, and those with the very same
    sentence, count once. `conflicts` are answers that contradict it and would have been given
    without it; `parts`, where the question asks for several things, are the others that were found,
    each with its citations.

    `hits` are the passages that were found, best first; `read` is how many of them were read, None:
    all. `understood` is the question as it was searched and read, where its spelling was corrected;
    None: as typed.

    `form` is the shape of the answer (`rag.answering.forms.FORMS`); `pieces` are its quotes in the
    order in which they are shown, and `text` is made of them: only "Yes." or "No.", and of a
    catalogue a count, come besides. `more` counts the items of a list that are not shown.
    """

    question: str
    text: str | None
    confidence: float
    citations: tuple[Citation, ...]
    alternatives: tuple[Alternative, ...]
    hits: tuple[Hit, ...]
    reason: str | None
    timings: Mapping[str, float]
    conflicts: tuple[Alternative, ...] = ()
    value: Value | None = None
    receipt: Receipt | None = None
    documents: int = 0
    parts: tuple[Alternative, ...] = ()
    read: int | None = None
    form: str = "span"
    pieces: tuple[Piece, ...] = ()
    more: int = 0
    understood: str | None = None

    @property
    def hits_read(self) -> tuple[Hit, ...]:
        return self.hits[: self.read]

    @property
    def partial(self) -> bool:
        """Whether passages were found that were not read."""
        return len(self.hits_read) < len(self.hits)

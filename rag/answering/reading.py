"""The reader's output for one question, ready for ranking: spans, the sentences that may answer,
the passages most confident in yes or no, and what the proofs of a verdict say.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rag.answering.spans import Mention, QuestionAnalysis, SpanGroup, grouped, mention
from rag.answering.table_cells import in_asked_columns
from rag.meaning.sentences import Offsets
from rag.meaning.words import OWNERS, SUBJECTS
from rag.protocols import ReaderOutput, SentenceScore, Verdict
from rag.structure import block_at, heading_path, passage_sentence
from rag.types import Document, Hit, Place, Span, YesNo

_LARGEST_EXPONENT = 700.0
"""Larger ones overflow."""


def logit(probability: float, floor: float = 1e-6) -> float:
    """The log-odds, of a probability limited to [floor, 1 - floor]."""
    p = min(max(probability, floor), 1 - floor)
    return math.log(p / (1 - p))


def expit(log_odds: float) -> float:
    """The probability, in [0, 1], with these log-odds: the inverse of `logit`."""
    return 1 / (1 + math.exp(min(-log_odds, _LARGEST_EXPONENT)))


_SENTENCE_RETRIEVAL = 0.4
"""Weight in ranking sentences of the logarithm of their passage's probability."""
REFERS_BACK = re.compile(
    r"(?:(?:because of|despite|after|before|for|in|with|by|from) )?"
    rf"(?:{SUBJECTS}|{OWNERS}|such)\b(?! is why)",
    re.IGNORECASE,
)
"""The beginning of a sentence that is not understood alone."""
_SHORT_LINE = 60
_SAYS = re.compile(r"[.!?:;…]|\d.*[^\W\d_]{2}")
"""In a line that is more than a heading: a stop, or a number with its unit."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a document, `document.text[start:end]`, the best hit that contains it, and its
    score, in [0, 1].
    """

    document_id: str
    start: int
    end: int
    score: float
    hit: Hit

    @property
    def text(self) -> str:
        passage = self.hit.passage
        return passage.text[self.start - passage.start : self.end - passage.start]


def sentences_of(output: ReaderOutput) -> list[Sentence]:
    """Every sentence with a score, once, best first; passages overlap."""
    by_place: dict[tuple[str, int], Sentence] = {}
    for scored in output.sentences:
        passage = scored.hit.passage
        sentence = Sentence(
            passage.document_id,
            passage.start + scored.start,
            passage.start + scored.end,
            scored.score,
            scored.hit,
        )
        previous = by_place.get((sentence.document_id, sentence.start))
        if previous is None or previous.score < sentence.score:
            by_place[sentence.document_id, sentence.start] = sentence
    return sorted(by_place.values(), key=lambda s: (-s.score, s.document_id, s.start))


def without_headings(
    sentences: Sequence[Sentence], documents: Mapping[str, Document]
) -> list[Sentence]:
    """The sentences without headings, rules and other lines that say nothing by themselves. The
    sentence after such a line gets the line's score if that is higher.
    """
    inherited: dict[tuple[str, int], float] = {}
    by_place = sorted(sentences, key=lambda s: (s.document_id, s.start))
    telling: list[Sentence] = []
    carried = 0.0
    for number, sentence in enumerate(by_place):
        if number and by_place[number - 1].document_id != sentence.document_id:
            carried = 0.0
        if is_heading(sentence, documents[sentence.document_id]):
            carried = max(carried, sentence.score)
            continue
        if carried > sentence.score:
            inherited[sentence.document_id, sentence.start] = carried
        carried = 0.0
        telling.append(sentence)
    raised = [replace(s, score=inherited.get((s.document_id, s.start), s.score)) for s in telling]
    return sorted(raised, key=lambda s: (-s.score, s.document_id, s.start))


def is_heading(sentence: Sentence, document: Document) -> bool:
    """Whether the sentence says nothing by itself: a heading, a header row, a question, one word,
    or a few words in a paragraph of their own.
    """
    words = " ".join(document.text[sentence.start : sentence.end].split())
    has_letters = any(letter == "_" or letter.isalnum() for letter in words)
    if not has_letters or words == document.title or words.endswith("?"):
        return True
    index = block_at(document.blocks, sentence.start)
    block = document.blocks[index] if index is not None else None
    if block is not None and block.kind in ("heading", "header"):
        return True
    path = heading_path(document.blocks, sentence.start)
    if (path and words in path[-1]) or _is_one_word(words):
        return True
    is_alone = block is not None and (block.start, block.end) == (sentence.start, sentence.end)
    is_text = block is not None and block.kind in ("paragraph", "caption")
    return is_alone and is_text and len(words) <= _SHORT_LINE and not _SAYS.search(words)


def _is_one_word(sentence: str) -> bool:
    """Whether the sentence is one word, such as "No.", which needs the sentence after it."""
    return sentence[:-1].isalnum() and sentence.endswith((".", "!"))


def ranked(sentences: Sequence[Sentence], hits: Sequence[Hit]) -> list[Sentence]:
    """The sentences, with scores lowered by how far their passage is behind the best one in
    retrieval.
    """
    top_score = max((hit.log_score for hit in hits), default=0.0)
    odds = [logit(s.score) + _SENTENCE_RETRIEVAL * (s.hit.log_score - top_score) for s in sentences]
    pairs = zip(sentences, odds, strict=True)
    return [replace(s, score=expit(sentence_odds)) for s, sentence_odds in pairs]


def sentence_of_span(span: Span) -> Sentence:
    """The sentence of a span, with no score of its own."""
    passage = span.hit.passage
    start, end = passage_sentence(passage, span.start, span.end)
    return Sentence(passage.document_id, passage.start + start, passage.start + end, 0.0, span.hit)


def is_next(text: str, end: int, start: int) -> bool:
    """Whether only space is between two places."""
    return not text[end:start].strip()


FLOOR = 1e-4
"""Probabilities below count as this, so that no feature outweighs all others."""
_PASSAGES = 2


@dataclass(frozen=True, slots=True)
class Decision:
    """Yes or no, the passage's verdict behind it, and its log-odds."""

    says: YesNo
    verdict: Verdict
    odds: float


def decisions(verdicts: Sequence[Verdict]) -> Iterator[Decision]:
    """For yes and for no, the passages most confident in it, the most confident first."""
    for says in FLAT:
        by_odds = sorted(verdicts, key=lambda verdict: -odds(verdict, says))
        for verdict in by_odds[:_PASSAGES]:
            yield Decision(says, verdict, odds(verdict, says))


FLAT: tuple[YesNo, ...] = ("yes", "no")
SAID: tuple[YesNo, ...] = (*FLAT, "condition")


def odds(verdict: Verdict, says: YesNo) -> float:
    """The log-odds of yes, of no, or of "on a condition"."""
    return logit(probability(verdict, says), FLOOR)


def probability(verdict: Verdict, says: YesNo) -> float:
    """The probability of this verdict. A model that knows no conditions gives "condition" 0."""
    by_name = {"yes": verdict.yes, "no": verdict.no, "condition": verdict.depends or 0.0}
    return by_name[says]


LEAST_SAID = 0.5
"""Least probability of all three verdicts together with which one of them is said."""
CONDITION_LEAN = 1.0
"""Log-odds that "on a condition" gains against yes and no. Both are chosen by
`eval/experiments/conditions.py --fit`.
"""


def likeliest_verdict(
    verdict: Verdict, lean: float = CONDITION_LEAN, least: float = LEAST_SAID
) -> YesNo | None:
    """The likeliest of yes, no and "on a condition"; None if the text says none of them."""
    if 1 - verdict.unsaid < least:
        return None
    return max(SAID, key=lambda says: odds(verdict, says) + lean * (says == "condition"))


SPANS, _SENTENCES = 4, 5
"""Groups of spans, and sentences, from which candidates are made."""
FIRST = 3
"""The same of the small reader, which read more passages."""


@dataclass(frozen=True)
class Reading:
    """A question, its hits, best first, the reader's output, and the hits' documents by id.

    `form_odds` has the probability of each form, by the form classifier; {} without one. `proofs`
    are sentences that may be shown beside a verdict, with what the reader says of them alone. It is
    None if the reader does not know "on a condition"; then the verdicts of whole passages count.
    """

    question: str
    hits: Sequence[Hit]
    output: ReaderOutput
    documents: Mapping[str, Document]
    form_odds: Mapping[str, float] = field(default_factory=dict)
    proofs: Mapping[tuple[Place, ...], Verdict] | None = None

    @functools.cached_property
    def analysis(self) -> QuestionAnalysis:
        return QuestionAnalysis.of(self.question)

    @functools.cached_property
    def spans(self) -> list[SpanGroup]:
        """Spans with equal meanings grouped, best group first; only those still in a document."""
        spans = [
            span
            for span in in_asked_columns(self.question, self.output.spans, self.documents.get)
            if self.is_current(span.hit)
        ]
        return grouped([mention(self.analysis, span) for span in spans], span_score)

    @functools.cached_property
    def scored(self) -> list[Sentence]:
        """Every sentence with a score from the sentence head, best first, headings too."""
        return [sentence for sentence in sentences_of(self.output) if self.is_current(sentence.hit)]

    @functools.cached_property
    def sentences(self) -> list[Sentence]:
        """The scored sentences without headings, ranked by their score and their passage's."""
        return ranked(without_headings(self.scored, self.documents), self.hits)

    def scores_of(self, document_id: str) -> dict[int, float]:
        """The ranked scores of a document's sentences, by where they start."""
        return {s.start: s.score for s in self.sentences if s.document_id == document_id}

    @functools.cached_property
    def first(self) -> Reading | None:
        """The reading of the small reader, which chose the passages."""
        output = self.output.first
        return replace(self, output=output, proofs=None) if output else None

    @functools.cached_property
    def anchors(self) -> list[Sentence]:
        """The sentences from which candidates are made: the best by score, and the best spans'."""
        by_place: dict[tuple[str, int], Sentence] = {}
        for sentence in self.sentences[:_SENTENCES]:
            by_place.setdefault((sentence.document_id, sentence.start), sentence)
        spans = [group.best.span for group in self.spans[:SPANS]]
        if self.first:
            for sentence in self.first.sentences[:FIRST]:
                by_place.setdefault((sentence.document_id, sentence.start), sentence)
            spans += [group.best.span for group in self.first.spans[:FIRST]]
        for span in spans:
            sentence = sentence_of_span(span)
            if not is_heading(sentence, self.documents[sentence.document_id]):
                by_place.setdefault((sentence.document_id, sentence.start), sentence)
        return list(by_place.values())

    @functools.cached_property
    def read_hits(self) -> list[Hit]:
        """The hits that the reader said something about, in order of retrieval."""
        parts = (self.output.spans, self.output.sentences, self.output.verdicts)
        places = {
            (span.hit.passage.document_id, span.hit.passage.start) for p in parts for span in p
        }
        return [hit for hit in self.hits if (hit.passage.document_id, hit.passage.start) in places]

    def text(self, document_id: str, offsets: Offsets) -> str:
        """The text of a document between two offsets."""
        return self.documents[document_id].text[slice(*offsets)]

    def without(self, group: SpanGroup) -> Reading:
        """The same reading as if the spans of a group had not been found."""
        dropped = set(group.spans)
        spans = [span for span in self.output.spans if span not in dropped]
        return replace(self, output=replace(self.output, spans=spans))

    def without_document(self, document_id: str) -> Reading:
        """The same reading as if a document had not been found."""

        def is_kept(part: Span | SentenceScore | Verdict) -> bool:
            return part.hit.passage.document_id != document_id

        def kept(output: ReaderOutput) -> ReaderOutput:
            return ReaderOutput(
                spans=list(filter(is_kept, output.spans)),
                sentences=list(filter(is_kept, output.sentences)),
                verdicts=list(filter(is_kept, output.verdicts)),
                first=kept(output.first) if output.first else None,
            )

        proofs = self.proofs
        if proofs is not None:
            proofs = {
                places: verdict
                for places, verdict in proofs.items()
                if places[0].document_id != document_id
            }
        hits = [hit for hit in self.hits if hit.passage.document_id != document_id]
        return replace(self, hits=hits, output=kept(self.output), proofs=proofs)

    def is_current(self, hit: Hit) -> bool:
        return hit.passage.is_in(self.documents.get(hit.passage.document_id))


def span_score(mention: Mention) -> float:
    """The log-odds that rank spans: the reader's, and the logarithm of its passage's probability.
    What else speaks for a span the judge weighs.
    """
    return mention.span.score + mention.span.hit.log_score

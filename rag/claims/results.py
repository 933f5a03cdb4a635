"""The result of a check: the verdicts, and the checked sentences and clauses with evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from rag.errors import InputError
from rag.types import Citation, Json, path_of

ClaimVerdict = Literal[
    "supported", "contradicted", "partly", "not_in_documents", "not_a_claim", "not_checkable"
]
QuotationVerdict = Literal["exact", "altered", "stitched", "cut", "misattributed", "not_found"]
FAILURES = (
    "contradicted",
    "partly",
    "not_in_documents",
    "not_checkable",
    "wrong_citation",
    "quotation",
    *get_args(QuotationVerdict)[1:],
)
"""The values that `--fail-on` accepts. "quotation" is every quotation with a fault; its verdict
selects those with one kind of fault."""


class NoClaimsError(InputError):
    """A text makes no claim and quotes nothing: there is nothing to check."""


@dataclass(frozen=True, slots=True)
class FoundEvidence:
    """A sentence of a document as evidence: `document.text[citation.start:citation.end] ==
    citation.quote`.

    `says` is "supports" or "contradicts", or "near" if neither is likely; `probability`, in
    [0, 1], is that of `says`. `differs` are pairs (the claim's words, the document's words) that
    cannot both be true. `missing` are values and names of the claim that the evidence lacks.
    """

    citation: Citation
    says: str
    probability: float
    differs: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()

    def to_dict(self) -> Json:
        return {
            **self.citation.quote_dict(),
            "says": self.says,
            "probability": self.probability,
            "differs": [list(pair) for pair in self.differs],
            "missing": list(self.missing),
        }


@dataclass(frozen=True, slots=True)
class CheckedPart:
    """A clause with its verdict; `confidence`, in [0, 1], is the probability that it is right.
    `is_conditional`: the documents say so only under a condition.
    """

    text: str
    verdict: ClaimVerdict
    confidence: float
    supported: float
    contradicted: float
    evidence: tuple[FoundEvidence, ...] = ()
    wrong_citation: bool = False
    is_conditional: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """A sentence at `[start, end)` of the text, with its verdict and the reason in words.

    `evidence` is the evidence for its parts, best first. `wrong_citation`: documents support the
    sentence, but those that it cites do not.
    """

    start: int
    end: int
    text: str
    verdict: ClaimVerdict
    confidence: float
    reason: str
    evidence: tuple[FoundEvidence, ...] = ()
    cited: tuple[int, ...] = ()
    wrong_citation: bool = False
    parts: tuple[CheckedPart, ...] = ()

    def to_dict(self) -> Json:
        return {
            "start": self.start,
            "end": self.end,
            "text": self.text,
            "verdict": self.verdict,
            "confidence": self.confidence,
            "reason": self.reason,
            "cited": list(self.cited),
            "wrong_citation": self.wrong_citation,
            "evidence": [found.to_dict() for found in self.evidence],
        }


@dataclass(frozen=True, slots=True)
class CheckedQuotation:
    """A quotation at `[start, end)` of the text, without its marks, with its verdict and the
    reason in words.

    `is_fault`: not what an honest quotation looks like. A stitched quotation is honest if "…"
    joins its parts, a cut one if it is a phrase within the writer's own sentence. `places` are the
    stretches of documents that it has, in its order, or the nearest one if it was not found.
    `differs` are pairs (its words, the document's words), with "" for words that only one has;
    those of an exact quotation are an editor's changes in [brackets]. `rest` is how the document's
    sentence goes on. `cited` are the ids of the documents that it cites.
    """

    start: int
    end: int
    text: str
    verdict: QuotationVerdict
    is_fault: bool
    reason: str
    places: tuple[Citation, ...] = ()
    differs: tuple[tuple[str, str], ...] = ()
    rest: str = ""
    cited: tuple[str, ...] = ()

    def to_dict(self) -> Json:
        return {
            "start": self.start,
            "end": self.end,
            "text": self.text,
            "verdict": self.verdict,
            "is_fault": self.is_fault,
            "reason": self.reason,
            "places": [
                {**place.quote_dict(), "heading": path_of(place.headings)} for place in self.places
            ],
            "differs": [list(pair) for pair in self.differs],
            "rest": self.rest,
            "cited": list(self.cited),
        }


@dataclass(frozen=True, slots=True)
class CheckReport:
    """A text, its checked sentences and its quotations. `generation` is the state of the index;
    `sources` maps numbers of citation marks to document ids. With `only_quotations`, the sentences
    were not judged, and are in no JSON and no count.
    """

    text: str
    sentences: tuple[Checked, ...]
    generation: int
    sources: Mapping[int, str] = field(default_factory=dict)
    quotations: tuple[CheckedQuotation, ...] = ()
    only_quotations: bool = False

    @property
    def judged(self) -> tuple[Checked, ...]:
        """The sentences that were judged."""
        return () if self.only_quotations else self.sentences

    def to_dict(self) -> Json:
        """The report as JSON, the same for every interface."""
        return {
            "sentences": [sentence.to_dict() for sentence in self.judged],
            "quotations": [quotation.to_dict() for quotation in self.quotations],
            "counts": self.counts,
            "quotation_counts": self.quotation_counts,
            "generation": self.generation,
        }

    @property
    def counts(self) -> dict[str, int]:
        """The number of sentences by verdict, and the number of wrong citations."""
        verdicts = Counter(sentence.verdict for sentence in self.judged)
        wrong_citations = sum(sentence.wrong_citation for sentence in self.judged)
        return {name: verdicts[name] for name in get_args(ClaimVerdict)} | {
            "wrong_citation": wrong_citations
        }

    @property
    def quotation_counts(self) -> dict[str, int]:
        """The number of quotations by verdict, and of those with a fault."""
        verdicts = Counter(quotation.verdict for quotation in self.quotations)
        faults = sum(quotation.is_fault for quotation in self.quotations)
        return {name: verdicts[name] for name in get_args(QuotationVerdict)} | {"faults": faults}

    def failures(self, kinds: Sequence[str]) -> list[Checked | CheckedQuotation]:
        """The sentences and faulty quotations with one of these FAILURES."""
        any_fault, any_wrong = "quotation" in kinds, "wrong_citation" in kinds
        return [
            *(q for q in self.quotations if q.is_fault and (any_fault or q.verdict in kinds)),
            *(s for s in self.sentences if s.verdict in kinds or (any_wrong and s.wrong_citation)),
        ]


CheckedFile = tuple[str, CheckReport, list[Checked | CheckedQuotation]]
"""(name of the file, its report, those of its sentences and quotations that fail)"""

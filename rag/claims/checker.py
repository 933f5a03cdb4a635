"""Any text against the documents: what each sentence claims, and whether they say so.

Each claim gets evidence of its own: the passage that it cites first, then what retrieval finds.
Values, names and negations are compared without a model; the reader's verdict head says how the
evidence bears on the claim; a fitted model weighs both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from rag.claims import weighing
from rag.claims.evidence import Stretch, cite, named_document, stretches
from rag.claims.split import ClaimPart, ClaimSentence, split_claims
from rag.claims.value_check import ValueComparison, compare, names
from rag.claims.weighing import Probabilities, Weighing, features
from rag.engine import Engine, Query
from rag.errors import InputError
from rag.filters import Condition
from rag.models.two_readers import TwoReaders
from rag.protocols import Filter
from rag.types import Citation, Document, Hit, ReaderOutput

SUPPORTED, CONTRADICTED, PARTLY = "supported", "contradicted", "partly"
NOT_FOUND, NO_CLAIM, NOT_CHECKABLE = "not_in_documents", "not_a_claim", "not_checkable"
VERDICTS = (SUPPORTED, CONTRADICTED, PARTLY, NOT_FOUND, NO_CLAIM, NOT_CHECKABLE)
WRONG_CITATION = "wrong_citation"
FAILURES = (CONTRADICTED, PARTLY, NOT_FOUND, NOT_CHECKABLE, WRONG_CITATION)
"""What `--fail-on` may name."""
_FOUND = 8
"""Passages that retrieval brings for a claim."""
_READ = 2
"""Stretches of them that the reader reads, beside those of what the claim cites."""
_BATCH = 4
"""Sentences that are searched and read together."""
QUOTED = 0.99
"""The probability that what a sentence of a document says word for word is supported."""
_QUOTED_WORDS = 6
"""Fewer words that open with a pronoun which nothing resolves may be about anything."""
_SHOWN = 3
"""Most evidence of a part."""
_MOST_CHARACTERS = 1_000_000
_SKIPPED = {
    "question": "a question",
    "heading": "a heading",
    "code": "code",
    "table": "a table: its rows are not checked",
    "introduction": "it introduces what follows",
    "address": "it addresses the reader",
    "fragment": "too short to be a claim",
}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FoundEvidence:
    """A sentence of a document that bears on a claim: `document.text[citation.start:citation.end]
    == citation.quote`.

    `says` is "supports" or "contradicts" or, where neither is likely, "near". `differs` are
    pairs (the claim's words, the document's words) that cannot both hold; `missing` values and
    names of the claim that the evidence does not have.
    """

    citation: Citation
    says: str
    probability: float
    differs: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckedPart:
    """A clause with its verdict. `confidence` is the probability, in [0, 1], that the verdict is
    right."""

    text: str
    verdict: str
    confidence: float
    supported: float
    contradicted: float
    evidence: tuple[FoundEvidence, ...] = ()
    wrong_citation: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """A sentence of the text, at `[start, end)` of it, with its verdict, one of VERDICTS, and why
    in words.

    `evidence` is that of its parts, best first. `wrong_citation`: it is supported, but not by
    what it cites.
    """

    start: int
    end: int
    text: str
    verdict: str
    confidence: float
    reason: str
    evidence: tuple[FoundEvidence, ...] = ()
    cited: tuple[int, ...] = ()
    wrong_citation: bool = False
    parts: tuple[CheckedPart, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckReport:
    """A text and its sentences, checked. `generation` is the state of the index; `sources` are
    ids of documents by number."""

    text: str
    sentences: tuple[Checked, ...]
    generation: int
    sources: Mapping[int, str] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """How many sentences have each verdict, and how many a wrong citation."""
        counted = {
            verdict: sum(one.verdict == verdict for one in self.sentences) for verdict in VERDICTS
        }
        return counted | {WRONG_CITATION: sum(one.wrong_citation for one in self.sentences)}

    def failures(self, kinds: Sequence[str]) -> list[Checked]:
        """The sentences that have one of these FAILURES."""
        return [
            one
            for one in self.sentences
            if one.verdict in kinds or (WRONG_CITATION in kinds and one.wrong_citation)
        ]


def _directly(function: Callable[[], T]) -> T:
    return function()


class Checker:
    """Checks texts against an engine's index with its reader."""

    def __init__(self, engine: Engine, models: tuple[Weighing, Weighing] | None = None) -> None:
        self._engine = engine
        self._reader = (
            engine.reader.heads if isinstance(engine.reader, TwoReaders) else engine.reader
        )
        self._models = models or weighing.load()

    def check(
        self,
        text: str,
        filter: Filter | None = None,
        sources: Mapping[int, str] | None = None,
        seen: Callable[[int, int], object] = lambda done, total: None,
        run: Callable[[Callable[[], Any]], Any] = _directly,
    ) -> CheckReport:
        """The text's sentences with their verdicts.

        `sources` names by number the documents (ids) that marks such as [1] cite, beside those
        that the text lists itself. `seen` is called with (sentences checked, all that claim
        something). `run` is given each batch of work: the service runs it in the thread of its
        models. Raises InputError if the text claims nothing or is too long, and as
        `Engine.search` does.
        """
        if len(text) > _MOST_CHARACTERS:
            raise InputError(
                f"text too long: {len(text):,} characters, limit {_MOST_CHARACTERS:,}",
                "check it in parts",
            )
        claims = split_claims(text)
        known = run(lambda: self._sources(claims.sources)) | dict(sources or {})
        todo = [sentence for sentence in claims.sentences if sentence.parts]
        if not todo:
            raise InputError(
                "the text contains no claims",
                "give a text with statements: rag check FILE",
            )
        done: dict[int, Checked] = {}
        for at in range(0, len(todo), _BATCH):
            batch = todo[at : at + _BATCH]
            made = run(partial(self._batch, batch, known, filter))
            done |= {sentence.start: checked for sentence, checked in zip(batch, made, strict=True)}
            seen(min(at + _BATCH, len(todo)), len(todo))
        sentences = tuple(
            done.get(one.start) or _skipped(one)
            for one in claims.sentences
            if one.skipped != "source"
        )
        return CheckReport(text, sentences, self._engine.store.stats().generation, known)

    def _sources(self, listed: Mapping[int, str]) -> dict[int, str]:
        if not listed:
            return {}
        documents = self._engine.store.documents()
        named = {number: named_document(line, documents) for number, line in listed.items()}
        return {number: found for number, found in named.items() if found}

    def _batch(
        self, batch: Sequence[ClaimSentence], sources: Mapping[int, str], filter: Filter | None
    ) -> list[Checked]:
        quoted = self._quotations(batch, sources, filter)
        asked = [
            (part, _known(sentence.cited, sources))
            for sentence in batch
            if sentence.start not in quoted
            for part in sentence.parts
            if not part.unresolved
        ]
        judged = self.judge([(part.text, cited) for part, cited in asked], filter)
        verdicts = {id(part): done for (part, _), done in zip(asked, judged, strict=True)}
        return [
            _sentence(
                one,
                [quoted[one.start]]
                if one.start in quoted
                else [verdicts.get(id(part)) or _unresolved(part) for part in one.parts],
            )
            for one in batch
        ]

    def _quotations(
        self, batch: Sequence[ClaimSentence], sources: Mapping[int, str], filter: Filter | None
    ) -> dict[int, CheckedPart]:
        """The sentences of several clauses, and those that open with a pronoun, that a document
        has as they are, by their place."""
        asked = [one for one in batch if _is_taken_apart(one)]
        claims = [(one.text, _known(one.cited, sources)) for one in asked]
        observed, documents = self.observe(claims, filter, read=False) if asked else ([], {})
        found = {}
        for sentence, (claim, cited), seen in zip(asked, claims, observed, strict=True):
            own = [one for one in seen if one.comparison.quoted and _is_about(sentence, one)]
            if own:
                found[sentence.start] = judge(claim, own, set(cited), documents, self._models)
        return found

    def judge(
        self, claims: Sequence[tuple[str, Sequence[str]]], filter: Filter | None = None
    ) -> list[CheckedPart]:
        """Each (claim, ids of the documents that it cites) with its verdict."""
        if not claims:
            return []
        observed, documents = self.observe(claims, filter)
        return [
            judge(claim, found, set(cited), documents, self._models)
            for (claim, cited), found in zip(claims, observed, strict=True)
        ]

    def judge_against(self, claim: str, hits: Sequence[Hit]) -> CheckedPart:
        """The verdict on a claim from these passages alone."""
        documents = {
            name: document
            for name in {hit.passage.document_id for hit in hits}
            if (document := self._engine.store.document(name))
        }
        held = [hit for hit in hits if _is_in(hit, documents)]
        (observed,) = self.read([(claim, stretches(claim, held, len(held)))])
        return judge(claim, observed, set(), documents, self._models)

    def observe(
        self,
        claims: Sequence[tuple[str, Sequence[str]]],
        filter: Filter | None = None,
        read: bool = True,
    ) -> tuple[list[list[Observation]], dict[str, Document]]:
        """What bears on each (claim, ids of the documents that it cites), and the documents by
        id; without `read`, as far as no model is needed."""
        most = self._engine.settings.max_question
        asked = [Query(claim[:most], _FOUND, filter, form="span") for claim, _ in claims]
        cited = [
            Query(
                claim[:most],
                _READ,
                (*(filter or ()), Condition("document", "=", name)),
                form="span",
            )
            for claim, names in claims
            for name in dict.fromkeys(names)
        ]
        found = self._engine.find_many([*asked, *cited])
        documents = {name: document for one in found for name, document in one.documents.items()}
        beside = iter(found[len(asked) :])
        work = []
        for (claim, named), general in zip(claims, found, strict=False):
            own = [hit for _ in dict.fromkeys(named) for hit in next(beside).hits]
            work.append(
                (
                    claim,
                    _distinct(
                        [*stretches(claim, own, _READ), *stretches(claim, general.hits, _READ)]
                    ),
                )
            )
        if read:
            return self.read(work), documents
        return [
            [Observation(p, closest(c, p), None) for p in parts] for c, parts in work
        ], documents

    def read(self, work: Sequence[tuple[str, Sequence[Stretch]]]) -> list[list[Observation]]:
        """Each claim beside each of its stretches, compared and read; from a quotation on, nothing
        needs to be read."""
        found = [_until_quoted([(p, closest(claim, p)) for p in parts]) for claim, parts in work]
        asked = [
            (claim, [part.hit for part, one in seen if not one.quoted])
            for (claim, _), seen in zip(work, found, strict=True)
        ]
        outputs = self._reader.read_many(asked)
        return [_observations(seen, output) for seen, output in zip(found, outputs, strict=True)]


Compared = list[tuple[Stretch, ValueComparison]]


def _until_quoted(seen: Compared) -> Compared:
    """Up to the first stretch that quotes the claim; those of what it cites come first."""
    at = next((number for number, (_, one) in enumerate(seen) if one.quoted), len(seen))
    return seen[: at + 1]


def _observations(seen: Compared, output: ReaderOutput) -> list[Observation]:
    """Without those that a reader with a verdict head gave no verdict on."""
    said = {_place(one.hit): Probabilities(one.yes, one.no, one.unsaid) for one in output.verdicts}
    made = [Observation(part, one, said.get(_place(part.hit))) for part, one in seen]
    return [one for one in made if one.said or one.comparison.quoted or not said]


def _known(cited: Sequence[int], sources: Mapping[int, str]) -> list[str]:
    return [sources[number] for number in cited if number in sources]


def _is_taken_apart(sentence: ClaimSentence) -> bool:
    """Whether its parts are not its words as they are."""
    return len(sentence.parts) > 1 or any(
        part.unresolved or part.text.rstrip(".") not in sentence.text for part in sentence.parts
    )


def _is_about(sentence: ClaimSentence, seen: Observation) -> bool:
    """Whether a quotation that opens with a pronoun may mean what the sentence means by it."""
    opening = sentence.parts[0]
    if opening.unresolved:
        return len(sentence.text.split()) >= _QUOTED_WORDS
    told = names(opening.text)[:1] if not sentence.text.startswith(opening.text[:3]) else []
    around = f"{seen.stretch.hit.passage.context} {seen.stretch.text}"
    return all(name.split()[-1] in around for name in told)


def _is_in(hit: Hit, documents: Mapping[str, Document]) -> bool:
    """Whether the document still has the passage where it was found."""
    document = documents.get(hit.passage.document_id)
    passage = hit.passage
    return document is not None and document.text[passage.start : passage.end] == passage.text


def _place(hit: Hit) -> tuple[str, int]:
    return hit.passage.document_id, hit.passage.start


@dataclass(frozen=True, slots=True)
class Observation:
    """A stretch beside a claim: what differs, and what the reader says; None if it has no
    verdict head."""

    stretch: Stretch
    comparison: ValueComparison
    said: Probabilities | None

    @property
    def features(self) -> dict[str, float]:
        """What the models weigh."""
        return features(self.comparison, self.said)

    @property
    def at_odds(self) -> bool:
        """Whether anything in it speaks against the claim: words that differ, a denial, the
        reader's no."""
        said_no = self.said is not None and self.said.no > self.said.unsaid
        return said_no or bool(self.comparison.differs) or self.comparison.denied


@dataclass(frozen=True, slots=True)
class Weighed:
    """An observation with the probabilities that it supports or contradicts the claim, [0, 1]."""

    seen: Observation
    supported: float
    contradicted: float


def weigh(seen: Observation, model: Weighing) -> Weighed:
    """The observation with its probabilities; a quotation is support without a model, and what
    nothing in it speaks against is not contradicted."""
    if seen.comparison.quoted:
        return Weighed(seen, QUOTED, 0.0)
    found = seen.features
    return Weighed(seen, model.supported(found), model.contradicted(found) if seen.at_odds else 0.0)


def closest(claim: str, part: Stretch) -> ValueComparison:
    """The claim beside the best sentence if that leaves nothing out, otherwise beside the whole
    stretch."""
    context = part.hit.passage.context
    one = compare(claim, part.text[part.best[0] : part.best[1]], context)
    if not one.missing and not one.unnamed:
        return one
    whole = compare(claim, part.text, context)
    return (
        whole
        if len(whole.missing) + len(whole.unnamed) < len(one.missing) + len(one.unnamed)
        else one
    )


def _distinct(parts: Sequence[Stretch]) -> list[Stretch]:
    kept: dict[tuple[str, int], Stretch] = {}
    for one in parts:
        kept.setdefault(_place(one.hit), one)
    return list(kept.values())


def judge(
    claim: str,
    observed: Sequence[Observation],
    cited: Set[str],
    documents: Mapping[str, Document],
    models: tuple[Weighing, Weighing],
) -> CheckedPart:
    """The verdict on a claim from all its stretches; `cited` are the ids of the documents that
    it cites."""
    if not observed:
        return CheckedPart(claim, NOT_FOUND, 1.0, 0.0, 0.0)
    model = models[0 if any(one.said for one in observed) else 1]
    weighed = [weigh(one, model) for one in observed]
    best = max(weighed, key=lambda one: one.supported)
    worst = max(weighed, key=lambda one: one.contradicted)
    supported, contradicted = best.supported, worst.contradicted
    says_so = [one for one in weighed if one.supported >= model.support_from]
    denies = [
        one for one in weighed if one.contradicted >= model.contradict_from and one not in says_so
    ]
    if says_so and not _outdone(best, denies):
        verdict, confidence = (PARTLY if best.seen.comparison.missing else SUPPORTED), supported
    elif denies:
        verdict, confidence = CONTRADICTED, contradicted
    else:
        verdict, confidence = NOT_FOUND, 1 - max(supported, contradicted)
    shown = [(one, "supports") for one in _surest(says_so, True)] + [
        (one, "contradicts") for one in _surest(denies, False)
    ]
    if verdict == CONTRADICTED:
        shown.reverse()
    evidence = [_evidence(one, says, documents) for one, says in shown or [(best, "near")]]
    wrong = (
        verdict in (SUPPORTED, PARTLY)
        and bool(cited)
        and not any(_of(one) in cited for one in says_so)
    )
    return CheckedPart(
        claim, verdict, confidence, supported, contradicted, tuple(evidence[:_SHOWN]), wrong
    )


def _outdone(best: Weighed, denies: Sequence[Weighed]) -> bool:
    """Whether something contradicts the claim more surely than `best` supports it, and is at least
    as near to it in words."""
    return any(
        one.contradicted > best.supported
        and one.seen.comparison.likeness >= best.seen.comparison.likeness
        for one in denies
    )


def _surest(found: Sequence[Weighed], support: bool) -> list[Weighed]:
    return sorted(found, key=lambda one: -(one.supported if support else one.contradicted))


def _of(one: Weighed) -> str:
    return one.seen.stretch.hit.passage.document_id


def _evidence(one: Weighed, says: str, documents: Mapping[str, Document]) -> FoundEvidence:
    compared = one.seen.comparison
    probability = one.contradicted if says == "contradicts" else one.supported
    citation = cite(one.seen.stretch, documents[_of(one)])
    return FoundEvidence(
        citation, says, probability, compared.differs, (*compared.missing, *compared.unnamed)
    )


def _unresolved(part: ClaimPart) -> CheckedPart:
    return CheckedPart(part.text, NOT_CHECKABLE, 1.0, 0.0, 0.0)


def _skipped(sentence: ClaimSentence) -> Checked:
    verdict = NOT_CHECKABLE if sentence.skipped == "table" else NO_CLAIM
    return Checked(
        sentence.start,
        sentence.end,
        sentence.text,
        verdict,
        1.0,
        _SKIPPED[sentence.skipped],
        cited=sentence.cited,
    )


def _sentence(sentence: ClaimSentence, parts: Sequence[CheckedPart]) -> Checked:
    """The sentence from its parts: contradicted if one is, partly if only some are supported."""
    verdicts = {part.verdict for part in parts}
    if CONTRADICTED in verdicts:
        verdict = CONTRADICTED
    elif len(verdicts) > 1 and verdicts & {SUPPORTED, PARTLY}:
        verdict = PARTLY
    else:
        verdict = next(
            name for name in (PARTLY, NOT_FOUND, NOT_CHECKABLE, SUPPORTED) if name in verdicts
        )
    bearing = [part for part in parts if part.verdict == verdict] or parts
    confidence = min(part.confidence for part in bearing)
    evidence = [
        one for part in [*bearing, *(p for p in parts if p not in bearing)] for one in part.evidence
    ]
    wrong = any(part.wrong_citation for part in parts)
    return Checked(
        sentence.start,
        sentence.end,
        sentence.text,
        verdict,
        confidence,
        _reason(verdict, parts, wrong, sentence),
        tuple(dict.fromkeys(evidence)),
        sentence.cited,
        wrong,
        tuple(parts),
    )


def _reason(
    verdict: str, parts: Sequence[CheckedPart], wrong: bool, sentence: ClaimSentence
) -> str:
    """Why the verdict is what it is, in one line."""
    elsewhere = next(
        (
            one.citation.document_id
            for part in parts
            for one in part.evidence
            if one.says == "supports"
        ),
        "",
    )
    if wrong:
        marks = "".join(f"[{number}]" for number in sentence.cited)
        return f"{elsewhere} says so, {marks} does not"
    if verdict == CONTRADICTED:
        against = next(
            one
            for part in parts
            if part.verdict == verdict
            for one in part.evidence
            if one.says == "contradicts"
        )
        if against.differs:
            mine, theirs = against.differs[0]
            return f'says "{mine}", {against.citation.document_id} says "{theirs}"'
        return f"{against.citation.document_id} says otherwise"
    if verdict == PARTLY:
        return _missing(parts)
    if verdict == NOT_CHECKABLE:
        pronoun = next(part.unresolved for part in sentence.parts if part.unresolved)
        return f'it is not clear what "{pronoun}" means'
    return f"{elsewhere} says so" if verdict == SUPPORTED else "no document says so"


def _missing(parts: Sequence[CheckedPart]) -> str:
    unsaid = [part.text for part in parts if part.verdict not in (SUPPORTED, PARTLY)]
    if unsaid:
        return f'no document says "{unsaid[0]}"'
    value = next(
        (value for part in parts if part.verdict == PARTLY for value in part.evidence[0].missing),
        "",
    )
    return f'the evidence does not have "{value}"'

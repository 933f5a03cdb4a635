"""Checks any text against the documents: which of its claims do they support or contradict?

Quotations are compared with the documents word for word; a sentence that is only a quotation is
not judged as a claim too. Each claim has its own evidence: first the documents that it cites, then
what retrieval finds. Values, names and negations are compared without a model, the reader's verdict
head judges the claim against the evidence, and a fitted scorer weighs both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

from rag.answering.searcher import Query
from rag.claims import scorer, verdict
from rag.claims.comparison import ClaimComparison
from rag.claims.evidence import Excerpt, excerpts, named_document
from rag.claims.quotation_audit import audit_quotations
from rag.claims.quotations import Quotation, find_quotations, own_words
from rag.claims.results import Checked, CheckedPart, CheckReport
from rag.claims.scorer import Probabilities, Scorer
from rag.claims.split import FEWEST_WORDS, ClaimSentence, split_claims
from rag.claims.verdict import ClaimEvidence, closest, judge
from rag.engine import Engine
from rag.errors import InputError
from rag.filters import Condition
from rag.meaning.names import names
from rag.models.cascade import Cascade
from rag.protocols import Filter, ReaderOutput
from rag.types import Document, Hit

_HITS = 8
"""Passages that retrieval returns for a claim."""
_READ = 2
"""Excerpts of them that the reader reads, besides those of the cited documents."""
_BATCH = 8
_BATCH_CHARACTERS = 1600
"""Sentences searched and read together, and their characters."""
_MOST_CITED = 20
"""Documents that a sentence cites and that are searched for it."""
_QUOTED_WORDS = 6
"""A shorter sentence that opens with an unresolved pronoun may be about anything."""
_MOST_CHARACTERS = 1_000_000
Compared = list[tuple[Excerpt, ClaimComparison]]
CitingClaim = tuple[str, Sequence[str]]
"""(claim, ids of the documents that it cites)"""
Proceed = Callable[[], object]
T = TypeVar("T")
_SplitText = tuple[list[ClaimSentence], Sequence[Quotation], dict[int, str]]
"""Sentences, quotations, and by number the documents that the text lists as sources."""


def _proceed() -> None:
    """No deadline: the check goes on."""


def _directly(function: Callable[[], T]) -> T:
    return function()


class _Scope(NamedTuple):
    """What a check may use: the documents by the numbers of citation marks, and those that `filter`
    admits. `proceed` is called often, and raises to end the check.
    """

    sources: Mapping[int, str] = {}
    filter: Filter | None = None
    proceed: Proceed = _proceed


class Checker:
    """Checks texts against an engine's index with its reader."""

    def __init__(self, engine: Engine, scorers: tuple[Scorer, Scorer] | None = None) -> None:
        self._engine = engine
        self._reader = engine.reader.reader if isinstance(engine.reader, Cascade) else engine.reader
        self._scorers = scorers or scorer.load()

    def check(
        self,
        text: str,
        filter: Filter | None = None,
        sources: Mapping[int, str] | None = None,
        on_progress: Callable[[int, int], object] = lambda done, total: None,
        run: Callable[[Callable[[], Any]], Any] = _directly,
        proceed: Proceed = _proceed,
    ) -> CheckReport:
        """The sentences and quotations of the text with their verdicts.

        `sources` maps the numbers of citation marks such as [1] to document ids, in addition to
        the sources that the text lists itself. `on_progress` is called with (sentences checked,
        sentences with a claim). `run` executes each batch of work: the service runs it in the
        thread of its models. `proceed` is called before each sentence and each passage compared
        with it; it raises to end the check.

        Raises InputError if the text makes no claim and quotes nothing, or is longer than 1,000,000
        characters, and the errors of `Engine.search`.
        """
        if len(text) > _MOST_CHARACTERS:
            raise InputError(
                f"text too long: {len(text):,} characters, limit {_MOST_CHARACTERS:,}",
                "check it in parts",
            )
        sentences, quotations, numbered = run(partial(self._split, text))
        numbered |= dict(sources or {})
        pending = [sentence for sentence in sentences if sentence.parts]
        if not pending and not quotations:
            raise InputError(
                "the text contains no claims",
                "give a text with statements or quotations: rag check FILE",
            )
        audited = audit_quotations(
            self._engine.store, text, quotations, numbered, filter, run, proceed
        )
        scope = _Scope(numbered, filter, proceed)
        checked: dict[int, Checked] = {}
        for batch in _batches(pending) if pending else ():
            judged = run(partial(self._batch, batch, scope))
            checked |= {one.start: result for one, result in zip(batch, judged, strict=True)}
            on_progress(len(checked), len(pending))
        results = tuple(
            checked.get(sentence.start) or verdict.skipped(sentence)
            for sentence in sentences
            if sentence.skipped != "source"
        )
        generation = self._engine.store.stats().generation
        return CheckReport(text, results, generation, numbered, tuple(audited))

    def _split(self, text: str) -> _SplitText:
        claims = split_claims(text)
        quotations = find_quotations(text, claims.sentences)
        sentences = [_unless_quoted(text, one, quotations) for one in claims.sentences]
        return sentences, quotations, self._sources(claims.sources)

    def _sources(self, listed: Mapping[int, str]) -> dict[int, str]:
        if not listed:
            return {}
        documents = self._engine.store.documents()
        ids = {number: named_document(line, documents) for number, line in listed.items()}
        return {number: name for number, name in ids.items() if name}

    def _batch(self, batch: Sequence[ClaimSentence], scope: _Scope) -> list[Checked]:
        quoted = self._quotations(batch, scope)
        pending = [
            (part, _documents(sentence, scope.sources))
            for sentence in batch
            if sentence.start not in quoted
            for part in sentence.parts
            if not part.unresolved
        ]
        judged = self._judge([(part.text, cited) for part, cited in pending], scope)
        by_part = {id(part): result for (part, _), result in zip(pending, judged, strict=True)}
        return [
            verdict.from_parts(
                sentence,
                [quoted[sentence.start]]
                if sentence.start in quoted
                else [by_part.get(id(part)) or verdict.unresolved(part) for part in sentence.parts],
            )
            for sentence in batch
        ]

    def _quotations(self, batch: Sequence[ClaimSentence], scope: _Scope) -> dict[int, CheckedPart]:
        """Verdicts, by start, on the rewritten sentences that a document has word for word."""
        rewritten = [sentence for sentence in batch if _is_rewritten(sentence)]
        claims = [(sentence.text, _documents(sentence, scope.sources)) for sentence in rewritten]
        if not claims:
            return {}
        work, documents = self._evidence(claims, scope)
        quotations = {}
        for sentence, (claim, cited), (_, found) in zip(rewritten, claims, work, strict=True):
            pairs = _compared(claim, found, scope.proceed)
            compared = [ClaimEvidence(*pair, None) for pair in pairs]
            own = [one for one in compared if one.comparison.quoted and _is_about(sentence, one)]
            if own:
                quotations[sentence.start] = self._judged(claim, own, cited, documents)
        return quotations

    def _judge(self, claims: Sequence[CitingClaim], scope: _Scope) -> list[CheckedPart]:
        """The claims with their verdicts, in order."""
        if not claims:
            return []
        work, documents = self._evidence(claims, scope)
        read = self.read(work, scope.proceed)
        return [
            self._judged(claim, candidates, cited, documents)
            for (claim, cited), candidates in zip(claims, read, strict=True)
        ]

    def judge_against(self, claim: str, hits: Sequence[Hit]) -> CheckedPart:
        """The verdict on a claim from these passages alone."""
        documents = {
            name: document
            for name in {hit.passage.document_id for hit in hits}
            if (document := self._engine.store.document(name))
        }
        present = [hit for hit in hits if hit.passage.is_in(documents.get(hit.passage.document_id))]
        (candidates,) = self.read([(claim, excerpts(claim, present, len(present)))])
        return self._judged(claim, candidates, (), documents)

    def _judged(
        self,
        claim: str,
        candidates: Sequence[ClaimEvidence],
        cited: Sequence[str],
        documents: Mapping[str, Document],
    ) -> CheckedPart:
        return judge(claim, candidates, set(cited), documents, self._scorers)

    def observe(self, claims: Sequence[CitingClaim]) -> list[list[ClaimEvidence]]:
        """The candidates for each claim, compared and read."""
        return self.read(self._evidence(claims, _Scope())[0])

    def _evidence(
        self, claims: Sequence[CitingClaim], scope: _Scope
    ) -> tuple[list[tuple[str, list[Excerpt]]], dict[str, Document]]:
        """(claim, its excerpts, those of cited documents first) for each claim, and the documents
        by id."""
        general = [self._query(claim, _HITS, scope.filter) for claim, _ in claims]
        cited = [
            self._query(claim, _READ, (*(scope.filter or ()), Condition("document", "=", name)))
            for claim, ids in claims
            for name in dict.fromkeys(ids)
        ]
        scope.proceed()
        results = self._engine.find_many([*general, *cited])
        documents = {name: document for one in results for name, document in one.documents.items()}
        from_cited = iter(results[len(general) :])
        work = []
        for (claim, ids), result in zip(claims, results, strict=False):
            scope.proceed()
            own = [hit for _ in dict.fromkeys(ids) for hit in next(from_cited).hits]
            found = [*excerpts(claim, own, _READ), *excerpts(claim, result.hits, _READ)]
            distinct = {excerpt.place: excerpt for excerpt in reversed(found)}
            work.append((claim, [one for one in found if distinct[one.place] is one]))
        return work, documents

    def _query(self, claim: str, k: int, filter: Filter | None) -> Query:
        return Query(claim[: self._engine.settings.max_question], k, filter, form="span")

    def read(
        self, work: Sequence[tuple[str, Sequence[Excerpt]]], proceed: Proceed = _proceed
    ) -> list[list[ClaimEvidence]]:
        """Each claim compared and read with its excerpts, up to the first that quotes it."""
        compared = [_until_quoted(_compared(claim, found, proceed)) for claim, found in work]
        questions = [
            (claim, [excerpt.hit for excerpt, comparison in pairs if not comparison.quoted])
            for (claim, _), pairs in zip(work, compared, strict=True)
        ]
        outputs = self._reader.read_many(questions)
        return [_candidates(*parts) for parts in zip(compared, outputs, strict=True)]


def _batches(sentences: Sequence[ClaimSentence]) -> Iterator[list[ClaimSentence]]:
    """The sentences in batches of about equal work."""
    batch: list[ClaimSentence] = []
    for sentence in sentences:
        characters = sum(len(one.text) for one in (*batch, sentence))
        if batch and (len(batch) == _BATCH or characters > _BATCH_CHARACTERS):
            yield batch
            batch = []
        batch.append(sentence)
    yield batch


def _compared(claim: str, found: Sequence[Excerpt], proceed: Proceed) -> Compared:
    compared = []
    for excerpt in found:
        proceed()
        compared.append((excerpt, closest(claim, excerpt)))
    return compared


def _until_quoted(pairs: Compared) -> Compared:
    """The excerpts up to the first that quotes the claim; cited documents come first."""
    at = next((number for number, (_, one) in enumerate(pairs) if one.quoted), len(pairs))
    return pairs[: at + 1]


def _candidates(pairs: Compared, output: ReaderOutput) -> list[ClaimEvidence]:
    """The candidates, without those for which a reader with a verdict head has no verdict."""
    verdicts = {
        (one.hit.passage.document_id, one.hit.passage.start): Probabilities(
            one.yes, one.no, one.unsaid
        )
        for one in output.verdicts
    }
    candidates = [ClaimEvidence(*pair, verdicts.get(pair[0].place)) for pair in pairs]
    return [one for one in candidates if one.verdict or one.comparison.quoted or not verdicts]


def _documents(sentence: ClaimSentence, sources: Mapping[int, str]) -> list[str]:
    """The ids of the documents that a sentence cites."""
    ids = [sources[number] for number in sentence.cited if number in sources]
    return ids[:_MOST_CITED]


def _unless_quoted(
    text: str, sentence: ClaimSentence, quotations: Sequence[Quotation]
) -> ClaimSentence:
    """The sentence; without parts if it is a quotation and too few words for a claim."""
    if not sentence.parts or own_words(text, sentence, quotations) >= FEWEST_WORDS:
        return sentence
    is_quoted = own_words(text, sentence, ()) >= FEWEST_WORDS
    return replace(sentence, parts=(), skipped="quotation") if is_quoted else sentence


def _is_rewritten(sentence: ClaimSentence) -> bool:
    """Whether its parts differ from its words: several clauses, or a pronoun."""
    return len(sentence.parts) > 1 or any(
        part.unresolved or part.text.rstrip(".") not in sentence.text for part in sentence.parts
    )


def _is_about(sentence: ClaimSentence, candidate: ClaimEvidence) -> bool:
    """Whether the pronoun that opens a quotation may have the antecedent that it has in the
    sentence."""
    opening = sentence.parts[0]
    if opening.unresolved:
        return len(sentence.text.split()) >= _QUOTED_WORDS
    antecedent = names(opening.text)[:1] if not sentence.text.startswith(opening.text[:3]) else []
    around = f"{candidate.excerpt.hit.passage.context} {candidate.excerpt.text}"
    return all(name.split()[-1] in around for name in antecedent)

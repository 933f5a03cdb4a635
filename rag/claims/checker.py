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
from typing import NamedTuple

from rag.answering.reading import Sentence
from rag.claims import scorer, verdict
from rag.claims.evidence import closest_sentences, place_of
from rag.claims.quotation_check import SplitText, audit, require_claims, split_text
from rag.claims.quotations import Quotation, own_words
from rag.claims.results import Checked, CheckedPart, CheckReport
from rag.claims.scorer import Scorer
from rag.claims.split import FEWEST_WORDS, ClaimSentence
from rag.claims.verdict import ClaimEvidence, closest_comparison, judge
from rag.engine import Engine
from rag.filters import Condition
from rag.meaning.names import names
from rag.models.cascade import Cascade
from rag.protocols import Filter, Proceed, ReaderOutput, RunWork
from rag.query import Query
from rag.types import Document, Hit

_HITS = 8
"""Passages that retrieval returns for a claim."""
_READ = 2
"""Excerpts of them that the reader reads, besides those of the cited documents."""
_BATCH = 8
"""Sentences that are searched and read together."""
_BATCH_CHARACTERS = 1600
"""Characters of these sentences."""
_MOST_CITED = 20
"""Documents that a sentence cites and that are searched for it."""
_QUOTED_WORDS = 6
"""A shorter sentence that opens with an unresolved pronoun may be about anything."""
CitingClaim = tuple[str, Sequence[str]]
"""(claim, ids of the documents that it cites)"""


class _CheckScope(NamedTuple):
    """What a check may use: numbered sources, documents that `filter` admits, `proceed`."""

    sources: Mapping[int, str] = {}
    filter: Filter | None = None
    proceed: Proceed = lambda: None


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
        on_progress: Callable[[int, int], object] = lambda finished, total: None,
        run: RunWork = lambda job: job(),
        proceed: Proceed = lambda: None,
    ) -> CheckReport:
        """The sentences and quotations of the text with their verdicts.

        `sources` maps the numbers of citation marks such as [1] to document ids, in addition to
        the sources that the text lists itself. `on_progress` is called with (sentences checked,
        sentences with a claim). `run` executes each batch of work: the service runs it in the
        thread of its models. `proceed` is called before each sentence and each passage compared
        with it; it raises to end the check.

        Raises NoClaimsError if the text makes no claim and quotes nothing, InputError if it is
        longer than 1,000,000 characters, and the errors of `Engine.search`.
        """
        store = self._engine.store
        parts: SplitText = run(partial(split_text, store, text))
        sentences = [_unless_quoted(text, item, parts.quotations) for item in parts.sentences]
        numbered = {**parts.sources, **(sources or {})}
        pending = [sentence for sentence in sentences if sentence.parts]
        require_claims(parts.sentences, parts.quotations)
        quotations = audit(store, text, parts, filter, numbered, run, proceed)

        scope = _CheckScope(numbered, filter, proceed)
        checked: dict[int, Checked] = {}
        for batch in _batches(pending):
            checked |= run(partial(self._batch, batch, scope))
            on_progress(len(checked), len(pending))

        judged = []
        for sentence in sentences:
            if sentence.skipped == "source":
                continue
            item = checked.get(sentence.start) or verdict.skipped(sentence)
            judged.append(verdict.with_quotations(item, quotations))
        return CheckReport(
            text=text,
            sentences=tuple(judged),
            generation=store.stats().generation,
            sources=numbered,
            quotations=quotations,
        )

    def _batch(self, batch: Sequence[ClaimSentence], scope: _CheckScope) -> dict[int, Checked]:
        """The sentences with their verdicts, by start."""
        checked = self._quotations(batch, scope)
        pending = [sentence for sentence in batch if sentence.start not in checked]
        claims: list[CitingClaim] = []
        for sentence in pending:
            cited = _documents(sentence, scope.sources)
            claims += [(part.text, cited) for part in sentence.parts if not part.unresolved]

        evidence, documents = self._evidence(claims, scope)
        candidates = self.read(evidence, scope.proceed)
        judged = []
        for (claim, cited_ids), of_claim in zip(claims, candidates, strict=True):
            judged.append(judge(claim, of_claim, cited_ids, documents, self._scorers))

        remaining = iter(judged)
        for sentence in pending:
            checked_parts = []
            for part in sentence.parts:
                checked_parts.append(
                    verdict.unresolved(part) if part.unresolved else next(remaining)
                )
            checked[sentence.start] = checked_parts

        return {item.start: verdict.from_parts(item, checked[item.start]) for item in batch}

    def _quotations(
        self, batch: Sequence[ClaimSentence], scope: _CheckScope
    ) -> dict[int, list[CheckedPart]]:
        """Verdicts, by start, on the rewritten sentences that a document has word for word."""
        rewritten = [sentence for sentence in batch if _is_rewritten(sentence)]
        claims = [(sentence.text, _documents(sentence, scope.sources)) for sentence in rewritten]
        evidence, documents = self._evidence(claims, scope)
        quotations = {}
        for sentence, (_, cited), (claim, sentences) in zip(
            rewritten, claims, evidence, strict=True
        ):
            quoting = []
            for candidate in _compared(claim, sentences, scope.proceed):
                if candidate.comparison.quoted and _is_about(sentence, candidate):
                    quoting.append(candidate)
            if quoting:
                part = judge(claim, quoting, cited, documents, self._scorers)
                quotations[sentence.start] = [part]
        return quotations

    def judge_against(self, claim: str, hits: Sequence[Hit]) -> CheckedPart:
        """The verdict on a claim from these passages alone."""
        documents: dict[str, Document] = {}
        for document_id in {hit.passage.document_id for hit in hits}:
            document = self._engine.store.document(document_id)
            if document:
                documents[document_id] = document

        present_hits = []
        for hit in hits:
            if hit.passage.is_in(documents.get(hit.passage.document_id)):
                present_hits.append(hit)
        sentences = closest_sentences(claim, present_hits, len(present_hits))
        (candidates,) = self.read([(claim, sentences)])
        return judge(claim, candidates, (), documents, self._scorers)

    def observe(self, claims: Sequence[CitingClaim]) -> list[list[ClaimEvidence]]:
        """The candidates for each claim, compared and read."""
        return self.read(self._evidence(claims, _CheckScope())[0])

    def _evidence(
        self, claims: Sequence[CitingClaim], scope: _CheckScope
    ) -> tuple[list[tuple[str, list[Sentence]]], dict[str, Document]]:
        """(claim, the closest sentences, those of cited documents first) for each claim, and the
        documents by id.
        """
        if not claims:
            return [], {}

        queries = [self._query(claim, _HITS, scope.filter) for claim, _ in claims]
        for claim, ids in claims:
            for document_id in dict.fromkeys(ids):
                in_document = Condition("document", "=", document_id)
                queries.append(self._query(claim, _READ, (*(scope.filter or ()), in_document)))
        scope.proceed()
        results = self._engine.retriever.find_many(queries)

        documents: dict[str, Document] = {}
        for result in results:
            documents |= result.documents

        results_in_cited = iter(results[len(claims) :])
        evidence = []
        for (claim, ids), result in zip(claims, results, strict=False):
            scope.proceed()
            cited_hits: list[Hit] = []
            for _ in dict.fromkeys(ids):
                cited_hits += next(results_in_cited).hits
            sentences = closest_sentences(claim, cited_hits, _READ)
            sentences += closest_sentences(claim, result.hits, _READ)
            evidence.append((claim, _one_per_passage(sentences)))
        return evidence, documents

    def _query(self, claim: str, k: int, filter: Filter | None) -> Query:
        return Query(claim[: self._engine.settings.max_question], k, filter)

    def read(
        self, evidence: Sequence[tuple[str, Sequence[Sentence]]], proceed: Proceed = lambda: None
    ) -> list[list[ClaimEvidence]]:
        """Each claim compared with its sentences and read with their passages, up to the first that
        quotes it.
        """
        compared = []
        questions = []
        for claim, sentences in evidence:
            candidates = _until_quoted(_compared(claim, sentences, proceed))
            hits = [item.sentence.hit for item in candidates if not item.comparison.quoted]
            compared.append(candidates)
            questions.append((claim, hits))

        outputs = self._reader.read_many(questions)
        judged = []
        for candidates, output in zip(compared, outputs, strict=True):
            judged.append(_with_verdicts(candidates, output))
        return judged


def _one_per_passage(sentences: Sequence[Sentence]) -> list[Sentence]:
    """The first sentence of each passage."""
    by_passage: dict[tuple[str, int], Sentence] = {}
    for sentence in sentences:
        by_passage.setdefault(place_of(sentence.hit.passage), sentence)
    return list(by_passage.values())


def _batches(sentences: Sequence[ClaimSentence]) -> Iterator[list[ClaimSentence]]:
    """The sentences in batches of about equal work."""
    batch: list[ClaimSentence] = []
    for sentence in sentences:
        characters = sum(len(item.text) for item in (*batch, sentence))
        if batch and (len(batch) == _BATCH or characters > _BATCH_CHARACTERS):
            yield batch
            batch = []
        batch.append(sentence)
    if batch:
        yield batch


def _compared(
    claim: str, sentences: Sequence[Sentence], proceed: Proceed
) -> Iterator[ClaimEvidence]:
    """Each sentence compared with the claim."""
    for sentence in sentences:
        proceed()
        yield ClaimEvidence(sentence, closest_comparison(claim, sentence), None)


def _until_quoted(candidates: Iterator[ClaimEvidence]) -> list[ClaimEvidence]:
    """The candidates up to the first that quotes the claim; cited documents come first."""
    chosen = []
    for candidate in candidates:
        chosen.append(candidate)
        if candidate.comparison.quoted:
            break
    return chosen


def _with_verdicts(candidates: list[ClaimEvidence], output: ReaderOutput) -> list[ClaimEvidence]:
    """The candidates, without those for which a reader with a verdict head has no verdict."""
    verdicts = {place_of(given.hit.passage): given for given in output.verdicts}
    judged = []
    for candidate in candidates:
        own_verdict = verdicts.get(place_of(candidate.sentence.hit.passage))
        if own_verdict or candidate.comparison.quoted or not verdicts:
            judged.append(replace(candidate, verdict=own_verdict))
    return judged


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
    if not is_quoted:
        return sentence
    return replace(sentence, parts=(), skipped="quotation")


def _is_rewritten(sentence: ClaimSentence) -> bool:
    """Whether its parts differ from its words: several clauses, or a pronoun."""
    if len(sentence.parts) > 1:
        return True
    for part in sentence.parts:
        if part.unresolved or part.text.rstrip(".") not in sentence.text:
            return True
    return False


def _is_about(sentence: ClaimSentence, candidate: ClaimEvidence) -> bool:
    """Whether the pronoun that opens a quotation may mean the same as in the sentence."""
    opening = sentence.parts[0]
    if opening.unresolved:
        return len(sentence.text.split()) >= _QUOTED_WORDS
    has_own_opening = sentence.text.startswith(opening.text[:3])
    if has_own_opening:
        return True

    antecedent = names(opening.text)[:1]
    passage = candidate.sentence.hit.passage
    passage_text = f"{passage.context} {passage.text}"
    return all(name.split()[-1] in passage_text for name in antecedent)

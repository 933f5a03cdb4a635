"""Checks any text against the documents: which of its claims do they support or contradict?

Each claim has its own evidence: first the documents that it cites, then what retrieval finds.
Values, names and negations are compared without a model, the reader's verdict head judges the
claim against the evidence, and a fitted model weighs both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from rag.answering.searcher import Query
from rag.claims import sentence_verdict, verdict_model
from rag.claims.aggregation import Observation, closest, judge
from rag.claims.comparison import ValueComparison
from rag.claims.evidence import Stretch, named_document, stretches
from rag.claims.results import Checked, CheckedPart, CheckReport
from rag.claims.split import ClaimSentence, split_claims
from rag.claims.verdict_model import Probabilities, VerdictModel
from rag.engine import Engine
from rag.errors import InputError
from rag.filters import Condition
from rag.meaning.names import names
from rag.models.cascade import Cascade
from rag.protocols import Filter, ReaderOutput
from rag.types import Document, Hit

_FOUND = 8
"""Passages that retrieval returns for a claim."""
_READ = 2
"""Stretches of them that the reader reads, besides those of the cited documents."""
_BATCH = 8
_BATCH_CHARACTERS = 1600
"""Sentences searched and read together, and their characters."""
_MOST_CITED = 20
"""Documents that a sentence cites and that are searched for it."""
_QUOTED_WORDS = 6
"""A shorter sentence that opens with an unresolved pronoun may be about anything."""
_MOST_CHARACTERS = 1_000_000
Compared = list[tuple[Stretch, ValueComparison]]
CitingClaim = tuple[str, Sequence[str]]
"""(claim, ids of the documents that it cites)"""
Proceed = Callable[[], object]
T = TypeVar("T")


def _proceed() -> None:
    """No deadline: the check goes on."""


def _directly(function: Callable[[], T]) -> T:
    return function()


class Checker:
    """Checks texts against an engine's index with its reader."""

    def __init__(
        self, engine: Engine, models: tuple[VerdictModel, VerdictModel] | None = None
    ) -> None:
        self._engine = engine
        self._reader = engine.reader.reader if isinstance(engine.reader, Cascade) else engine.reader
        self._models = models or verdict_model.load()

    def check(
        self,
        text: str,
        filter: Filter | None = None,
        sources: Mapping[int, str] | None = None,
        on_progress: Callable[[int, int], object] = lambda done, total: None,
        run: Callable[[Callable[[], Any]], Any] = _directly,
        proceed: Proceed = _proceed,
    ) -> CheckReport:
        """The sentences of the text with their verdicts.

        `sources` maps the numbers of citation marks such as [1] to document ids, in addition to
        the sources that the text lists itself. `on_progress` is called with (sentences checked,
        sentences with a claim). `run` executes each batch of work: the service runs it in the
        thread of its models. `proceed` is called before each sentence and each passage compared
        with it; it raises to end the check.

        Raises InputError if the text makes no claim or is longer than 1,000,000 characters, and
        the errors of `Engine.search`.
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
        for batch in _batches(todo):
            checked = run(partial(self._batch, batch, known, filter, proceed))
            done |= {one.start: result for one, result in zip(batch, checked, strict=True)}
            on_progress(len(done), len(todo))
        sentences = tuple(
            done.get(one.start) or sentence_verdict.skipped(one)
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
        self,
        batch: Sequence[ClaimSentence],
        sources: Mapping[int, str],
        filter: Filter | None,
        proceed: Proceed,
    ) -> list[Checked]:
        quoted = self._quotations(batch, sources, filter, proceed)
        asked = [
            (part, _known(sentence.cited, sources))
            for sentence in batch
            if sentence.start not in quoted
            for part in sentence.parts
            if not part.unresolved
        ]
        judged = self.judge([(part.text, cited) for part, cited in asked], filter, proceed)
        verdicts = {id(part): done for (part, _), done in zip(asked, judged, strict=True)}
        return [
            sentence_verdict.from_parts(
                one,
                [quoted[one.start]]
                if one.start in quoted
                else [
                    verdicts.get(id(part)) or sentence_verdict.unresolved(part)
                    for part in one.parts
                ],
            )
            for one in batch
        ]

    def _quotations(
        self,
        batch: Sequence[ClaimSentence],
        sources: Mapping[int, str],
        filter: Filter | None,
        proceed: Proceed,
    ) -> dict[int, CheckedPart]:
        """Verdicts, by start, on the rewritten sentences that a document has word for word."""
        asked = [one for one in batch if _is_rewritten(one)]
        claims = [(one.text, _known(one.cited, sources)) for one in asked]
        observed, documents = (
            self.observe(claims, filter, read=False, proceed=proceed) if asked else ([], {})
        )
        found = {}
        for sentence, (claim, cited), seen in zip(asked, claims, observed, strict=True):
            own = [one for one in seen if one.comparison.quoted and _is_about(sentence, one)]
            if own:
                found[sentence.start] = judge(claim, own, set(cited), documents, self._models)
        return found

    def judge(
        self,
        claims: Sequence[CitingClaim],
        filter: Filter | None = None,
        proceed: Proceed = _proceed,
    ) -> list[CheckedPart]:
        """The claims with their verdicts, in order."""
        if not claims:
            return []
        observed, documents = self.observe(claims, filter, proceed=proceed)
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
        held = [hit for hit in hits if hit.passage.is_in(documents.get(hit.passage.document_id))]
        (observed,) = self.read([(claim, stretches(claim, held, len(held)))])
        return judge(claim, observed, set(), documents, self._models)

    def observe(
        self,
        claims: Sequence[CitingClaim],
        filter: Filter | None = None,
        read: bool = True,
        proceed: Proceed = _proceed,
    ) -> tuple[list[list[Observation]], dict[str, Document]]:
        """The observations for each claim, and their documents by id; without `read`, no model
        runs and `said` is None."""
        general = [self._query(claim, _FOUND, filter) for claim, _ in claims]
        cited = [
            self._query(claim, _READ, (*(filter or ()), Condition("document", "=", name)))
            for claim, names in claims
            for name in dict.fromkeys(names)
        ]
        proceed()
        found = self._engine.find_many([*general, *cited])
        documents = {name: document for one in found for name, document in one.documents.items()}
        from_cited = iter(found[len(general) :])
        work = []
        for (claim, named), others in zip(claims, found, strict=False):
            proceed()
            own = [hit for _ in dict.fromkeys(named) for hit in next(from_cited).hits]
            parts = [*stretches(claim, own, _READ), *stretches(claim, others.hits, _READ)]
            work.append((claim, _distinct(parts)))
        if read:
            return self.read(work, proceed), documents
        return [
            [Observation(part, seen, None) for part, seen in _compared(claim, parts, proceed)]
            for claim, parts in work
        ], documents

    def _query(self, claim: str, k: int, filter: Filter | None) -> Query:
        return Query(claim[: self._engine.settings.max_question], k, filter, form="span")

    def read(
        self, work: Sequence[tuple[str, Sequence[Stretch]]], proceed: Proceed = _proceed
    ) -> list[list[Observation]]:
        """Each claim compared and read with its stretches, up to the first that quotes it."""
        found = [_until_quoted(_compared(claim, parts, proceed)) for claim, parts in work]
        asked = [
            (claim, [part.hit for part, one in seen if not one.quoted])
            for (claim, _), seen in zip(work, found, strict=True)
        ]
        outputs = self._reader.read_many(asked)
        return [_observations(seen, output) for seen, output in zip(found, outputs, strict=True)]


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


def _compared(claim: str, parts: Sequence[Stretch], proceed: Proceed) -> Compared:
    compared = []
    for part in parts:
        proceed()
        compared.append((part, closest(claim, part)))
    return compared


def _until_quoted(seen: Compared) -> Compared:
    """The stretches up to the first that quotes the claim; cited documents come first."""
    at = next((number for number, (_, one) in enumerate(seen) if one.quoted), len(seen))
    return seen[: at + 1]


def _observations(seen: Compared, output: ReaderOutput) -> list[Observation]:
    """The observations, without those for which a reader with a verdict head has no verdict."""
    said = {_place(one.hit): Probabilities(one.yes, one.no, one.unsaid) for one in output.verdicts}
    made = [Observation(part, one, said.get(_place(part.hit))) for part, one in seen]
    return [one for one in made if one.said or one.comparison.quoted or not said]


def _known(cited: Sequence[int], sources: Mapping[int, str]) -> list[str]:
    return [sources[number] for number in cited if number in sources][:_MOST_CITED]


def _is_rewritten(sentence: ClaimSentence) -> bool:
    """Whether its parts differ from its words: several clauses, or a pronoun."""
    return len(sentence.parts) > 1 or any(
        part.unresolved or part.text.rstrip(".") not in sentence.text for part in sentence.parts
    )


def _is_about(sentence: ClaimSentence, seen: Observation) -> bool:
    """Whether the pronoun that opens a quotation may have the antecedent that it has in the
    sentence."""
    opening = sentence.parts[0]
    if opening.unresolved:
        return len(sentence.text.split()) >= _QUOTED_WORDS
    antecedent = names(opening.text)[:1] if not sentence.text.startswith(opening.text[:3]) else []
    around = f"{seen.stretch.hit.passage.context} {seen.stretch.text}"
    return all(name.split()[-1] in around for name in antecedent)


def _place(hit: Hit) -> tuple[str, int]:
    return hit.passage.document_id, hit.passage.start


def _distinct(parts: Sequence[Stretch]) -> list[Stretch]:
    """The first stretch of each place."""
    kept: dict[tuple[str, int], Stretch] = {}
    for one in parts:
        kept.setdefault(_place(one.hit), one)
    return list(kept.values())

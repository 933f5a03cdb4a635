"""The value of each part of an answer, or of a verdict on a claim: what changes without it.

python -m eval.experiments.ablations --cache DIR [--out FILE] [--part judge|rules] SET...
python -m eval.experiments.ablations --part claims --rows FILE [--out FILE]

Three parts. `judge`: the judge is fitted again without a generator's candidates, or without a group
of features, to all sets but one, and asked about that one; of the collections only the half for
fitting is used. `rules`: each rule that decides before or beside the judge is switched off, and
the questions for reporting are asked again, with the judge as it is; passages of which there is no
kept reading are read. Without `--part` both. `claims`: each rule that decides beside the scorer of
claims, or makes its features, is switched off, with the scorer as it is, on the claims for
reporting whose readings `fit_claims --rows FILE` has kept. Writes eval/results/ablations.json.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from tqdm import tqdm

from eval.experiments import fit_claims, fit_judge
from eval.experiments.fit_judge import Example, in_half, judgement_counts
from eval.experiments.kept import SETS
from eval.scripts import OUT, PATH, READER, ROOT, finished, script
from rag import engine as engines
from rag import retrieval
from rag.answering import (
    catalogue,
    completing,
    compose,
    overview,
    proposals,
    reading,
    table_cells,
    table_figures,
    table_records,
    table_rows,
)
from rag.answering.features import FEATURES, GENERATED
from rag.claims import differences, evidence, scorer, verdict
from rag.claims.differences import ClaimComparison
from rag.claims.verdict import ClaimEvidence
from rag.engine import Engine, Found
from rag.evaluation.gold import Question
from rag.evaluation.set_files import json_lines
from rag.evaluation.usefulness import serves, visible_part
from rag.meaning import compare as meanings
from rag.meaning import figures
from rag.meaning import names as proper_names
from rag.meaning.periods import Periods
from rag.query import Query
from rag.retrieval import RetrievalResult, Retriever
from rag.types import Answer, Passage

_NETWORKS = 2
"""Fewer than the shipped judge has, to save time."""
FEATURE_GROUPS = {
    "form classifier": ("asks_",),
    "length": ("words", "places", "more"),
    "sentence head": ("sentence_", "lead"),
    "spans": ("span_", "fresh", "agreement", "rivals"),
    "verdict head": ("yes", "no", "unsaid", "verdict", "depends"),
    "retrieval": ("fused", "dense", "lexical", "rank", "is_read", "retrieval"),
    "words of the question": ("coverage", "names", "question_words", "heading"),
    "found in other documents": ("repeated",),
    "second opinion of the small reader": ("first_",),
    "refers back": ("refers_back",),
}
"""Beginnings of the names of features, by group."""


@dataclass(frozen=True)
class Rule:
    """A rule, and how it is switched off: `owner.attribute` becomes `replacement`. `stage` says
    from where on a question is asked again: "retrieval", "proposals" of whole documents, or
    "answer".
    """

    name: str
    owner: object
    attribute: str
    replacement: object
    stage: str = "answer"

    @contextmanager
    def switched_off(self) -> Iterator[None]:
        shipped = getattr(self.owner, self.attribute)
        setattr(self.owner, self.attribute, self.replacement)
        try:
            yield
        finally:
            setattr(self.owner, self.attribute, shipped)


def _no(*_: object, **__: object) -> bool:
    return False


def _yes(*_: object, **__: object) -> bool:
    return True


def _nothing(*_: object, **__: object) -> None:
    return None


def _empty(*_: object, **__: object) -> list[Any]:
    return []


def _the_first(argument: Any, *_: object) -> Any:
    """The first argument as it is: for rules that choose among or reorder it."""
    return argument


RULES = (
    Rule("talk is answered without documents", engines, "_TALK", 2.0),
    Rule("overviews are proposed", overview, "overview", _nothing, "proposals"),
    Rule("catalogues are proposed", catalogue, "catalogue", _nothing, "proposals"),
    Rule("both only from a probability of the form", engines, "_PROPOSED", 0.0, "proposals"),
    Rule(
        "the shelf is asked cell by cell",
        Engine,
        "_with_plan",
        lambda _, __, proposed: proposed,
        "proposals",
    ),
    Rule(
        "figures of tables",
        Engine,
        "_with_figures",
        lambda _, __, proposed: proposed,
        "proposals",
    ),
    Rule("cells of exported tables", table_records, "record_candidates", _empty, "proposals"),
    Rule(
        "cells: no column of another period",
        table_records,
        "_is_of_other_period",
        _no,
        "proposals",
    ),
    Rule("cells: two names are compared", table_rows, "_are_several", _no, "proposals"),
    Rule(
        "cells: words of yes/no questions",
        table_records,
        "polarity",
        lambda _, odds: odds.get("yes_no", 0.0),
        "proposals",
    ),
    Rule(
        "cells: flags and counts say yes or no", table_records, "verdict_of", _nothing, "proposals"
    ),
    Rule("a table's verdict for its row", compose, "_is_of_row", _no),
    Rule(
        "figures: a line's least probability", table_figures, "_LEAST_PROBABILITY", 0.0, "proposals"
    ),
    Rule(
        "figures: an operand's least probability",
        table_figures,
        "_LEAST_OF_OPERAND",
        0.0,
        "proposals",
    ),
    Rule(
        "figures: a group's least probability", table_figures, "_LEAST_OF_GROUP", 0.0, "proposals"
    ),
    Rule("figures: foreign names refuse", table_figures, "is_foreign", _no, "proposals"),
    Rule(
        "figures: titles with the names first",
        table_figures,
        "names_of",
        lambda *_: set(),
        "proposals",
    ),
    Rule("numbers and codes that are asked", compose, "_with_codes", _the_first),
    Rule("questions are taken apart", engines, "_parts", lambda _: ((), ())),
    Rule("conflicts", compose, "_conflicts", lambda *_: []),
    Rule("conflicts: the newest document wins", compose, "_newest", _the_first),
    Rule("passages rank sentences", reading, "_SENTENCE_RETRIEVAL", 0.0),
    Rule("headings are no sentences", reading, "is_heading", _no),
    Rule("cells of the asked period", reading, "in_asked_columns", lambda _, spans, __: spans),
    Rule("cells move to the column", table_cells, "_best_fact", lambda _, fact, __: fact),
    Rule("the document's quarter", table_cells, "document_quarter", lambda *_: Periods()),
    Rule("a sentence before leads if needed", proposals, "_may_lead", _yes),
    Rule(
        "a paragraph begins where it answers",
        proposals,
        "_from_leading_sentence",
        lambda *arguments: arguments[2],
    ),
    Rule("lead-ins of lists", proposals, "lead_in", _nothing),
    Rule("a run's gap of one sentence", completing, "_left_out", _nothing),
    Rule("most items bring the others", completing, "_MOST_OF_LIST", 2.0),
    Rule("no verdict beside another one nearly as likely", compose, "_DOUBTED", 2.0),
    Rule(
        "no unsure verdict where the sentence may say the opposite",
        compose,
        "_SURE_PROBABILITY",
        0.0,
    ),
    Rule("runs: sentences near the best score", proposals, "_RUNS", ((0.0, 4), (0.0, 6))),
    Rule(
        "rows with the question's words",
        proposals,
        "_matching_rows",
        lambda *arguments: arguments[2],
    ),
    Rule(
        "whole words, brackets and units", proposals, "extend_to_whole", lambda _, *offsets: offsets
    ),
    Rule("the small reader's spans and sentences", reading, "FIRST", 0),
    Rule(
        "documents that are named",
        retrieval.Retriever,
        "named",
        lambda *_: retrieval.NamedDocuments(),
        stage="retrieval",
    ),
    Rule(
        "copies are one passage",
        retrieval,
        "fold",
        lambda order, _: [[row] for row in order],
        stage="retrieval",
    ),
)


_NO_MATCH = re.compile(r"(?!)")
"""Matches nothing."""
CLAIM_RULES = (
    Rule("a quotation supports without the scorer", differences, "is_quoted", _no),
    Rule("quotations: articles and adverbs do not count", differences, "_FILLERS", frozenset()),
    Rule('quotations: not beside words such as "alleged"', differences, "_MODIFIERS", frozenset()),
    Rule("headings are no sentences", evidence, "_is_heading", _no),
    Rule("only a difference contradicts", ClaimComparison, "is_opposed", property(_yes)),
    Rule("a likelier contradiction as similar outdoes support", verdict, "_is_outdone", _no),
    Rule("a claim with a missing value is partly supported", verdict, "_lacks_value", _no),
    Rule(
        "a claim that holds on a condition is partly supported",
        ClaimEvidence,
        "is_conditional",
        property(_no),
    ),
    Rule("what holds on a condition is evidence too", scorer, "likeliest_verdict", _nothing),
    Rule("the whole passage, if it lacks fewer values", verdict, "_missing_count", lambda _: 0),
    Rule("title, headings and file name count as said", verdict, "names_of", lambda _: ""),
    Rule("numbers of clauses are no values", differences, "_unnumbered", _the_first),
    Rule("other names in the same place differ", differences, "swapped_names", lambda *_: []),
    Rule("only where half of the words are the same", differences, "_SWAPPED_FROM", 0.0),
    Rule("a pronoun may mean the first name", differences, "PRONOUNS", frozenset()),
    Rule("values that differ", differences, "contradicting", lambda *_: ()),
    Rule("denials", differences, "is_denied", _no),
    Rule("denials: the closest clause", meanings, "_CLAUSE", _NO_MATCH),
    Rule('denials: "no more than" denies nothing', meanings, "_NO_DENIAL", _NO_MATCH),
    Rule("names: other names of a country", proper_names, "_has_country", _no),
    Rule("names: inflections", proper_names, "_has_inflection", _no),
    Rule("names: initials", proper_names, "_has_initials", _no),
    Rule("names: acronyms written out", proper_names, "_has_written_out", _no),
    Rule("names: a word that opens a sentence may be none", proper_names, "_is_common", _no),
    Rule("values: durations and shares in everyday words", figures, "_SPOKEN", _NO_MATCH),
    Rule("values: how often something happens", figures, "_FREQUENCY", _NO_MATCH),
    Rule("values: numbers of sections are names", figures, "_NAMED_NUMBER", _NO_MATCH),
)
"""Rules of `rag check` beside the scorer; `stage` is not used."""


# Parts of the judge


def without_generator(examples: Sequence[Example], name: str) -> list[Example]:
    """The examples without a generator's candidates; those that have no other are left out."""
    remaining: list[Example] = []
    for example in examples:
        places = [n for n, generator in enumerate(example.generators) if generator != name]
        if not places:
            continue
        remaining.append(
            replace(
                example,
                forms=tuple(example.forms[place] for place in places),
                generators=tuple(example.generators[place] for place in places),
                judgements=tuple(example.judgements[place] for place in places),
                rows=example.rows[places],
                serves=example.serves[places],
            )
        )
    return remaining


def without_features(examples: Sequence[Example], beginnings: Sequence[str]) -> list[Example]:
    """The examples with a group of features set to 0."""
    is_kept = np.array([not name.startswith(tuple(beginnings)) for name in FEATURES])
    return [replace(example, rows=np.where(is_kept, example.rows, 0)) for example in examples]


def of_judge(cache: Path, reader: str, names: Sequence[str]) -> dict[str, Any]:
    """Counts without each generator and each group of features, on sets left out in turn."""
    fit_judge.NETWORKS = _NETWORKS
    examples = fit_judge.collect(cache, reader, names)
    variants = {"nothing": examples}
    for name in GENERATED:
        variants[f"generator {name}"] = without_generator(examples, name)
    for name, beginnings in FEATURE_GROUPS.items():
        variants[f"features: {name}"] = without_features(examples, beginnings)

    threshold = fit_judge.threshold_of(fit_judge.left_out(examples, names)[0])
    counts = {
        name: fit_judge.counts(fit_judge.left_out(variant, names)[0], threshold)
        for name, variant in tqdm(variants.items(), disable=None)
    }
    return {"threshold": threshold, "without": counts}


# Rules


Judged = tuple[str, str]
"""The words of an answer, "" if it is refused, and whether they serve."""


@dataclass(frozen=True)
class Case:
    """A question of a set, what was found for it, and the answer with all rules."""

    engine: Engine
    question: Question
    query: Query
    search_result: Found
    judged: Judged


def cases(engine: Engine, questions: Sequence[Question]) -> Iterator[Case]:
    for question in questions:
        query = Query(question.text)
        (search_result,) = engine.find_many([query])
        (answer,) = engine.answer_many([query], [search_result], {})
        yield Case(engine, question, query, search_result, _judged(question, answer))


def _judged(question: Question, answer: Answer) -> Judged:
    return answer.text or "", serves(question, visible_part(answer))


def without_rule(case: Case, rule: Rule) -> Judged:
    """The answer if a rule is switched off."""
    engine = case.engine
    with rule.switched_off():
        if rule.stage == "answer":
            search_result = case.search_result
        elif rule.stage == "proposals":
            (search_result,) = engine.find_many([case.query])
        else:
            retrieved = _retrieved_anew(engine, case.query)
            if _passages(retrieved) == _passages(case.search_result.retrieved):
                return case.judged
            search_result = replace(case.search_result, retrieved=retrieved)
        (answer,) = engine.answer_many([case.query], [search_result], {})
    return _judged(case.question, answer)


def _retrieved_anew(engine: Engine, query: Query) -> RetrievalResult:
    """What is retrieved now, not what is kept."""
    retriever = engine.retriever
    retriever_without_cache = Retriever(
        retriever.settings, retriever.store, retriever.embedder, retriever.speller
    )
    (result,) = retriever_without_cache.find_many([query])
    return result


def _passages(result: RetrievalResult) -> list[tuple[Passage, ...]]:
    return [(hit.passage, *hit.copies) for hit in result.hits]


def of_rules(cache: Path, reader: str, names: Sequence[str], limit: int | None) -> dict[str, Any]:
    """Counts without each rule, and which answers change, on the questions for reporting."""
    with_all: list[tuple[bool, str]] = []
    rows_without: dict[str, list[tuple[bool, str]]] = {rule.name: [] for rule in RULES}
    changes: dict[str, Counter[str]] = {rule.name: Counter() for rule in RULES}
    for name in tqdm(names, disable=None):
        engine, questions = in_half(name, cache, reader, reporting=True)
        with closing(engine.store):
            for case in cases(engine, questions[:limit]):
                is_answerable = bool(case.question.answers)
                text, judgement = case.judged
                with_all.append((is_answerable, judgement))
                for rule in RULES:
                    text_without, judgement_without = without_rule(case, rule)
                    rows_without[rule.name].append((is_answerable, judgement_without))
                    if text_without == text:
                        continue
                    changes[rule.name]["changed"] += 1
                    if judgement_without != judgement:
                        part = "" if is_answerable else "unanswerable, "
                        changes[rule.name][f"{part}{judgement} to {judgement_without}"] += 1
    return {
        "with all": judgement_counts(with_all),
        "without": {
            name: judgement_counts(rows) | {"changes": dict(sorted(changes[name].items()))}
            for name, rows in rows_without.items()
        },
    }


# Rules beside the scorer of claims

_GROUPS = {"collections": "collections", "free": "free words"}
"""Names of our sets of claims in the result; all others are "made and public"."""


def of_claims(rows_file: Path) -> dict[str, Any]:
    """By group of sets, verdicts on true and on false claims with all rules, and without each."""
    rows = [row for row in json_lines(rows_file) if row["test"] and row["passages"]]
    with_all = _verdicts(rows)
    counts_without = {}
    for rule in tqdm(CLAIM_RULES, disable=None):
        with rule.switched_off():
            verdicts = _verdicts(rows)
        changed = sum(
            verdict != verdict_without
            for verdict, verdict_without in zip(with_all, verdicts, strict=True)
        )
        counts_without[rule.name] = {"changed": changed, **_counts(rows, verdicts)}
    return {"with all": _counts(rows, with_all), "without": counts_without}


def _verdicts(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The verdict on each claim, compared anew."""
    with_verdict_head, _ = scorer.load()
    figures.figures.cache_clear()
    verdicts = [
        fit_claims.verdict_of(fit_claims.loaded_example(row), with_verdict_head) for row in rows
    ]
    figures.figures.cache_clear()
    return verdicts


def _counts(
    rows: Sequence[Mapping[str, Any]], verdicts: Sequence[str]
) -> dict[str, dict[str, Counter[str]]]:
    """Verdicts by group of sets, of "true" claims and of "false" ones."""
    counts: dict[str, dict[str, Counter[str]]] = {}
    for row, given in zip(rows, verdicts, strict=True):
        group = counts.setdefault(_GROUPS.get(row["set"], "made and public"), {})
        side = "true" if row["supported"] else "false"
        group.setdefault(side, Counter())[given] += 1
    return counts


@script(__doc__)
@click.option("--cache", type=PATH, help="Folder of the kept readings.")
@click.option("--rows", type=PATH, help="Kept readings of claims.")
@READER
@OUT
@click.option("--part", type=click.Choice(["judge", "rules", "claims"]), help="Only this part.")
@click.option(
    "--most", "limit", type=int, help="Questions of each set that are asked without the rules."
)
@click.argument("sets", nargs=-1, type=click.Choice(list(SETS)))
def main(
    cache: Path | None,
    rows: Path | None,
    reader: str,
    out: Path | None,
    part: str | None,
    limit: int | None,
    sets: tuple[str, ...],
) -> None:
    path = out or ROOT / "eval/results/ablations.json"
    content = json.loads(path.read_text(encoding="utf-8")) if part and path.is_file() else {}
    if part == "claims":
        if rows is None:
            raise click.UsageError("--part claims needs --rows")
        content["claims"] = of_claims(rows)
        finished(content, path)
        return

    if cache is None or not sets:
        raise click.UsageError("--cache and a SET are needed")
    command = f"python -m eval.experiments.ablations --cache DIR --part PART {' '.join(sets)}"
    content["command"] = command
    if part != "rules":
        content["judge"] = of_judge(cache, reader, sets)
    if part != "judge":
        content["rules"] = of_rules(cache, reader, sets, limit)
    finished(content, path)


if __name__ == "__main__":
    main()

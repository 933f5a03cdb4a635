"""Fits the model that matches what a question measures to the rows of tables, and reports it.

python -m eval.experiments.fit_figures [--into FILE] [--measure] [--certainty] [--out FILE]

The questions are those of eval/gold/figures-cells.jsonl on the reports of eval/gold/figures/, and
of eval/gold/filings.jsonl on the filings of eval/gold/filings/, in both wordings; half of the
companies are for fitting, the others for reporting. Each is asked of the documents of its company
and one of another. Near misses that the company's other report answers are
left out. Two parts are fitted: a map of low rank on the embedder's vectors, which brings what
people call a figure near what statements call it, trained contrastively on the questions, with all
other rows of the reports as negatives, and on the names of eval/gold/training-measures.jsonl; then
a small network over the rows, or none of them, for figures, and a softmax over groups of which one
is the largest. Each question that has an answer is also one that has none: without its row.
The report on the fitting half leaves a third of the companies out in turn. No reader takes part:
an answer here is the figure that the tables propose.

--certainty fits how likely a figure that the shipped weights propose is right, on the filings for
fitting, questions for reasons among them: the shipped weights have not seen these.
"""

import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression
from tqdm import tqdm

from eval.scripts import GOLD, NEW_FILE, OUT, SEED, finished, script
from rag import build
from rag.answering.candidate import Candidate
from rag.answering.forms import FormClassifier
from rag.answering.table_figures import by_formula, figure_findings, lines_near
from rag.answering.table_lines import (
    TableLine,
    can_answer,
    extreme_item,
    figure_key,
    figure_of,
    groups_to_choose,
)
from rag.answering.table_matcher import (
    FEATURES,
    LEVELS,
    Matcher,
    Measure,
    MeasureNames,
    Scorer,
)
from rag.answering.table_questions import TableQuestion, table_question
from rag.evaluation.set_files import json_lines
from rag.facts import without_notes
from rag.meaning.vectors import TextVectors
from rag.parsing.load import load_data
from rag.protocols import Embedder
from rag.settings import Settings
from rag.types import Document

RANK = 48
STEPS = 100
RATE = 4e-3
DECAY = 3e-2
TEMPERATURE = 0.06
FOLDS = 3
BATCH, NAMES_BATCH = 24, 128
HIDDEN = 8
NETWORKS = 3
"""Networks whose scores are averaged, each from other weights at the start, and their hidden units.
"""
SCORER_STEPS = 200
SCORER_RATE, SCORER_DECAY = 0.02, 0.3
NEAREST = 12
"""Rows by each of `_NEARNESS` that a network is trained on; the others are never likely."""
_NEARNESS = ("label_like", "path_like", "words_like", "asked_in_path", "names_like")
STRENGTH = 10.0
"""Inverse of the ridge on the weights of the certainty."""
OF_ABSENT = 0.6
"""Weight of a question without the row that answers it, beside the same question with it."""
OF_NAMES = 1.0
"""Weight of the names of measures beside the questions, in training the map."""

Row = dict[str, Any]
Matrix = NDArray[np.float32]
Statistics = NDArray[np.floating[Any]]
"""Means or deviations of features."""
Embed = Callable[[Sequence[str]], Matrix]


@dataclass(frozen=True)
class Example:
    """A question in one wording, and the documents that are found for it, best first."""

    row: Row
    wording: str
    question: str
    documents: tuple[Document, ...]


@dataclass(frozen=True)
class Choice:
    """The lines of which a phrase of a question means those at `meant_places`, or none."""

    example: Example
    question: TableQuestion
    phrase: str
    lines: tuple[TableLine, ...]
    meant_places: tuple[int, ...]


# Questions


def examples() -> list[Example]:
    """The questions on the reports and filings, each with those of its company and one of another
    company.
    """
    figures = json_lines(GOLD / "figures-cells.jsonl")
    of_reports = [row for row in figures if row["document"].endswith(".md")]
    filings = _filings()
    of_filings = [row for row in filings if row["kind"] != _IN_PROSE]
    return [*_examples("figures", of_reports), *_examples("filings", of_filings)]


_IN_PROSE = "text"
"""Kind of a question that prose answers."""


def _filings() -> list[Row]:
    return [_as_figure(row) for row in json_lines(GOLD / "filings.jsonl")]


_KINDS = {"label": "lookup", "meaning": "synonym", "which": "superlative", "none": "near_miss"}


def _as_figure(row: Row) -> Row:
    """A question of filings.jsonl with the names of figures-cells.jsonl."""
    kind = _KINDS.get(row["kind"], row["kind"])
    if row["answers"] and row["answers"][0] in ("Yes", "No"):
        kind = "change"
    value = float(row["answers"][0].replace(",", "")) if kind == "computed" else None
    return row | {
        "kind": kind,
        "cells": row["evidence"],
        "value": value,
        "document": f"{row['document']}.html",
    }


def _examples(folder: str, rows: Sequence[Row]) -> list[Example]:
    """The questions on the documents of a folder."""
    reports: dict[str, Document] = {}
    for path in sorted((GOLD / folder).iterdir()):
        (document,) = load_data(f"{folder}/{path.name}", path.read_bytes()).documents
        reports[path.name] = document
    collected: list[Example] = []
    for row in rows:
        if row.get("elsewhere"):
            continue

        company = company_of(row["document"])
        names = [name for name in reports if company_of(name) == company]
        strangers = [name for name in reports if company_of(name) != company]
        names.append(random.Random(row["id"]).choice(strangers))
        documents = tuple(reports[name] for name in names)

        wordings = {"question": row.get("question_named") or row["question"]}
        if plain_question := row.get("plain"):
            wordings["plain"] = plain_question
        for wording, question in wordings.items():
            collected.append(Example(row, wording, question, documents))
    return collected


def company_of(file: str) -> str:
    """The company's part of a report's file name."""
    return re.split("[-_](?:FY|20)", file)[0]


def _file(document: Document) -> str:
    return document.id.rpartition("/")[2]


def choices(example: Example, matcher: Matcher) -> Iterator[Choice]:
    """What the question's phrases choose from: one, or two for a share or a sum."""
    question = table_question(example.question)
    if question is None or question.is_choice:
        return

    if question.formula and example.row["kind"] == "computed":
        question = by_formula(question, question.formula)
    lines = lines_near(question, example.documents, matcher)
    lines = [line for line in lines if can_answer(question, line)]
    if not lines:
        return

    is_figure_wanted = example.row["kind"] in ("lookup", "synonym")
    cells = example.row["cells"] if is_figure_wanted == (not question.operation) else []
    files = {example.row["document"], *example.row.get("also", [])}
    for number, phrase in enumerate(question.measures):
        keys: set[tuple[object, ...]] = set()
        if cells:
            cell = cells[min(number, len(cells) - 1)]
            keys = {
                figure_key(line, question)
                for line in lines
                if _file(line.document) in files and _states(line, question, cell)
            }
        meant_places = tuple(
            n for n, line in enumerate(lines) if figure_key(line, question) in keys
        )
        asked = replace(question, text=phrase) if question.formula else question
        yield Choice(example, asked, phrase, tuple(lines), meant_places)


def _states(line: TableLine, question: TableQuestion, cell: Row) -> bool:
    fact = figure_of(line, question.target)
    label = without_notes(cell["row"])
    return fact is not None and fact.text == cell["value"] and line.label == label


# The map of vectors


def names() -> list[tuple[list[str], list[str]]]:
    """What statements call a figure, and what people call it."""
    rows = json_lines(GOLD / "training-measures.jsonl")
    return [(row["labels"], row["asked"]) for row in rows]


_FRAMES = ("{}", "{}", "how much was {}", "{} of the company", "how much {}", "the company's {}")


def fit_map(chosen: Sequence[Choice], matcher: Matcher, seed: int) -> tuple[Matrix, Matrix]:
    """(down, up) of the map, trained on questions of which a line is meant, and on names."""
    torch.manual_seed(seed)
    numbers = random.Random(seed)
    answered = [choice for choice in chosen if choice.meant_places]
    number_by_text: dict[str, int] = {}

    def number_of(text: str) -> int:
        return number_by_text.setdefault(text, len(number_by_text))

    measure_numbers = [
        number_of(Measure.of(choice.question, choice.phrase, choice.lines).text)
        for choice in answered
    ]
    line_numbers = [
        (
            torch.tensor([number_of(line.label) for line in choice.lines]),
            torch.tensor([number_of(line.path) for line in choice.lines]),
        )
        for choice in answered
    ]
    framed: list[tuple[int, int]] = []
    labelled: list[tuple[int, int]] = []
    for name, (labels, questions) in enumerate(names()):
        labelled += [(name, number_of(text)) for text in labels]
        for text in (*labels, *questions):
            frame = numbers.choice(_FRAMES)
            framed.append((name, number_of(frame.format(text.lower()))))

    vectors = torch.from_numpy(matcher.vectors_of(list(number_by_text)))
    dim = vectors.shape[1]
    projection = torch.nn.Parameter(torch.randn(dim, RANK) / dim**0.5)
    expansion = torch.nn.Parameter(torch.zeros(RANK, dim))
    optimizer = torch.optim.AdamW([projection, expansion], lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    label_rows = torch.tensor([row for _, row in labelled])
    label_names = torch.tensor([name for name, _ in labelled])

    for _ in range(STEPS):
        moved = torch.nn.functional.normalize(vectors + vectors @ projection @ expansion, dim=-1)
        loss = torch.zeros(())

        batch = numbers.sample(range(len(answered)), min(BATCH, len(answered)))
        measures = moved[torch.tensor([measure_numbers[number] for number in batch])]
        likeness = measures @ moved.T / TEMPERATURE
        for by_text, number in zip(likeness, batch, strict=True):
            meant_rows = list(answered[number].meant_places)
            for rows in line_numbers[number]:
                scores = by_text[rows]
                loss = loss + (scores.logsumexp(0) - scores[meant_rows].logsumexp(0)) / (2 * BATCH)

        sample = numbers.sample(framed, NAMES_BATCH)
        framed_vectors = moved[torch.tensor([row for _, row in sample])]
        scores = framed_vectors @ moved[label_rows].T / TEMPERATURE
        are_names = torch.tensor([name for name, _ in sample])[:, None] == label_names[None, :]
        name_scores = scores.masked_fill(~are_names, -torch.inf).logsumexp(1)
        loss = loss + OF_NAMES * (scores.logsumexp(1) - name_scores).mean()

        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return projection.detach().numpy().copy(), expansion.detach().numpy().copy()


# The scorers


@dataclass(frozen=True)
class Rows:
    """Features of candidates, shape (n, features), and those that are meant: none for a refusal."""

    features: Matrix
    meant_places: tuple[int, ...]
    weight: float = 1.0


def rows_of(choice: Choice, matcher: Matcher) -> Iterator[Rows]:
    """The lines that a phrase chooses from, and the same lines without those that it means."""
    features = matcher.features(choice.question, choice.phrase, choice.lines)
    yield _nearest(Rows(features, choice.meant_places))

    others = [line for n, line in enumerate(choice.lines) if n not in choice.meant_places]
    if choice.meant_places and others:
        features = matcher.features(choice.question, choice.phrase, others)
        yield _nearest(Rows(features, (), weight=OF_ABSENT))


def _nearest(rows: Rows) -> Rows:
    """The rows that are meant and those that are nearest to the question."""
    places = set(rows.meant_places)
    for name in _NEARNESS:
        column = rows.features[:, FEATURES.index(name)]
        places.update(np.argsort(-column)[:NEAREST].tolist())
    kept = sorted(places)
    meant_places = tuple(kept.index(place) for place in rows.meant_places)
    return replace(rows, features=rows.features[kept], meant_places=meant_places)


@dataclass(frozen=True)
class Batch:
    """Examples as tensors: `features`, shape (examples, candidates, features), are standardised;
    `is_absent` and `is_wrong`, shape (examples, candidates + 1), have "none of them" last;
    `weights`, shape (examples,), add up to 1.
    """

    features: torch.Tensor
    is_absent: torch.Tensor
    is_wrong: torch.Tensor
    weights: torch.Tensor

    @classmethod
    def of(cls, examples: Sequence[Rows], mean: Statistics, scale: Statistics) -> "Batch":
        count = len(examples)
        size = max(len(rows.features) for rows in examples)
        features = torch.zeros(count, size, len(mean))
        is_absent = torch.ones(count, size + 1, dtype=torch.bool)
        is_wrong = torch.ones(count, size + 1, dtype=torch.bool)
        for number, rows in enumerate(examples):
            length = len(rows.features)
            features[number, :length] = torch.from_numpy((rows.features - mean) / scale)
            is_absent[number, :length] = False
            is_absent[number, size] = False
            is_wrong[number, list(rows.meant_places) or [size]] = False
        weights = torch.tensor([rows.weight for rows in examples])
        return cls(features, is_absent, is_wrong, weights / weights.sum())


class Network(torch.nn.Module):
    """The network of a scorer, from other weights at the start for each seed."""

    def __init__(self, features: int, hidden: int, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.inner = torch.nn.Linear(features, hidden)
        self.outer = torch.nn.Linear(hidden, 1, bias=False)
        self.direct = torch.nn.Linear(features, 1, bias=False)
        self.null = torch.nn.Parameter(torch.zeros(1))

    def fit(self, batch: Batch) -> None:
        """Train until the candidates that are meant, or none of them, are likeliest."""
        decayed = [weights for weights in self.parameters() if weights is not self.null]
        groups = [
            {"params": decayed, "weight_decay": SCORER_DECAY},
            {"params": [self.null], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=SCORER_RATE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, SCORER_RATE, total_steps=SCORER_STEPS
        )
        for _ in range(SCORER_STEPS):
            loss = self._loss(batch)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()

    def _loss(self, batch: Batch) -> torch.Tensor:
        hidden = torch.tanh(self.inner(batch.features))
        by_candidate = (self.outer(hidden) + self.direct(batch.features)).squeeze(-1)
        of_none = self.null.expand(len(by_candidate), 1)
        scores = torch.cat([by_candidate, of_none], dim=1).masked_fill(batch.is_absent, -torch.inf)
        meant_scores = scores.masked_fill(batch.is_wrong, -torch.inf).logsumexp(1)
        loss: torch.Tensor = ((scores.logsumexp(1) - meant_scores) * batch.weights).sum()
        return loss


def fit_scorer(examples: Sequence[Rows], hidden: int, networks: int = 1) -> Scorer:
    """A scorer by which the candidates that are meant, or none of them, are likeliest: the mean of
    some networks, which is one network with the hidden units of all.
    """
    stacked = np.concatenate([rows.features for rows in examples])
    mean = stacked.mean(axis=0)
    scale = stacked.std(axis=0)
    scale[scale < 1e-6] = 1.0

    batch = Batch.of(examples, mean, scale)
    fitted = [Network(len(mean), hidden, seed) for seed in range(networks)]
    for network in fitted:
        network.fit(batch)

    with torch.no_grad():
        inner = torch.cat([network.inner.weight for network in fitted]).T.numpy() / scale[:, None]
        bias = torch.cat([network.inner.bias for network in fitted]).numpy() - mean @ inner
        outer = torch.cat([network.outer.weight[0] for network in fitted]).numpy() / networks
        direct = torch.cat([network.direct.weight for network in fitted]).numpy().mean(axis=0)
        null = torch.cat([network.null for network in fitted]).numpy().mean()
    direct = direct / scale
    return Scorer(
        direct=direct.astype(np.float32),
        inner=inner.astype(np.float32),
        bias=bias.astype(np.float32),
        outer=outer.astype(np.float32),
        null=float(null + mean @ direct),
    )


def group_rows(example: Example, matcher: Matcher) -> Rows | None:
    """The groups of which a question may mean one, and those whose choice is right."""
    question = table_question(example.question)
    if question is None or not question.is_choice:
        return None
    if len(question.targets) > 1 and not question.is_of_change:
        return None

    lines = lines_near(question, example.documents, matcher)
    groups = groups_to_choose(question, lines)
    if not groups:
        return None

    features = matcher.group_features(question, question.measures[0], groups)
    items = [extreme_item(group, question) for group in groups]
    answers = {without_notes(answer) for answer in example.row["answers"]}
    meant_places = tuple(n for n, item in enumerate(items) if item and item.label in answers)
    return Rows(features, meant_places)


def blank_matcher(embed: Embed) -> Matcher:
    """A matcher without weights, which reads tables."""
    zero = np.zeros((1, 1), dtype=np.float32)
    scorer = Scorer(direct=zero[0], inner=zero, bias=zero[0], outer=zero[0], null=0.0)
    unnamed = MeasureNames(zero, np.zeros(1, dtype=np.int32), np.ones(1, dtype=bool))
    return Matcher(scorer, scorer, TextVectors(embed), down=zero, up=zero, names=unnamed)


def mapped(matcher: Matcher, projection: Matrix, expansion: Matrix) -> Matcher:
    """The matcher with a map, and with the names of measures as it moves them."""
    moving = replace(matcher, down=projection, up=expansion)
    rows = [
        (figure, text, text in labels)
        for figure, (labels, questions) in enumerate(names())
        for text in (*labels, *questions)
    ]
    vectors = moving.moved(matcher.vectors_of([text for _, text, _ in rows]))
    rounded = np.round(vectors * LEVELS) / LEVELS
    figures = np.array([figure for figure, _, _ in rows], dtype=np.int32)
    are_labels = np.array([is_label for *_, is_label in rows])
    return replace(moving, names=MeasureNames(rounded.astype(np.float32), figures, are_labels))


@dataclass(frozen=True)
class Fold:
    """Questions on some companies, with features by a map that was trained on the others."""

    examples: Sequence[Example]
    matcher: Matcher
    rows: Sequence[Rows]
    groups: Sequence[Rows]


def folds(examples: Sequence[Example], unfitted: Matcher, seed: int) -> Iterator[Fold]:
    """The questions in `FOLDS` parts of different companies. A softmax must not learn from features
    by a map that has seen the same questions.
    """
    chosen: list[Choice] = []
    for example in tqdm(examples, disable=None):
        chosen += choices(example, unfitted)
    companies = sorted({_company(example) for example in examples})
    for number in range(FOLDS):
        companies_left_out = companies[number::FOLDS]
        training: list[Choice] = []
        held_out: list[Choice] = []
        for choice in chosen:
            is_held_out = _company(choice.example) in companies_left_out
            (held_out if is_held_out else training).append(choice)

        matcher = mapped(unfitted, *fit_map(training, unfitted, seed))
        rows = [row for choice in held_out for row in rows_of(choice, matcher)]

        fold_examples = [example for example in examples if _company(example) in companies_left_out]
        groups = [group_rows(example, matcher) for example in fold_examples]
        yield Fold(fold_examples, matcher, rows, [group for group in groups if group])


def _company(example: Example) -> str:
    return company_of(example.row["document"])


def with_weights(matcher: Matcher, parts: Sequence[Fold]) -> Matcher:
    """The matcher with scorers that are fitted to some folds."""
    of_lines = [row for part in parts for row in part.rows]
    of_groups = [row for part in parts for row in part.groups]
    rows = fit_scorer(of_lines, hidden=HIDDEN, networks=NETWORKS)
    groups = fit_scorer(of_groups, hidden=0)
    return replace(matcher, rows=rows, groups=groups)


# The report


def judged(example: Example, candidate: Candidate | None) -> str:
    """ "right", "wrong" or "refused"."""
    if candidate is None:
        return "refused"
    return "right" if _is_right(example, candidate) else "wrong"


_SCALES = (1.0, 1e3, 1e6, 1e9)


def _is_right(example: Example, candidate: Candidate) -> bool:
    answers = [answer.casefold() for answer in example.row["answers"]]
    if candidate.verdict:
        return candidate.verdict in answers

    if candidate.value is not None:
        gold: float | None = example.row.get("value")
        if gold is None:
            return False
        size = abs(candidate.value.number or 0.0)
        tolerance = 0.051 + 1e-6 * abs(gold)
        distances = [abs(size / scale - abs(gold)) for scale in _SCALES]
        return min(distances) <= tolerance

    place = candidate.places[0]
    (document,) = (report for report in example.documents if report.id == place.document_id)
    text = candidate.text or document.text[place.start : place.end]
    return without_notes(text).casefold() in answers or text in answers


def asked_of(examples: Sequence[Example], matcher: Matcher) -> list[tuple[Example, str, float]]:
    """The examples with their judgements and the probabilities of what is proposed."""
    judgements = []
    for example in examples:
        question = table_question(example.question)
        findings = figure_findings(question, example.documents, matcher) if question else None
        proposed = findings.candidates if findings else ()
        candidate = proposed[0] if proposed else None
        probability = (candidate.probability or 0.0) if candidate else 0.0
        judgements.append((example, judged(example, candidate), probability))
    return judgements


def report(judgements: Sequence[tuple[Example, str, float]]) -> Row:
    """Counts by wording, and by kind in each."""

    def counted(group_of: Callable[[Example], str]) -> Row:
        counts: dict[str, Counter[str]] = {}
        for example, judgement, _ in judgements:
            counts.setdefault(group_of(example), Counter())[judgement] += 1
        return {name: dict(sorted(count.items())) for name, count in sorted(counts.items())}

    def part_of(example: Example) -> str:
        part = "near miss" if example.row["kind"] == "near_miss" else "answerable"
        return f"{example.wording}, {part}"

    by_kind = counted(lambda example: f"{example.wording}, {example.row['kind']}")
    return {"all": counted(part_of), "by kind": by_kind}


def certainty(matcher: Matcher, embedder: Embedder) -> Row:
    """Weights of the certainty that a proposed figure is right, and how many they are fitted to."""
    fitted = [row for row in _filings() if row["half"] == "fit"]
    judgements = [
        entry for entry in asked_of(_examples("filings", fitted), matcher) if entry[1] != "refused"
    ]
    questions = [example.question for example, _, _ in judgements]
    vectors = list(embedder.embed_queries(questions))
    odds = FormClassifier.load().probabilities(questions, vectors)
    inputs = [
        (math.log(probability / (1 - probability)), by_form["sentences"])
        for (_, _, probability), by_form in zip(judgements, odds, strict=True)
    ]
    are_right = [judgement == "right" for _, judgement, _ in judgements]
    model = LogisticRegression(C=STRENGTH).fit(inputs, are_right)
    weights = [*model.intercept_, *model.coef_[0]]
    return {
        "weights": [round(float(weight), 2) for weight in weights],
        "candidates": len(are_right),
        "right": sum(are_right),
    }


@script(__doc__)
@click.option("--into", type=NEW_FILE, help="Write the weights to this file.")
@click.option("--measure", is_flag=True, help="Only measure the shipped weights.")
@click.option("--certainty", "is_certainty", is_flag=True, help="Only fit the certainty.")
@SEED
@OUT
def main(into: Path | None, measure: bool, is_certainty: bool, seed: int, out: Path | None) -> None:
    embedder = build.embedder(Settings())
    embed = embedder.embed_passages
    if is_certainty:
        finished(certainty(Matcher.shipped(embed), embedder), out)
        return

    halves: dict[str, list[Example]] = {"fit": [], "report": []}
    for example in examples():
        halves[example.row["half"]].append(example)
    if measure:
        matcher = Matcher.shipped(embed)
        finished({half: report(asked_of(part, matcher)) for half, part in halves.items()}, out)
        return

    unfitted = blank_matcher(embed)
    parts = list(folds(halves["fit"], unfitted, seed))
    left_out = []
    for part in parts:
        training = [training_part for training_part in parts if training_part is not part]
        left_out += asked_of(part.examples, with_weights(part.matcher, training))

    chosen = [choice for example in halves["fit"] for choice in choices(example, unfitted)]
    matcher = with_weights(mapped(unfitted, *fit_map(chosen, unfitted, seed)), parts)
    if into:
        tensors: dict[str, NDArray[Any]] = {
            **matcher.rows.tensors("rows"),
            **matcher.groups.tensors("groups"),
            "down": matcher.down.astype(np.float16),
            "up": matcher.up.astype(np.float16),
            "names": np.round(matcher.names.vectors * LEVELS).astype(np.int8),
            "figures": matcher.names.figures.astype(np.int16),
            "are_labels": matcher.names.are_labels.astype(np.uint8),
        }
        save_file(tensors, into)
    result = {
        "fit, two companies left out in turn": report(left_out),
        "report": report(asked_of(halves["report"], matcher)),
    }
    finished(result, out)


if __name__ == "__main__":
    main()

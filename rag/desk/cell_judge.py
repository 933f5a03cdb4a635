"""The judge of a grid's cells: how likely a value is what a column asks of one document.

Every document is asked, also those that do not say it, so that the best words of a document are
often about something else. Three things tell the two apart: whether the words beside a value speak
of what the column asks, whether an empty field of the document does, and whether another column of
the row asks for them more. One logistic model weighs that with what the readers say;
`eval/experiments/fit_cells.py` fits it.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from rag.answering.candidate import Candidate, said
from rag.answering.compose import Ranked, says_something
from rag.answering.features import Featurizer
from rag.answering.judge import Logistic
from rag.answering.reading import Reading, logit
from rag.desk.fields import Field, fields
from rag.desk.grid_file import TYPES
from rag.errors import ModelError, install_line
from rag.facts import FactTable
from rag.meaning.figures import figures
from rag.meaning.values import Surroundings, typed_value
from rag.meaning.words import content_words, coverage, normalize
from rag.structure import lead_in, list_of, row_at
from rag.types import Citation, Document, Place, Value, YesNo, in_a_cell, path_of

if TYPE_CHECKING:
    from rag.meaning.vectors import TextVectors, Vectors

SHIPPED = Path(__file__).with_name("cell_judge.json")
MOST_VALUES = 6
"""Values of the readers that are judged for one cell, the likeliest."""
_MOST_FIELDS = 3
"""Values of labelled fields that are judged for one cell."""
_MOST_SENTENCES = 5
"""Sentences that were read for one cell, the best, to whose meanings that of a value is compared.
"""
_CHARACTERS_BEFORE = 60
"""Characters before a value that name it."""
_CHARACTERS_AFTER = 40
"""Characters after a value that name it."""
_STEM = 5
"""Letters of a word that are compared."""
_LIMIT = 6.0
"""Log-odds are limited to this much above and below 0."""
_LEAST_PROBABILITY = 1e-4
"""Less probable values have the log-odds of this one."""
_SAYS: Mapping[str, YesNo] = {"yes": "yes", "no": "no", "none": "no"}
_SHAPES = {
    "money": "What is the price, the fee, the sum of money?",
    "duration": "How long does it take, for how many days or months?",
    "percentage": "What percentage or share?",
    "number": "How many are there, what is the number?",
    "quantity": "What is the size, the weight, the speed, the power?",
    "date": "On what date?",
    "time": "At what time of day?",
    "address": "What is the e-mail address?",
    "link": "What is the web address?",
    "telephone": "What is the telephone number?",
    "name": "Who is the person or the company?",
    "text": "What is it about, what is said about it?",
}
"""Shapes of values, and a question for each."""
_MARKS = {
    "address": re.compile(r"[\w.+-]+@[\w-]+\.\w"),
    "link": re.compile(r"https?://|www\.|\b[\w-]+\.(?:com|org|net|gov|edu|io)\b"),
    "telephone": re.compile(r"(?<![\w/.-])\+?\(?\d[\d ()/.-]{5,}\d(?![\w/-])"),
    "name": re.compile(r"(?<![.!?:\n] )\b[A-Z][a-z]+\b"),
}
_SHARPNESS = 12.0
"""Factor of cosines to shapes, so that the likeliest ones count."""
_AMOUNTS = ("money", "duration", "percentage", "number", "quantity")
_OF_ANSWERS = (
    "words more sentence_best sentence_share sentence_lead sentence_rank span_best span_inside "
    "span_share span_margin span_own yes no unsaid verdict verdict_against depends rank "
    "coverage_passage fresh rivals refers_back heading asks_own asks_likelier retrieval "
    "first_sentence_best first_span_inside first_yes first_no first_verdict is_span is_sentence "
    "is_list is_items is_rows is_table is_section is_yes_no is_paragraph is_run".split()
)
"""Features of the judge of answers that this one weighs anew."""


@dataclass(frozen=True)
class CellReading:
    """What was read for a cell: its column's question with its embedding, shape (dim,), and type,
    its document, and the candidates, the likeliest first, then those that the document `proposed`.
    """

    question: str
    vector: Vectors
    kind: str
    source: CellDocument
    reading: Reading
    ranked: Sequence[Ranked]
    proposed: Sequence[Candidate] = ()

    @functools.cached_property
    def likeness(self) -> list[float]:
        """How much the label of each field is what the column asks."""
        return self.source.likeness(self.question, self.vector)


@dataclass(frozen=True)
class CellValue:
    """A value that a cell may have: its words, what they mean in a column with a type, and the
    probability that it is right.
    """

    text: str
    typed: Value | None
    citations: tuple[Citation, ...]
    around: Surroundings
    ranked: Ranked
    probability: float = 0.0
    against: float = 0.0
    """The probability of the likeliest other verdict of its cell, in a column of yes and no."""

    @property
    def verdict(self) -> YesNo | None:
        return self.typed.verdict if self.typed else None

    @property
    def log_odds(self) -> float:
        """What the readers say of it."""
        return logit(self.ranked.probability, _LEAST_PROBABILITY)

    @functools.cached_property
    def says(self) -> str:
        """The same for values that say the same."""
        typed = self.typed
        if typed is None:
            return normalize(self.text)
        if typed.verdict:
            return typed.verdict
        if typed.iso or typed.number is not None:
            return f"{typed.iso} {typed.number} {typed.upper} {typed.unit}"
        return normalize(typed.text)


@dataclass(frozen=True, slots=True)
class CellJudge:
    """A fitted model of whether a value is right, with its thresholds.

    A value is given from `answered_from` on, and as a guess from `unsure_from` on. Between both of
    `undecided` the large reader reads a cell that the small one has read. It also does so where two
    verdicts are as likely as that: they exclude each other, and the small reader knows no
    conditions.
    """

    model: Logistic
    answered_from: float
    unsure_from: float
    undecided: tuple[float, float]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises ModelError if the file cannot be read."""
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            lower_bound, upper_bound = stored["undecided"]
            return cls(
                model=Logistic(dict(stored["weights"]), float(stored["bias"])),
                answered_from=float(stored["answered_from"]),
                unsure_from=float(stored["unsure_from"]),
                undecided=(float(lower_bound), float(upper_bound)),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            command = f"{install_line()} --force-reinstall"
            raise ModelError(
                f"the judge of cells {path} cannot be read: {error}", command
            ) from error

    def best(
        self,
        row: Sequence[CellReading],
        numbers: Sequence[int],
        vectors_of: TextVectors,
        is_lenient: bool = False,
    ) -> list[CellValue | None]:
        """The likeliest value of each cell of a document that is among `numbers`, with its
        probability; None for a cell without a value of its type. If it `is_lenient`, yes and yes on
        a condition are one verdict.
        """
        judged = JudgedRow(row, vectors_of)
        winners: list[CellValue | None] = []
        for number in numbers:
            candidates = []
            for value in judged.values[number]:
                features = judged.features(number, value)
                candidates.append(replace(value, probability=self.model(features)))
            winners.append(likeliest(candidates, is_lenient))
        return winners

    def is_decided(self, value: CellValue) -> bool:
        """Whether the small reader decides a cell with this value."""
        lower_bound, upper_bound = self.undecided
        is_between = lower_bound <= value.probability < upper_bound
        return not is_between and value.against < lower_bound


def likeliest(values: Sequence[CellValue], is_lenient: bool) -> CellValue | None:
    """The likeliest value, with how likely another verdict is. If it `is_lenient`, the
    probabilities of yes and of yes on a condition, which exclude each other, are added, and the one
    with the shorter quote stands for both.
    """
    if not values:
        return None
    best_of: dict[YesNo | None, CellValue] = {}
    for value in _by_probability(values):
        best_of.setdefault(value.verdict, value)

    if is_lenient and "yes" in best_of and "condition" in best_of:
        agreeing = (best_of.pop("yes"), best_of.pop("condition"))
        shorter_value = min(agreeing, key=lambda value: (len(value.citations), -value.probability))
        probability = min(1.0, sum(value.probability for value in agreeing))
        best_of[shorter_value.verdict] = replace(shorter_value, probability=probability)

    winner, *other_values = _by_probability(best_of.values())
    against = 0.0
    for value in other_values:
        if winner.verdict and value.verdict:
            against = max(against, value.probability)
    return replace(winner, against=against)


def _by_probability(values: Iterable[CellValue]) -> list[CellValue]:
    """The likeliest first."""
    return sorted(values, key=lambda value: -value.probability)


@functools.lru_cache(1)
def shipped() -> CellJudge:
    """The judge that comes with rag. Raises ModelError."""
    return CellJudge.load(SHIPPED)


@dataclass(frozen=True)
class CellDocument:
    """The document of a row, with what does not depend on a column."""

    document: Document
    vectors_of: TextVectors

    @functools.cached_property
    def fields(self) -> list[Field]:
        return fields(self.document)

    def field_at(self, offset: int) -> int | None:
        """The number of the first field whose value contains an offset."""
        for number, field in enumerate(self.fields):
            if field.start <= offset < field.end:
                return number
        return None

    def likeness(self, question: str, vector: Vectors) -> list[float]:
        """How much each field's label is what the question asks, in [0, 1]: the share of its words
        that the question has, and their cosine.
        """
        labels = [field.label for field in self.fields]
        label_vectors = self.vectors_of(labels)
        likeness = []
        for label, label_vector in zip(labels, label_vectors, strict=True):
            share = coverage(content_words(label), question)
            cosine = float(vector @ label_vector)
            likeness.append((share + cosine) / 2)
        return likeness

    def candidates(self, question: str, vector: Vectors, kind: str) -> tuple[Candidate, ...]:
        """Values that no reader needs to find: those of the fields whose labels are most like a
        column's question, and for text the document's heading.
        """
        likeness = self.likeness(question, vector)
        filled_fields = [number for number, field in enumerate(self.fields) if not field.is_empty]
        filled_fields.sort(key=lambda number: -likeness[number])
        places = [self.fields[number].place for number in filled_fields[:_MOST_FIELDS]]
        match kind:
            case "yes_no":
                return self._verdicts(places)
            case "list":
                return tuple(Candidate("list", "items", (place,)) for place in places)
            case "text":
                places += self._heading
        return tuple(Candidate("span", "span", (place,)) for place in places)

    def is_several(self, candidate: Candidate) -> bool:
        """Whether it quotes several fields, and so is no single value."""
        quoted_fields = 0
        for field in self.fields:
            field_end = max(field.end, field.start + 1)
            if any(
                place.start < field_end and field.start < place.end for place in candidate.places
            ):
                quoted_fields += 1
        return quoted_fields > 1

    def _field_verdict(self, place: Place) -> YesNo | None:
        """What a field says to yes or no, if that is its first word."""
        text = self.document.text[place.start : place.end]
        field_words = normalize(text).split()
        return _SAYS.get(field_words[0]) if field_words else None

    def _verdicts(self, places: Iterable[Place]) -> tuple[Candidate, ...]:
        """Candidates of the fields that say yes or no."""
        candidates = []
        for place in places:
            verdict = self._field_verdict(place)
            if verdict:
                candidates.append(Candidate("yes_no", "yes_no", (place,), verdict=verdict))
        return tuple(candidates)

    @functools.cached_property
    def _heading(self) -> list[Place]:
        """The words of the first heading."""
        headings = (block for block in self.document.blocks if block.kind == "heading")
        block = next(headings, None)
        if block is None or not block.name:
            return []
        start = self.document.text.find(block.name, block.start, block.end)
        if start < 0:
            return []
        end = start + len(block.name)
        return [Place(self.document.id, start, end, heading=True)]


def values(cell: CellReading) -> list[CellValue]:
    """The likeliest values of the column's type, each once, with those of fields and headings."""
    distinct: list[CellValue] = []
    of_readers = 0
    for ranked in cell.ranked:
        is_proposed = ranked.candidate in cell.proposed
        if of_readers == MOST_VALUES and not is_proposed:
            continue
        value = _value(cell, ranked)
        if value is None or any(_repeats(value, other) for other in distinct):
            continue
        distinct.append(value)
        if not is_proposed:
            of_readers += 1
    return distinct


def _repeats(value: CellValue, other: CellValue) -> bool:
    """Whether two values say the same with the same words of a document."""
    return _overlap(value, other) and value.says == other.says


def _value(cell: CellReading, ranked: Ranked) -> CellValue | None:
    """The value of a candidate; None if it does not have the column's type."""
    candidate = ranked.candidate
    if not says_something(candidate):
        return None
    if cell.kind == "text" and cell.source.is_several(candidate):
        return None

    words = said(candidate, cell.reading.documents)
    if not words.text or not words.citations:
        return None
    around = surroundings(words.text, words.citations[0], cell.reading.documents)
    meaning = in_column(words.text, candidate.verdict, cell.kind, around)
    if meaning is None:
        return None
    shown_text, typed = meaning
    return CellValue(shown_text, typed, words.citations, around, ranked)


def in_column(
    text: str, verdict: YesNo | None, kind: str, around: Surroundings
) -> tuple[str, Value | None] | None:
    """(what a cell shows of words in a column with this type, their typed value). None for words
    without a value of the type, and for words that an answer puts after a `verdict` in a column
    that asks for no yes or no.
    """
    if verdict and kind != "yes_no":
        return None
    typed = typed_value(text, kind, around)
    if typed is None:
        return (text, None) if kind in ("text", "list") else None
    if typed.verdict:
        return in_a_cell(typed.verdict), typed
    return text, typed


def surroundings(text: str, place: Citation, documents: Mapping[str, Document]) -> Surroundings:
    """What is around the words of a value in its document."""
    document = documents.get(place.document_id)
    if document is None or text != place.quote:
        return Surroundings()

    text_before = place.sentence[: place.start - place.sentence_start]
    text_after = place.sentence[place.end - place.sentence_start :]
    table = FactTable.at(document, place.start)
    row = row_at(document.blocks, place.start)
    if table is None or row is None or len(row.cells) < 2:
        headings = f"{path_of(place.headings)} {_introduction(document, place.start)}"
        return Surroundings(text_before, text_after, headings=headings)

    label_cell = row.cells[0]
    label = document.text[label_cell.start : label_cell.end]
    column = ""
    unit = ""
    for cell in row.cells:
        if cell.start <= place.start < cell.end:
            column = table.column_name(cell)
            unit = table.unit_of(cell, label)
            break
    return Surroundings(
        text_before,
        text_after,
        label=label,
        column=column,
        headings=f"{path_of(place.headings)} {table.statement}",
        unit=unit,
    )


def _introduction(document: Document, offset: int) -> str:
    """The sentence right above the list around an offset, or ""."""
    index = list_of(document.blocks, offset)
    if index is None:
        return ""
    sentence = lead_in(document, document.blocks[index].start)
    if sentence is None:
        return ""
    start, end = sentence
    return document.text[start:end]


# Features


@dataclass(frozen=True)
class JudgedRow:
    """The cells of one document that are asked together."""

    cells: Sequence[CellReading]
    vectors_of: TextVectors

    @functools.cached_property
    def values(self) -> list[list[CellValue]]:
        """The values that each cell may have."""
        return [values(cell) for cell in self.cells]

    def features(self, number: int, value: CellValue) -> dict[str, float]:
        """The features, by name, of a value of the cell with this number."""
        cell = self.cells[number]
        log_odds = value.log_odds
        is_by_both = cell.reading.first is not None
        return {
            "log_odds": log_odds,
            "both": float(is_by_both),
            "both_log_odds": log_odds * is_by_both,
            **{f"{name}_column": float(cell.kind == name) for name in TYPES},
            **{f"{name}_log_odds": log_odds * (cell.kind == name) for name in TYPES},
            **self._of_answer(number, value),
            **self._of_type(number, value),
            **self._of_rivals(number, value),
            **self._of_words(number, value),
            **self._of_fields(number, value),
            **self._of_meaning(number, value),
        }

    def _of_answer(self, number: int, value: CellValue) -> dict[str, float]:
        """The features of the judge of answers that are weighed anew."""
        vector = self._featurizers[number].vector(value.ranked.candidate)
        return {name: vector[name] for name in _OF_ANSWERS}

    @functools.cached_property
    def _featurizers(self) -> list[Featurizer]:
        return [Featurizer(cell.reading) for cell in self.cells]

    def _of_type(self, number: int, value: CellValue) -> dict[str, float]:
        """What kind of value it is, and how many of its kind the text has that was read."""
        typed = value.typed
        kind = ""
        unit = ""
        is_day = False
        is_whole = False
        if typed:
            kind = typed.kind
            unit = typed.unit or ""
            is_day = kind == "date" and typed.precision == "day"
            is_whole = typed.text == value.text

        question = normalize(self.cells[number].question)
        asks_for_unit = unit != "" and unit[:_STEM] in question
        return {
            **{f"is_{name}": float(kind == name) for name in _AMOUNTS},
            "is_day": float(is_day),
            "is_no": float(value.verdict == "no"),
            "is_whole": float(is_whole),
            "unit_asked": float(asks_for_unit),
            "like_it": math.log1p(len(self.values[number])),
        }

    def _of_rivals(self, number: int, value: CellValue) -> dict[str, float]:
        """How far the best other value of the cell is, and how much more other columns want the
        same words.
        """
        log_odds = value.log_odds
        rivals = [other.log_odds for other in self.values[number] if other.says != value.says]
        best_rival = max(rivals, default=-_LIMIT)

        in_other_columns = []
        for column, candidates in enumerate(self.values):
            if column == number:
                continue
            for other in candidates:
                if _overlap(value, other):
                    in_other_columns.append(other.log_odds)
        excess = 0.0
        if in_other_columns:
            excess = max(0.0, _limited(max(in_other_columns) - log_odds))
        return {
            "lead": _limited(log_odds - best_rival),
            "is_alone": float(not rivals),
            "is_first": float(not any(rival > log_odds for rival in rivals)),
            "is_wanted": float(bool(in_other_columns)),
            "wanted": math.log1p(len(in_other_columns)),
            "wanted_more": excess,
        }

    def _of_words(self, number: int, value: CellValue) -> dict[str, float]:
        """The share of the question's words, the rarer the heavier, in what is around the value."""
        stems = self._stems[number]
        place = value.citations[0]
        nearby_words = _nearby_words(value)
        label = _label(value)
        heading = place.headings[-1] if place.headings else ""
        context = " ".join(
            [
                place.title,
                path_of(place.headings),
                nearby_words,
                place.sentence,
                value.around.label or "",
            ]
        )

        share = self._share(number, stems, nearby_words)
        best_other = 0.0
        for column, other_stems in enumerate(self._stems):
            if column != number:
                best_other = max(best_other, self._share(number, other_stems, nearby_words))

        rarities = self._rarities[number]
        unread_stems = [stem for stem in stems if not rarities[stem].sentences]
        return {
            "words_near": share,
            "words_label": self._share(number, stems, label),
            "words_sentence": self._share(number, stems, place.sentence),
            "words_heading": self._share(number, stems, heading),
            "words_context": self._share(number, stems, context),
            "words_others": best_other,
            "words_lead": share - best_other,
            "words_absent": len(unread_stems) / max(1, len(stems)),
            "near_length": math.log1p(len(label.split())),
        }

    @functools.cached_property
    def _stems(self) -> list[frozenset[str]]:
        return [content_words(cell.question) for cell in self.cells]

    @functools.cached_property
    def _rarities(self) -> list[Mapping[str, Rarity]]:
        """The rarity of the stems of all columns in what was read for each cell."""
        stems = frozenset[str]().union(*self._stems)
        return [_rarity(cell.reading, stems) for cell in self.cells]

    def _share(self, number: int, stems: frozenset[str], text: str) -> float:
        """The share of the stems that a text has, the rarer the heavier."""
        rarities = self._rarities[number]
        total = sum(rarities[stem].weight for stem in stems)
        if not total:
            return 0.0
        shared_stems = stems & _stems_of(text)
        return sum(rarities[stem].weight for stem in shared_stems) / total

    def _of_fields(self, number: int, value: CellValue) -> dict[str, float]:
        """Whether it is the value of a labelled field, and how much labels, also of empty fields,
        are what the column asks.
        """
        cell = self.cells[number]
        filled_likeness = []
        empty_likeness = []
        for likeness, field in zip(cell.likeness, cell.source.fields, strict=True):
            if field.is_empty:
                empty_likeness.append(likeness)
            else:
                filled_likeness.append(likeness)
        best_filled = max(filled_likeness, default=0.0)
        best_empty = max(empty_likeness, default=0.0)
        features = {
            "field_best": best_filled,
            "field_rival": self._rival_field(number, value),
            "field_empty": best_empty,
            "field_emptier": best_empty - best_filled if empty_likeness else 0.0,
        }
        return features | self._of_own_field(number, value)

    def _of_own_field(self, number: int, value: CellValue) -> dict[str, float]:
        """Features of the labelled field that the value is in; {} if it is in none."""
        cell = self.cells[number]
        place = value.citations[0]
        own_field = cell.source.field_at(place.start)
        if own_field is None:
            return {}

        field = cell.source.fields[own_field]
        likeness = cell.likeness[own_field]
        rivals = []
        for rival_likeness, rival in zip(cell.likeness, cell.source.fields, strict=True):
            if rival.label != field.label:
                rivals.append(rival_likeness)
        in_other_columns = []
        for column, other_cell in enumerate(self.cells):
            if column != number:
                in_other_columns.append(other_cell.likeness[own_field])
        best_rival = max(rivals, default=0.0)
        best_other = max(in_other_columns, default=0.0)
        return {
            "field": 1.0,
            "field_log_odds": value.log_odds,
            "field_like": likeness,
            "field_lead": likeness - best_rival,
            "field_others": best_other,
            "field_others_lead": likeness - best_other,
            "field_whole": float(place.end == field.end),
        }

    def _rival_field(self, number: int, value: CellValue) -> float:
        """How much the column asks for the label of a field that says something else."""
        cell = self.cells[number]
        rival_starts = set()
        for other in self.values[number]:
            if other.says != value.says:
                rival_starts.add(other.citations[0].start)

        rivals = []
        for likeness, field in zip(cell.likeness, cell.source.fields, strict=True):
            if field.start in rival_starts:
                rivals.append(likeness)
        return max(rivals, default=0.0)

    def _of_meaning(self, number: int, value: CellValue) -> dict[str, float]:
        """Cosines of the question to what is around the value, and of the other columns'."""
        place = value.citations[0]
        heading = _heading(value)
        question = self.cells[number].vector
        other_questions = [
            cell.vector for column, cell in enumerate(self.cells) if column != number
        ]

        def cosine(text: str) -> float:
            return float(question @ self._vector(text))

        def best_other(text: str) -> float:
            """That of the likeliest other column."""
            vector = self._vector(text)
            cosines = [float(other @ vector) for other in other_questions]
            return max(cosines, default=0.0)

        nearby_words = _nearby_words(value)
        of_nearby_words = cosine(nearby_words)
        of_sentence = cosine(place.sentence)
        of_best = max(map(cosine, self._sentences[number]), default=0.0)
        nearby_lead = 0.0
        sentence_lead = 0.0
        if other_questions:
            nearby_lead = of_nearby_words - best_other(nearby_words)
            sentence_lead = of_sentence - best_other(place.sentence)
        return {
            "means_near": of_nearby_words,
            "means_sentence": of_sentence,
            "means_context": cosine(f"{heading}: {place.sentence}"),
            "means_label": cosine(_label(value) or heading),
            "means_behind": of_best - of_sentence,
            "means_best": of_best,
            "means_near_lead": nearby_lead,
            "means_sentence_lead": sentence_lead,
            **self._of_shape(question, value),
        }

    def _of_shape(self, question: Vectors, value: CellValue) -> dict[str, float]:
        """How much of what the question may want the value has: a date, a name, an address, …"""
        if value.verdict:
            return {}
        odds = {}
        for name, shape_question in _SHAPES.items():
            cosine = float(question @ self._vector(shape_question))
            odds[name] = math.exp(_SHARPNESS * cosine)
        total = sum(odds.values())
        likeliest_shape = max(odds, key=lambda name: odds[name])

        shapes = _shapes(value.text) | {"text"}
        has_likeliest = likeliest_shape in shapes
        certainty = odds[likeliest_shape] / total
        return {
            "shape_present": sum(odds[name] for name in shapes) / total,
            "shape_likeliest": float(has_likeliest),
            "shape_certain": certainty if has_likeliest else -certainty,
        }

    @functools.cached_property
    def _sentences(self) -> list[list[str]]:
        """The best sentences that were read for each cell."""
        best_sentences = []
        for cell in self.cells:
            scored = cell.reading.sentences[:_MOST_SENTENCES]
            best_sentences.append([sentence.text for sentence in scored])
        return best_sentences

    def _vector(self, text: str) -> Vectors:
        return self._vectors[text]

    @functools.cached_property
    def _vectors(self) -> Mapping[str, Vectors]:
        """The vectors of all texts that are compared, by text; they are embedded in one batch."""
        texts = list(_SHAPES.values())
        for candidates in self.values:
            for value in candidates:
                sentence = value.citations[0].sentence
                heading = _heading(value)
                label = _label(value) or heading
                texts += [_nearby_words(value), label, sentence, f"{heading}: {sentence}"]
        for sentences in self._sentences:
            texts += sentences

        distinct = list(dict.fromkeys(texts))
        return dict(zip(distinct, self.vectors_of(distinct), strict=True))


def _nearby_words(value: CellValue) -> str:
    """The value with the words that name it: its row and column, or those right beside it."""
    around = value.around
    quote = value.citations[0].quote
    if around.label is not None:
        return f"{around.label} {around.column}: {quote}"
    text_after = around.after[:_CHARACTERS_AFTER]
    return f"{_label(value)} {quote} {text_after}".strip()


def _heading(value: CellValue) -> str:
    """The innermost heading over the value, or the title of its document."""
    place = value.citations[0]
    return place.headings[-1] if place.headings else place.title


def _label(value: CellValue) -> str:
    """The words before the value on its line that name it, or its row and column."""
    around = value.around
    if around.label is not None:
        return f"{around.label} {around.column}".strip()
    line_start = around.before.rsplit("\n", 1)[-1]
    return line_start[-_CHARACTERS_BEFORE:].strip()


@functools.lru_cache(4096)
def _shapes(text: str) -> frozenset[str]:
    """The shapes that are in the words of a value."""
    shapes = {name for name, mark in _MARKS.items() if mark.search(text)}
    for figure in figures(text):
        if figure.date:
            shapes.add("date")
        if figure.time:
            shapes.add("time")
        if figure.quantity:
            shapes.add(figure.quantity.kind)
    return frozenset(shapes.intersection(_SHAPES))


class Rarity(NamedTuple):
    """The weight of a stem, and the number of sentences that were read with it."""

    weight: float
    sentences: int


def _rarity(reading: Reading, stems: frozenset[str]) -> dict[str, Rarity]:
    """The rarity of stems in the sentences that were read."""
    sentences = [_stems_of(sentence.text) for sentence in reading.scored]
    rarities = {}
    for stem in stems:
        count = sum(stem in words for words in sentences)
        weight = math.log((2 + len(sentences)) / (1 + count))
        rarities[stem] = Rarity(weight, count)
    return rarities


def _stems_of(text: str) -> set[str]:
    return {word[:_STEM] for word in normalize(text).split()}


def _overlap(value: CellValue, other: CellValue) -> bool:
    """Whether two values share words of a document."""
    return value.ranked.candidate.overlaps(other.ranked.candidate)


def _limited(number: float) -> float:
    """Log-odds within the limits."""
    return max(-_LIMIT, min(_LIMIT, number))

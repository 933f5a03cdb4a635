"""The judge of a grid's cells: how likely a value is what a column asks of one document.

Every document is asked, also those that do not say it, so that the best words of a document are
often about something else. What tells the two apart is whether the words beside a value speak of
what the column asks, whether an empty field of the document does, and whether another column of the
row asks for them more. One logistic model weighs that with what the readers say;
`eval/experiments/fit_cells.py` fits it.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from rag.answering.candidate import Candidate, Said, said
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
from rag.structure import row_at
from rag.types import Citation, Document, Place, Value, YesNo, in_a_cell, path_of

if TYPE_CHECKING:
    from rag.meaning.vectors import TextVectors, Vectors

SHIPPED = Path(__file__).with_name("cell_judge.json")
MOST, _FIELDS = 6, 3
"""Values of one cell that are judged: the likeliest of the readers', and those of fields."""
_BEFORE, _AFTER = 60, 40
"""Characters beside a value that name it."""
_LIMIT = 6.0
"""Log-odds are limited to this much above and below 0."""
_LEAST = 1e-4
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

    @functools.cached_property
    def says(self) -> str:
        """The same for values that say the same."""
        typed = self.typed
        if typed is None:
            return normalize(self.text)
        if self.verdict:
            return self.verdict
        if typed.iso or typed.number is not None:
            return f"{typed.iso} {typed.number} {typed.upper} {typed.unit}"
        return normalize(typed.text)


@dataclass(frozen=True, slots=True)
class CellJudge:
    """A fitted model of whether a value is right, with its thresholds.

    A value is given from `answered_from` on, and as a guess from `unsure_from` on. Between both of
    `undecided` the large reader reads a cell that the small one has read, and also where two
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
            low, high = stored["undecided"]
            return cls(
                model=Logistic(dict(stored["weights"]), float(stored["bias"])),
                answered_from=float(stored["answered_from"]),
                unsure_from=float(stored["unsure_from"]),
                undecided=(float(low), float(high)),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            again = f"{install_line()} --force-reinstall"
            raise ModelError(f"the judge of cells {path} cannot be read: {error}", again) from error

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
        found: list[CellValue | None] = []
        for number in numbers:
            probable = [
                replace(value, probability=self.model(judged.features(number, value)))
                for value in judged.values[number]
            ]
            found.append(likeliest(probable, is_lenient))
        return found

    def is_decided(self, value: CellValue) -> bool:
        """Whether the small reader decides a cell with this value."""
        low, high = self.undecided
        return not low <= value.probability < high and value.against < low


def likeliest(values: Sequence[CellValue], is_lenient: bool) -> CellValue | None:
    """The likeliest value, with how likely another verdict is. If it `is_lenient`, the
    probabilities of yes and of yes on a condition, which exclude each other, are added, and the one
    with the shorter quote stands for both.
    """
    best_of: dict[YesNo | None, CellValue] = {}
    for value in sorted(values, key=lambda value: -value.probability):
        best_of.setdefault(value.verdict, value)
    if is_lenient and "yes" in best_of and "condition" in best_of:
        agreeing = best_of.pop("yes"), best_of.pop("condition")
        shorter = min(agreeing, key=lambda value: (len(value.citations), -value.probability))
        together = min(1.0, sum(value.probability for value in agreeing))
        best_of[shorter.verdict] = replace(shorter, probability=together)

    ranked = sorted(best_of.values(), key=lambda value: -value.probability)
    if not ranked:
        return None
    best, *others = ranked
    verdicts = [value.probability for value in others if best.verdict and value.verdict]
    return replace(best, against=max(verdicts, default=0.0))


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

    def likeness(self, question: str, vector: Vectors) -> list[float]:
        """How much each field's label is what the question asks, in [0, 1]: the share of its words
        that the question has, and their cosine.
        """
        shares = [coverage(content_words(field.label), question) for field in self.fields]
        labels = self.vectors_of([field.label for field in self.fields])
        cosines = [float(vector @ label) for label in labels]
        return [(share + cosine) / 2 for share, cosine in zip(shares, cosines, strict=True)]

    def candidates(self, question: str, vector: Vectors, kind: str) -> tuple[Candidate, ...]:
        """Values that no reader needs to find: those of the fields whose labels are most like a
        column's question, and for text the document's heading.
        """
        likeness = self.likeness(question, vector)
        filled = [n for n, field in enumerate(self.fields) if not field.is_empty]
        likeliest = sorted(filled, key=lambda n: -likeness[n])[:_FIELDS]
        places = [self.fields[n].place for n in likeliest]
        if kind == "yes_no":
            return tuple(self._verdict(place) for place in places if self._says(place))
        if kind == "list":
            return tuple(Candidate("list", "items", (place,)) for place in places)
        if kind == "text":
            places += self._heading
        return tuple(Candidate("span", "span", (place,)) for place in places)

    def is_several(self, candidate: Candidate) -> bool:
        """Whether it quotes several fields, and so is no single value."""
        touched = {
            n
            for n, field in enumerate(self.fields)
            for place in candidate.places
            if place.start < max(field.end, field.start + 1) and field.start < place.end
        }
        return len(touched) > 1

    def _verdict(self, place: Place) -> Candidate:
        return Candidate("yes_no", "yes_no", (place,), verdict=self._says(place))

    def _says(self, place: Place) -> YesNo | None:
        """What a field says to yes or no, if that is its first word."""
        first = normalize(self.document.text[place.start : place.end]).split()[:1]
        return _SAYS.get("".join(first))

    @functools.cached_property
    def _heading(self) -> list[Place]:
        """The words of the first heading."""
        block = next((block for block in self.document.blocks if block.kind == "heading"), None)
        if block is None or not block.name:
            return []
        start = self.document.text.find(block.name, block.start, block.end)
        if start < 0:
            return []
        return [Place(self.document.id, start, start + len(block.name), heading=True)]


def values(cell: CellReading) -> list[CellValue]:
    """The likeliest values of the column's type, each once, with those of fields and headings."""
    found: list[CellValue] = []
    read = 0
    for ranked in cell.ranked:
        candidate = ranked.candidate
        is_own = candidate in cell.proposed
        if (read == MOST and not is_own) or not says_something(candidate):
            continue
        if cell.kind == "text" and cell.source.is_several(candidate):
            continue
        if cell.kind == "list" and candidate.verdict:
            continue
        words = said(candidate, cell.reading.documents)
        value = _value(cell, ranked, words) if words.text and words.citations else None
        if value is None or any(_overlap(value, one) and value.says == one.says for one in found):
            continue
        found.append(value)
        read += not is_own
    return found


def _value(cell: CellReading, ranked: Ranked, words: Said) -> CellValue | None:
    """None without a value of the column's type."""
    text = words.text or ""
    around = surroundings(text, words.citations[0], cell.reading.documents)
    meant = in_column(text, cell.kind, around)
    if meant is None:
        return None
    shown, typed = meant
    return CellValue(shown, typed, words.citations, around, ranked)


def in_column(text: str, kind: str, around: Surroundings) -> tuple[str, Value | None] | None:
    """(what a cell shows of words in a column with this type, their typed value); None for words
    without a value of the type.
    """
    typed = typed_value(text, kind, around)
    if typed is None and kind not in ("text", "list"):
        return None
    return (in_a_cell(typed.verdict) if typed and typed.verdict else text), typed


def surroundings(text: str, place: Citation, documents: Mapping[str, Document]) -> Surroundings:
    """What is around the words of a value in its document."""
    document = documents.get(place.document_id)
    if document is None or text != place.quote:
        return Surroundings()
    before = place.sentence[: place.start - place.sentence_start]
    after = place.sentence[place.end - place.sentence_start :]
    table = FactTable.at(document, place.start)
    row = row_at(document.blocks, place.start)
    if table is None or row is None or len(row.cells) < 2:
        return Surroundings(before, after)
    label = document.text[row.cells[0].start : row.cells[0].end]
    own = next((cell for cell in row.cells if cell.start <= place.start < cell.end), None)
    column = table.column_name(own) if own else ""
    headings = f"{path_of(place.headings)} {table.statement}"
    return Surroundings(before, after, label, column, headings)


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
        log_odds = logit(value.ranked.probability, _LEAST)
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
        vector = self._featurizers[number].vector(value.ranked.candidate)
        return {name: vector[name] for name in _OF_ANSWERS}

    @functools.cached_property
    def _featurizers(self) -> list[Featurizer]:
        return [Featurizer(cell.reading) for cell in self.cells]

    def _of_type(self, number: int, value: CellValue) -> dict[str, float]:
        """What kind of value it is, and how many of its kind the text has that was read."""
        kind = value.typed.kind if value.typed else ""
        precision = (value.typed.precision or "") if value.typed else ""
        unit = (value.typed.unit or "") if value.typed else ""
        question = normalize(self.cells[number].question)
        return {
            **{f"is_{name}": float(kind == name) for name in _AMOUNTS},
            "is_day": float(kind == "date" and precision == "day"),
            "is_no": float(bool(value.typed and value.typed.verdict == "no")),
            "is_whole": float(bool(value.typed and value.typed.text == value.text)),
            "unit_asked": float(bool(unit) and unit[:5] in question),
            "like_it": math.log1p(len(self.values[number])),
        }

    def _of_rivals(self, number: int, value: CellValue) -> dict[str, float]:
        """How far the best other value of the cell is, and how much more other columns want the
        same words.
        """
        own = logit(value.ranked.probability, _LEAST)
        rivals = [
            logit(other.ranked.probability, _LEAST)
            for other in self.values[number]
            if other.says != value.says
        ]
        wanted = [
            logit(other.ranked.probability, _LEAST)
            for column, found in enumerate(self.values)
            if column != number
            for other in found
            if _overlap(value, other)
        ]
        taken = max(wanted, default=-_LIMIT) - own
        return {
            "lead": _limited(own - max(rivals, default=-_LIMIT)),
            "is_alone": float(not rivals),
            "is_first": float(not any(other > own for other in rivals)),
            "is_wanted": float(bool(wanted)),
            "wanted": math.log1p(len(wanted)),
            "wanted_more": max(0.0, _limited(taken)) if wanted else 0.0,
        }

    def _of_words(self, number: int, value: CellValue) -> dict[str, float]:
        """The share of the question's words, the rarer the heavier, in what is around the value."""
        stems = self._stems[number]
        place = value.citations[0]
        near, label = _near(value), _label(value)
        heading = place.headings[-1] if place.headings else ""
        table_label = value.around.label or ""
        context = " ".join(
            [place.title, path_of(place.headings), near, place.sentence, table_label]
        )
        own = self._share(number, stems, near)
        others = [
            self._share(number, self._stems[column], near)
            for column in range(len(self.cells))
            if column != number
        ]
        absent = [stem for stem in stems if not self._rarities[number][stem].sentences]
        return {
            "words_near": own,
            "words_label": self._share(number, stems, label),
            "words_sentence": self._share(number, stems, place.sentence),
            "words_heading": self._share(number, stems, heading),
            "words_context": self._share(number, stems, context),
            "words_others": max(others, default=0.0),
            "words_lead": own - max(others, default=0.0),
            "words_absent": len(absent) / max(1, len(stems)),
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
        rarities = self._rarities[number]
        present = {word[:5] for word in normalize(text).split()}
        total = sum(rarities[stem].weight for stem in stems)
        shared = sum(rarities[stem].weight for stem in stems & present)
        return shared / total if total else 0.0

    def _of_fields(self, number: int, value: CellValue) -> dict[str, float]:
        """Whether it is the value of a labelled field, and how much labels, also of empty fields,
        are what the column asks.
        """
        cell = self.cells[number]
        likeness, labelled = cell.likeness, cell.source.fields
        start = value.citations[0].start
        own = next((n for n, one in enumerate(labelled) if one.start <= start < one.end), None)
        filled = [like for like, one in zip(likeness, labelled, strict=True) if not one.is_empty]
        empty = [like for like, one in zip(likeness, labelled, strict=True) if one.is_empty]
        about = {
            "field_best": max(filled, default=0.0),
            "field_rival": self._rival_field(number, value),
            "field_empty": max(empty, default=0.0),
            "field_emptier": max(empty, default=0.0) - max(filled, default=0.0) if empty else 0.0,
        }
        if own is None:
            return about
        label = labelled[own].label
        rivals = [like for like, one in zip(likeness, labelled, strict=True) if one.label != label]
        others = [c.likeness[own] for n, c in enumerate(self.cells) if n != number]
        return about | {
            "field": 1.0,
            "field_log_odds": logit(value.ranked.probability, _LEAST),
            "field_like": likeness[own],
            "field_lead": likeness[own] - max(rivals, default=0.0),
            "field_others": max(others, default=0.0),
            "field_others_lead": likeness[own] - max(others, default=0.0),
            "field_whole": float(value.citations[0].end == labelled[own].end),
        }

    def _rival_field(self, number: int, value: CellValue) -> float:
        """How much the column asks for the label of a field that says something else."""
        cell = self.cells[number]
        starts = {
            other.citations[0].start for other in self.values[number] if other.says != value.says
        }
        return max(
            (
                like
                for like, one in zip(cell.likeness, cell.source.fields, strict=True)
                if one.start in starts
            ),
            default=0.0,
        )

    def _of_meaning(self, number: int, value: CellValue) -> dict[str, float]:
        """Cosines of the question to what is around the value, and of the other columns'."""
        place, heading = value.citations[0], _heading(value)
        near, sentence = self._vector(_near(value)), self._vector(place.sentence)
        context = self._vector(f"{heading}: {place.sentence}")
        question = self.cells[number].vector
        others = [cell.vector for column, cell in enumerate(self.cells) if column != number]
        best = max(
            (float(question @ self._vector(text)) for text in self._sentences[number]), default=0.0
        )
        own_near, own_sentence = float(question @ near), float(question @ sentence)
        other_near = max((float(other @ near) for other in others), default=0.0)
        other_sentence = max((float(other @ sentence) for other in others), default=0.0)
        return {
            "means_near": own_near,
            "means_sentence": own_sentence,
            "means_context": float(question @ context),
            "means_label": float(question @ self._vector(_label(value) or heading)),
            "means_behind": best - own_sentence,
            "means_best": best,
            "means_near_lead": own_near - other_near if others else 0.0,
            "means_sentence_lead": own_sentence - other_sentence if others else 0.0,
            **self._of_shape(question, value),
        }

    def _of_shape(self, question: Vectors, value: CellValue) -> dict[str, float]:
        """How much of what the question may want the value has: a date, a name, an address, …"""
        if value.typed and value.typed.verdict:
            return {}
        likely = {
            name: math.exp(_SHARPNESS * float(question @ self._vector(asked)))
            for name, asked in _SHAPES.items()
        }
        total = sum(likely.values())
        present = _shapes(value.text) | {"text"}
        likeliest = max(likely, key=lambda name: likely[name])
        return {
            "shape_present": sum(likely[name] for name in present) / total,
            "shape_likeliest": float(likeliest in present),
            "shape_certain": (likely[likeliest] / total) * (1.0 if likeliest in present else -1.0),
        }

    @functools.cached_property
    def _sentences(self) -> list[list[str]]:
        return [[one.text for one in cell.reading.sentences[:5]] for cell in self.cells]

    def _vector(self, text: str) -> Vectors:
        return self._vectors[text]

    @functools.cached_property
    def _vectors(self) -> Mapping[str, Vectors]:
        texts = dict.fromkeys(_SHAPES.values())
        for found in self.values:
            for value in found:
                sentence, heading = value.citations[0].sentence, _heading(value)
                beside = (_near(value), _label(value) or heading)
                texts |= dict.fromkeys((*beside, sentence, f"{heading}: {sentence}"))
        for sentences in self._sentences:
            texts |= dict.fromkeys(sentences)
        return dict(zip(texts, self.vectors_of(list(texts)), strict=True))


def _near(value: CellValue) -> str:
    """The value with the words that name it: its row and column, or those right beside it."""
    around, quote = value.around, value.citations[0].quote
    if around.label is not None:
        return f"{around.label} {around.column}: {quote}"
    return f"{_label(value)} {quote} {around.after[:_AFTER]}".strip()


def _heading(value: CellValue) -> str:
    """The innermost heading over the value, or the title of its document."""
    place = value.citations[0]
    return place.headings[-1] if place.headings else place.title


def _label(value: CellValue) -> str:
    """The words before the value on its line that name it, or its row and column."""
    around = value.around
    if around.label is not None:
        return f"{around.label} {around.column}".strip()
    return around.before.rsplit("\n", 1)[-1][-_BEFORE:].strip()


@functools.lru_cache(4096)
def _shapes(text: str) -> frozenset[str]:
    """The shapes that are in the words of a value."""
    found = {name for name, mark in _MARKS.items() if mark.search(text)}
    for figure in figures(text):
        if figure.date:
            found.add("date")
        if figure.time:
            found.add("time")
        if figure.quantity:
            found.add(figure.quantity.kind)
    return frozenset(found.intersection(_SHAPES))


class Rarity(NamedTuple):
    """The weight of a stem, and the number of sentences that were read with it."""

    weight: float
    sentences: int


def _rarity(reading: Reading, stems: frozenset[str]) -> dict[str, Rarity]:
    sentences = [{word[:5] for word in normalize(one.text).split()} for one in reading.scored]
    counts = {stem: sum(stem in words for words in sentences) for stem in stems}
    total = len(sentences)
    return {stem: Rarity(math.log((2 + total) / (1 + n)), n) for stem, n in counts.items()}


def _overlap(value: CellValue, other: CellValue) -> bool:
    return value.ranked.candidate.overlaps(other.ranked.candidate)


def _limited(number: float) -> float:
    return max(-_LIMIT, min(_LIMIT, number))

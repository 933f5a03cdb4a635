"""The model that says which line of a table, and which group of lines, a question measures.

It knows what statements call a figure and what people call it. A map of the embedder's vectors
brings both near each other; a scorer weighs this with the words that a question and a line share.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag.answering.table_lines import TOTAL_STEM, ComparedGroup, TableLine, figure_of, lines_of
from rag.answering.table_questions import TableQuestion, measure_of, without_possessive
from rag.facts import without_periods
from rag.meaning.stems import stem_words
from rag.meaning.vectors import TextVectors
from rag.meaning.words import STOP_WORDS
from rag.types import Document

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rag.meaning.vectors import Embed

_DOCUMENTS_KEPT = 16
"""Documents whose lines are kept for the next question."""
FEATURES = (
    "asked_in_label",
    "asked_in_path",
    "label_in_asked",
    "context_in_asked",
    "is_label",
    "label_like",
    "label_lead",
    "path_like",
    "path_lead",
    "raw_like",
    "rank",
    "names_like",
    "names_lead",
    "names_behind",
    "name_of_asked",
    "words_like",
    "least_word_like",
    "label_words_like",
    "total_asked",
    "total_not_asked",
    "series_unasked",
    "is_series_total",
    "names_missing",
    "other_series",
    "other_kind",
    "unknown_words",
    "is_other_unit",
    "is_length_unstated",
    "is_before_other",
    "document_rank",
    "words",
)
GROUP_FEATURES = (
    "asked",
    "likeness",
    "likeness_lead",
    "names_missing",
    "document_rank",
    "items",
    "group_in_asked",
    "asked_missing",
)
SHIPPED = Path(__file__).with_name("table_matcher.safetensors")
LEVELS = 127.0
"""The vectors of names are kept in 8 bits: their components times this, rounded."""


# The measure of a question


_MEASURE_WORD = re.compile(r"[^\W_]+(?:[-.&][^\W_]+)*(?:['’]s\b)?")
_BEFORE_MEASURE = re.compile(
    r"(?i)^(?:and |so )?(?:(?:what|which)(?:['’]s| is| was| were| are)? )(?:the )?"
)
_AFTER_MEASURE = frozenset(
    "in for at on of by as the to from over end ended and start first second third fourth last"
    " fiscal early late since until before after a".split()
)
"""Words that are left at the end of a phrase when its period is taken out."""
_COMPANY = "the company"
_GENERIC = frozenset(
    stem
    for stem in (
        "total amount figur valu compani group report record stand stood end year amount number sum"
        " much mani amount all whole overal give show say state net big larg rate go come make earn"
        " have had hold held book balanc line item account also its own"
    ).split()
)
"""Stems of words that any measure may have."""


@dataclass(frozen=True)
class Measure:
    """What a question asks for, beside the lines of tables that may state it.

    `text` is the phrase without periods, with "the company" for names of the documents; `words`
    are those of it that say what is measured; `stems` those of the whole phrase, `question_stems`
    those of the question. `weights` say how rare a stem is in the labels.
    """

    text: str
    words: tuple[str, ...]
    stems: frozenset[str]
    question_stems: frozenset[str]
    weights: Mapping[str, float]

    @classmethod
    def of(cls, question: TableQuestion, phrase: str, lines: Sequence[TableLine]) -> Measure:
        """The measure that a phrase of a question names."""
        weights = _weights({line.label_stems for line in lines})
        titles = frozenset[str]().union(*(line.title_stems for line in lines))
        table_stems = frozenset(weights).union(*(line.context_stems for line in lines))
        nameless = _without_names(without_periods(phrase), titles, table_stems)
        measured = measure_of(nameless)
        text = measured if question.operation else _BEFORE_MEASURE.sub("", nameless)
        text = _without_tail(text.strip(" ?,."))

        words = []
        for match in _MEASURE_WORD.finditer(text):
            word = without_possessive(match[0].lower())
            if word not in words and _is_measured(word):
                words.append(word)
        return cls(
            text=text,
            words=tuple(words),
            stems=frozenset(stem_words(measured)) - _GENERIC,
            question_stems=frozenset(stem_words(question.text)),
            weights=weights,
        )

    def share(self, matched: frozenset[str], of: frozenset[str]) -> float:
        """The share of the stems `of` that are among `matched`, rare ones counting more."""
        total = sum(map(self._weight, of))
        if not total:
            return 0.0
        return sum(map(self._weight, of & matched)) / total

    def _weight(self, stem: str) -> float:
        """How rare a stem is; one that no label has is the rarest."""
        weight_of_unknown = math.log(1 + len(self.weights))
        return self.weights.get(stem, weight_of_unknown)


def _weights(labels: Set[frozenset[str]]) -> dict[str, float]:
    """How rare each stem is in labels, given by their stems."""
    counts = Counter[str]()
    for label in labels:
        counts.update(label)
    weights = {}
    for stem, count in counts.items():
        weights[stem] = math.log(1 + len(labels) / count)
    return weights


def _without_tail(phrase: str) -> str:
    """The phrase up to its last word that says something; at least its first word."""
    words = phrase.split()
    while len(words) > 1:
        last_word = words[-1].strip(",").lower()
        if last_word not in _AFTER_MEASURE:
            break
        words.pop()
    return " ".join(words).rstrip(" ,")


def _is_measured(word: str) -> bool:
    """Whether a word of a measure says what is measured."""
    if word in STOP_WORDS:
        return False
    stems = frozenset(stem_words(word))
    return not stems <= _GENERIC


def _without_names(phrase: str, titles: frozenset[str], table_stems: frozenset[str]) -> str:
    """The phrase with "the company" for names of documents. A word in lower case that is also in a
    table is not a name.
    """

    def marked(match: re.Match[str]) -> str:
        word = match[0]
        stems = frozenset(stem_words(without_possessive(word)))
        is_in_title = bool(stems) and stems <= titles
        may_be_name = word[0].isupper() or not stems <= table_stems
        return "\0" if is_in_title and may_be_name else word

    phrase_marked = _MEASURE_WORD.sub(marked, phrase)
    return re.sub(r"(?:the )?\0(?:[\s&,.-]*\0)*", _COMPANY, phrase_marked)


# The matcher


def shares_of(scores: Sequence[float]) -> list[float]:
    """The softmax of scores."""
    highest = max(scores)
    odds = [math.exp(score - highest) for score in scores]
    total = sum(odds)
    return [candidate_odds / total for candidate_odds in odds]


@dataclass(frozen=True)
class Scorer:
    """A softmax over candidates, or none of them. A candidate's score is linear in its features,
    plus a layer of hidden units: `direct` has the shape (features,), `inner` (features, hidden),
    `bias` and `outer` (hidden,). `null` is the score of "none of them". Without hidden units it is
    a logistic regression over candidates (McFadden 1974: conditional logit).
    """

    direct: NDArray[np.float32]
    inner: NDArray[np.float32]
    bias: NDArray[np.float32]
    outer: NDArray[np.float32]
    null: float

    @classmethod
    def of(cls, tensors: Mapping[str, NDArray[np.float32]], name: str) -> Scorer:
        """The one that `tensors` has saved under a name."""
        return cls(
            direct=tensors[f"{name}.direct"],
            inner=tensors[f"{name}.inner"],
            bias=tensors[f"{name}.bias"],
            outer=tensors[f"{name}.outer"],
            null=float(tensors[f"{name}.null"][0]),
        )

    def tensors(self, name: str) -> dict[str, NDArray[np.float32]]:
        """What `of` reads; safetensors saves an array in the order of its memory."""
        import numpy as np

        return {
            f"{name}.direct": self.direct,
            f"{name}.inner": np.ascontiguousarray(self.inner),
            f"{name}.bias": self.bias,
            f"{name}.outer": self.outer,
            f"{name}.null": np.array([self.null], dtype=np.float32),
        }

    def probabilities(self, rows: NDArray[np.float32]) -> list[float]:
        """One for each row of features; with that of "none" they add up to 1."""
        import numpy as np

        hidden = np.tanh(rows @ self.inner + self.bias)
        scores = (rows @ self.direct + hidden @ self.outer).tolist()
        return shares_of([*scores, self.null])[:-1]


@dataclass(frozen=True)
class MeasureNames:
    """What statements call a figure and what people call it: `vectors`, shape (names, dim), of
    length 1; names of the same figure, `figures`, shape (names,), are one after the other.
    `are_labels` says which of them statements use.
    """

    vectors: NDArray[np.float32]
    figures: NDArray[np.int32]
    are_labels: NDArray[np.bool_]

    def likeness(self, vectors: NDArray[np.float32], labels: bool) -> NDArray[np.float32]:
        """The likeness of texts to each figure, shape (texts, figures): that of its likest name, of
        all or of those in statements.
        """
        import numpy as np

        is_compared = self.are_labels if labels else np.ones_like(self.are_labels)
        compared_figures = self.figures[is_compared]
        _, starts = np.unique(compared_figures, return_index=True)
        likeness: NDArray[np.float32] = vectors @ self.vectors[is_compared].T
        return np.maximum.reduceat(likeness, starts, axis=1)


@dataclass
class Matcher:
    """Says which lines and groups a measure means.

    `down`, shape (dim, rank), and `up`, shape (rank, dim), move the vectors of measures and labels
    so that those which people use for each other are near.
    """

    rows: Scorer
    groups: Scorer
    vectors_of: TextVectors
    down: NDArray[np.float32]
    up: NDArray[np.float32]
    names: MeasureNames
    lines: dict[tuple[str, str], list[TableLine]] = field(default_factory=dict)
    """by id and digest of the documents that were read last"""

    @classmethod
    def shipped(cls, embed: Embed, path: Path = SHIPPED) -> Matcher:
        """The shipped weights, which were measured with the default embedder."""
        from safetensors.numpy import load_file

        tensors = {name: tensor.astype("float32") for name, tensor in load_file(path).items()}
        return cls(
            rows=Scorer.of(tensors, "rows"),
            groups=Scorer.of(tensors, "groups"),
            vectors_of=TextVectors(embed),
            down=tensors["down"],
            up=tensors["up"],
            names=MeasureNames(
                vectors=(tensors["names"] / LEVELS).astype("float32"),
                figures=tensors["figures"].astype("int32"),
                are_labels=tensors["are_labels"].astype(bool),
            ),
        )

    def lines_of(self, document: Document) -> list[TableLine]:
        """The lines of a document's tables, kept for the next question."""
        key = document.id, document.sha256
        if key not in self.lines:
            if len(self.lines) >= _DOCUMENTS_KEPT:
                del self.lines[next(iter(self.lines))]
            self.lines[key] = lines_of(document)
        return self.lines[key]

    def moved(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Vectors of texts, where those that are used for each other are near, of length 1."""
        import numpy as np

        shifted = vectors + vectors @ self.down @ self.up
        lengths = np.linalg.norm(shifted, axis=1, keepdims=True)
        return np.asarray(shifted / lengths, dtype=np.float32)

    def features(
        self, question: TableQuestion, phrase: str, lines: Sequence[TableLine]
    ) -> NDArray[np.float32]:
        """One row of features for each line, shape (lines, features). The lines are in the order of
        their documents, the likeliest document first.
        """
        import numpy as np

        measure = Measure.of(question, phrase, lines)
        labels = [line.label for line in lines]
        paths = [line.path for line in lines]
        vectors = self.vectors_of([measure.text, *labels, *paths])
        moved = self.moved(vectors)

        labels_end = 1 + len(lines)
        label_likeness = moved[1:labels_end] @ moved[0]
        path_likeness = moved[labels_end:] @ moved[0]
        ranks_by_path = np.argsort(np.argsort(-path_likeness))
        columns = {
            "label_like": label_likeness,
            "label_lead": _lead(label_likeness, lines),
            "path_like": path_likeness,
            "path_lead": _lead(path_likeness, lines),
            "raw_like": vectors[1:labels_end] @ vectors[0],
            "rank": np.log1p(ranks_by_path),
        }
        columns |= self._name_features(moved[:1], moved[1:labels_end], lines)
        columns |= self._word_features(measure, lines)

        rows = [_stem_features(question, measure, line) for line in lines]
        for name in rows[0]:
            columns[name] = np.array([row[name] for row in rows])
        ranks = _document_ranks(lines)
        columns["document_rank"] = np.array([float(ranks[line.document.id]) for line in lines])
        columns |= _period_features(question, lines)
        return np.stack([columns[name] for name in FEATURES], axis=1)

    def _name_features(
        self, measure: NDArray[np.float32], labels: NDArray[np.float32], lines: Sequence[TableLine]
    ) -> dict[str, NDArray[np.float32]]:
        """Whether the measure and a label are names of one figure, and how much more the measure is
        like a name of another figure. `measure` has the shape (1, dim), `labels` (lines, dim).
        """
        import numpy as np

        by_measure = self.names.likeness(measure, labels=False)[0]
        by_label = np.clip(self.names.likeness(labels, labels=True), 0, 1) ** 2
        by_both = by_label * by_measure
        likest_figures = by_both.argmax(axis=1)
        likeness = by_both.max(axis=1)
        return {
            "names_like": likeness,
            "names_lead": _lead(likeness, lines),
            "names_behind": by_measure.max() - by_measure[likest_figures],
            "name_of_asked": by_label[:, by_measure.argmax()],
        }

    def _word_features(
        self, measure: Measure, lines: Sequence[TableLine]
    ) -> dict[str, NDArray[np.float32]]:
        """How well each word of the measure is said by a word of each line, and the reverse."""
        import numpy as np

        words_by_label = [_words_of(line.label) for line in lines]
        words_by_line = []
        for label_words, line in zip(words_by_label, lines, strict=True):
            words_by_line.append((*label_words, *_words_of(line.context)))
        column_of: dict[str, int] = {}
        for line_words in words_by_line:
            for word in line_words:
                column_of.setdefault(word, len(column_of))

        measure_words = measure.words or (measure.text,)
        moved = self.moved(self.vectors_of([*measure_words, *column_of]))
        likeness = moved[: len(measure_words)] @ moved[len(measure_words) :].T

        means: list[float] = []
        minima: list[float] = []
        label_means: list[float] = []
        for line_words, label_words in zip(words_by_line, words_by_label, strict=True):
            of_measure: NDArray[np.floating[Any]] = np.zeros(len(measure_words))
            if line_words:
                line_columns = [column_of[word] for word in line_words]
                of_measure = likeness[:, line_columns].max(axis=1)
            means.append(float(of_measure.mean()))
            minima.append(float(of_measure.min()))

            of_label: NDArray[np.floating[Any]] = np.zeros(1)
            if label_words:
                label_columns = [column_of[word] for word in label_words]
                of_label = likeness[:, label_columns].max(axis=0)
            label_means.append(float(of_label.mean()))
        return {
            "words_like": np.array(means),
            "least_word_like": np.array(minima),
            "label_words_like": np.array(label_means),
        }

    def group_features(
        self, question: TableQuestion, phrase: str, groups: Sequence[ComparedGroup]
    ) -> NDArray[np.float32]:
        """One row of features for each group, shape (groups, features)."""
        import numpy as np

        measure = measure_of(phrase)
        texts = [group.text for group in groups]
        vectors = self.moved(self.vectors_of([measure, *texts]))
        likeness = (vectors[1:] @ vectors[0]).tolist()
        highest = max(likeness, default=0.0)

        measure_stems = frozenset(stem_words(measure))
        ranks = _document_ranks([group.line for group in groups])
        rows: list[list[float]] = []
        for group, group_likeness in zip(groups, likeness, strict=True):
            by_name = _group_stem_features(question, measure_stems, group)
            by_name["likeness"] = group_likeness
            by_name["likeness_lead"] = group_likeness - highest
            by_name["document_rank"] = float(ranks[group.line.document.id])
            rows.append([by_name[name] for name in GROUP_FEATURES])
        return np.array(rows, dtype=np.float32)


@functools.lru_cache(8192)
def _words_of(text: str) -> tuple[str, ...]:
    """The words of a label that say something, in lower case."""
    words: dict[str, None] = {}
    for match in _MEASURE_WORD.finditer(text):
        word = match[0].lower()
        if word not in STOP_WORDS and not word.isdecimal():
            words[word] = None
    return tuple(words)


def _document_ranks(lines: Sequence[TableLine]) -> dict[str, int]:
    """The rank of each document, from 0."""
    names = dict.fromkeys(line.document.id for line in lines)
    return {name: rank for rank, name in enumerate(names)}


def _lead(likeness: NDArray[np.float32], lines: Sequence[TableLine]) -> NDArray[np.float32]:
    """How far each line is before the likeliest one with another label, negative if behind."""
    import numpy as np

    order = np.argsort(-likeness)
    winner = order[0]
    winning_label = lines[winner].label
    has_label_of_winner = np.array([line.label == winning_label for line in lines])

    margin = 0.0
    for number in order:
        if not has_label_of_winner[number]:
            margin = float(likeness[winner] - likeness[number])
            break

    behind = likeness - likeness[winner]
    lead = np.where(has_label_of_winner, behind + margin, behind)
    return np.asarray(lead, dtype=np.float32)


def _stem_features(question: TableQuestion, measure: Measure, line: TableLine) -> dict[str, float]:
    """The features of a line that need neither vectors nor other lines."""
    title = line.title_stems
    label = line.label_stems
    context = line.context_stems
    series = line.series_stems
    line_stems = label | context
    named = title | line_stems | line.statement_stems
    measured = (measure.stems - title - question.names) | (measure.stems & line_stems)
    total = {TOTAL_STEM}
    label_measured = label - total
    is_label = bool(label) and measured - context - total == label_measured - context
    is_total_asked = TOTAL_STEM in measure.question_stems
    is_of_period = bool(line.facts[0].periods.months)
    other_series_asked = line.other_series_stems & (measure.question_stems - label - title)

    series_unasked = 0.0
    if series:
        series_unasked = 1 - len(series & measure.question_stems) / len(series)

    return {
        "asked_in_label": measure.share(label, measured),
        "asked_in_path": measure.share(line_stems, measured),
        "label_in_asked": measure.share(measure.question_stems, label_measured),
        "context_in_asked": measure.share(measure.question_stems, context),
        "is_label": float(is_label),
        "total_asked": float(is_total_asked and line.row.is_total),
        "total_not_asked": float(not is_total_asked and line.row.is_total),
        "series_unasked": series_unasked,
        "is_series_total": float(TOTAL_STEM in line.series.lower()),
        "names_missing": float(len(question.names - named)),
        "other_series": float(bool(other_series_asked)),
        "other_kind": float(question.is_of_a_day and is_of_period),
        "unknown_words": float(len(measured - named)),
        "is_other_unit": float(_is_other_unit(question, line)),
        "words": math.log1p(len(label)),
    }


_OF_SHARE = re.compile(
    r"(?i)%|\b(?:percent\w*|per cent|pct|rates?|ratios?|margins?|shares? of|yield|proportion|return"
    r" on|how (?:big|large) a part)\b"
)
"""Words of a question that may ask for a percentage."""
_OF_NUMBER = re.compile(r"(?i)\bhow many\b|\bnumber of\b")
"""Words of a question that asks for a count, not for money."""


def _is_other_unit(question: TableQuestion, line: TableLine) -> bool:
    """Whether a line has percentages and the question asks for none, or money where it counts."""
    fact = line.facts[0]
    if fact.unit == "percent":
        return not _OF_SHARE.search(question.text)
    return fact.is_money and bool(_OF_NUMBER.search(question.text))


def _period_features(
    question: TableQuestion, lines: Sequence[TableLine]
) -> dict[str, NDArray[np.float32]]:
    """Whether the question says how long its period is and a line's figure does not, and whether
    the figure is of an earlier day of the asked period than that of another line of the same label.
    """
    import numpy as np

    target = question.target
    is_length_asked = target is not None and bool(target.months or target.quarters)
    are_unstated: list[bool] = []
    days: list[str] = []
    last_days: dict[tuple[str, str], str] = {}
    for line in lines:
        fact = figure_of(line, target)
        stated = fact.periods if fact else None
        is_unstated = stated is not None and not (stated.months or stated.quarters)
        are_unstated.append(is_length_asked and is_unstated)

        day = max(stated.days, default="") if stated else ""
        days.append(day)
        key = (line.label, line.series)
        last_days[key] = max(day, last_days.get(key, ""))

    are_before = [
        bool(day) and day < last_days[line.label, line.series]
        for line, day in zip(lines, days, strict=True)
    ]
    return {
        "is_length_unstated": np.array(are_unstated, dtype=np.float32),
        "is_before_other": np.array(are_before, dtype=np.float32),
    }


def _group_stem_features(
    question: TableQuestion, measure_stems: frozenset[str], group: ComparedGroup
) -> dict[str, float]:
    """The features of a group that need neither vectors nor other groups."""
    title = group.line.title_stems
    text = frozenset(stem_words(group.text))
    item_labels = " ".join(item.label for item in group.items)
    labels = frozenset(stem_words(item_labels))
    measured = (measure_stems - title - question.names) | (measure_stems & text)
    question_stems = frozenset(stem_words(question.text))

    asked = 0.0
    if measured:
        asked = len(measured & text) / len(measured)
    group_in_asked = 0.0
    if text:
        group_in_asked = len(text & question_stems) / len(text)
    return {
        "asked": asked,
        "names_missing": float(len(question.names - title - text - labels)),
        "items": math.log1p(len(group.items)),
        "group_in_asked": group_in_asked,
        "asked_missing": float(len(measured - text)),
    }

"""Answers from the figures of tables: the figure that a question asks for by its label, the label
of the largest or smallest, whether a figure rose or fell, and what is computed from two of them.

A fitted model matches the measure of the question to the lines of the tables in the documents that
were found. Names that stand neither in the document's title nor in the line make it refuse.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rag.answering.candidate import Candidate
from rag.answering.table_lines import (
    TOTAL_STEM,
    Group,
    Line,
    can_answer,
    chosen,
    figure_key,
    figure_of,
    figure_pair,
    groups_to_choose,
    is_foreign,
    is_foreign_group,
    lines_of,
    title_stems,
)
from rag.answering.table_questions import Asked, measure_of, table_question, without_possessive
from rag.facts import Fact, without_periods
from rag.meaning.stems import stem_words
from rag.meaning.vectors import TextVectors
from rag.meaning.words import STOP_WORDS
from rag.types import Document, Place, YesNo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rag.meaning.vectors import Embed


_MOST_DOCUMENTS = 3
"""Documents, best first, whose tables are matched."""
_SURE, _SURE_COMPUTED, _SURE_GROUP = 0.65, 0.75, 0.75
"""Probabilities of a line, of each line of a computed answer, and of a group, from which on their
figures are proposed."""
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
SHIPPED = Path(__file__).with_name("table_figures.safetensors")
LEVELS = 127.0
"""The vectors of names are kept in 8 bits: their components times this, rounded."""
_ASKED_WORD = re.compile(r"[^\W_]+(?:[-.][^\W_]+)*(?:['’]s\b)?")
_LEAD = re.compile(r"(?i)^(?:and |so )?(?:(?:what|which)(?:['’]s| is| was| were| are)? )(?:the )?")
_TAIL = frozenset(
    "in for at on of by as the to from over end ended and start first second third fourth last"
    " fiscal early late since until before after a".split()
)
"""Words that are left at the end of a phrase when its period is taken out."""
_COMPANY = "the company"


def _without_tail(phrase: str) -> str:
    """The phrase up to its last word that says something; at least its first word."""
    words = phrase.split()
    while len(words) > 1 and words[-1].strip(",").lower() in _TAIL:
        words.pop()
    return " ".join(words).rstrip(" ,")


@dataclass(frozen=True)
class Measure:
    """What a question asks for, beside the lines of tables that may state it.

    `text` is the phrase without periods, with "the company" for names of the documents; `words`
    are what counts in it; `stems` those of the whole phrase, `asked_stems` those of the question.
    `weights` say how rare a stem is in the labels.
    """

    text: str
    words: tuple[str, ...]
    stems: frozenset[str]
    asked_stems: frozenset[str]
    weights: Mapping[str, float]

    @classmethod
    def of(cls, asked: Asked, phrase: str, lines: Sequence[Line]) -> Measure:
        labels = {line.label_stems for line in lines}
        counts = Counter(stem for label in labels for stem in label)
        weights = {stem: math.log(1 + len(labels) / count) for stem, count in counts.items()}
        titles = frozenset[str]().union(*(line.title_stems for line in lines))
        known = frozenset(counts).union(*(line.context_stems for line in lines))
        bare = _without_names(without_periods(phrase), titles, known)
        text = measure_of(bare) if asked.operation else _LEAD.sub("", bare)
        text = _without_tail(text.strip(" ?,."))
        stems = frozenset(stem_words(measure_of(bare))) - _GENERIC
        words = dict.fromkeys(
            without_possessive(word.lower()) for word in _ASKED_WORD.findall(text)
        )
        counted = tuple(word for word in words if _counts(word))
        return cls(text, counted, stems, frozenset(stem_words(asked.question)), weights)

    def share(self, some: frozenset[str], of: frozenset[str]) -> float:
        """The share of the stems `of` that are among `some`, rare ones counting more."""
        whole = sum(map(self._weight, of))
        return sum(map(self._weight, of & some)) / whole if whole else 0.0

    def _weight(self, stem: str) -> float:
        return self.weights.get(stem, math.log(1 + len(self.weights)))


def _counts(word: str) -> bool:
    """Whether a word of a measure says what is measured."""
    stems = frozenset(stem_words(word))
    return bool(stems - _GENERIC) and word not in STOP_WORDS


def _without_names(phrase: str, titles: frozenset[str], known: frozenset[str]) -> str:
    """The phrase with "the company" for names of documents. A word in lower case that is also in a
    table is not a name.
    """

    def bare(match: re.Match[str]) -> str:
        word = match[0]
        stems = frozenset(stem_words(without_possessive(word)))
        is_title = bool(stems) and stems <= titles
        return "\0" if is_title and (word[0].isupper() or not stems <= known) else word

    marked = _ASKED_WORD.sub(bare, phrase)
    return re.sub(r"(?:the )?\0(?:[\s&,.-]*\0)*", _COMPANY, marked)


@dataclass(frozen=True)
class Weights:
    """Of a softmax over candidates: weights of features, and the score of "none of them"."""

    features: NDArray[np.float32]
    null: float

    def probabilities(self, rows: NDArray[np.float32]) -> list[float]:
        """One for each row of features; with that of "none" they add up to 1."""
        scores = (rows @ self.features).tolist()
        top = max([self.null, *scores])
        odds = [math.exp(score - top) for score in scores]
        total = sum(odds) + math.exp(self.null - top)
        return [odd / total for odd in odds]


@dataclass(frozen=True)
class Names:
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

        chosen = self.are_labels if labels else np.ones_like(self.are_labels)
        _, starts = np.unique(self.figures[chosen], return_index=True)
        near: NDArray[np.float32] = vectors @ self.vectors[chosen].T
        return np.maximum.reduceat(near, starts, axis=1)


@dataclass
class Matcher:
    """Says which lines and groups a measure means.

    `down`, shape (dim, rank), and `up`, shape (rank, dim), move the vectors of measures and labels
    so that those which people use for each other are near.
    """

    rows: Weights
    groups: Weights
    vectors_of: TextVectors
    down: NDArray[np.float32]
    up: NDArray[np.float32]
    names: Names
    lines: dict[tuple[str, str], list[Line]] = field(default_factory=dict)
    """by id and digest of the documents that were read last"""

    @classmethod
    def shipped(cls, embed: Embed, path: Path = SHIPPED) -> Matcher:
        """The weights that belong to the default embedder."""
        from safetensors.numpy import load_file

        tensors = {name: tensor.astype("float32") for name, tensor in load_file(path).items()}
        rows, groups = tensors["rows"], tensors["groups"]
        return cls(
            Weights(rows[:-1], float(rows[-1])),
            Weights(groups[:-1], float(groups[-1])),
            TextVectors(embed),
            tensors["down"],
            tensors["up"],
            Names(
                (tensors["names"] / LEVELS).astype("float32"),
                tensors["figures"].astype("int32"),
                tensors["are_labels"].astype(bool),
            ),
        )

    def lines_of(self, document: Document) -> list[Line]:
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

        near = vectors + vectors @ self.down @ self.up
        lengths = np.linalg.norm(near, axis=1, keepdims=True)
        return np.asarray(near / lengths, dtype=np.float32)

    def features(self, asked: Asked, phrase: str, lines: Sequence[Line]) -> NDArray[np.float32]:
        """One row of features for each line, shape (lines, features). The lines are in the order of
        their documents, the likeliest document first.
        """
        import numpy as np

        measure = Measure.of(asked, phrase, lines)
        texts = [measure.text, *(line.label for line in lines), *(line.path for line in lines)]
        raw = self.vectors_of(texts)
        moved = self.moved(raw)
        likeness = moved[1:] @ moved[0]
        label_like, path_like = likeness[: len(lines)], likeness[len(lines) :]
        columns = {
            "label_like": label_like,
            "label_lead": _lead(label_like, lines),
            "path_like": path_like,
            "path_lead": _lead(path_like, lines),
            "raw_like": raw[1 : len(lines) + 1] @ raw[0],
            "rank": np.log1p(np.argsort(np.argsort(-path_like))),
        }
        columns |= self._names(moved[:1], moved[1 : len(lines) + 1], lines)
        columns |= self._words(measure, lines)
        rank = _ranks(lines)
        rows = [_features(asked, measure, line, rank[line.document.id]) for line in lines]
        others = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        return np.stack([(columns | others)[name] for name in FEATURES], axis=1)

    def _names(
        self, measure: NDArray[np.float32], labels: NDArray[np.float32], lines: Sequence[Line]
    ) -> dict[str, NDArray[np.float32]]:
        """Whether the measure and a label are names of one figure, and how much more the measure is
        like a name of another figure.
        """
        import numpy as np

        asked = self.names.likeness(measure, labels=False)[0]
        called = np.clip(self.names.likeness(labels, labels=True), 0, 1) ** 2
        both = called * asked
        best = both.argmax(axis=1)
        like = both.max(axis=1)
        return {
            "names_like": like,
            "names_lead": _lead(like, lines),
            "names_behind": asked.max() - asked[best],
            "name_of_asked": called[:, asked.argmax()],
        }

    def _words(self, measure: Measure, lines: Sequence[Line]) -> dict[str, NDArray[np.float32]]:
        """How well each word of the measure is said by a word of each line, and the reverse."""
        import numpy as np

        own = [_words_of(line.label) for line in lines]
        all_words = [
            (*words, *_words_of(line.context)) for words, line in zip(own, lines, strict=True)
        ]
        known = list(dict.fromkeys(word for words in all_words for word in words))
        asked_words = measure.words or (measure.text,)
        moved = self.moved(self.vectors_of([*asked_words, *known]))
        likeness = moved[: len(asked_words)] @ moved[len(asked_words) :].T
        place = {word: number for number, word in enumerate(known)}
        best, least, label_best = [], [], []
        for words, label in zip(all_words, own, strict=True):
            columns = [place[word] for word in words]
            by_word = likeness[:, columns].max(axis=1) if columns else np.zeros(len(asked_words))
            best.append(by_word.mean())
            least.append(by_word.min())
            of_label = likeness[:, [place[word] for word in label]].max(axis=0) if label else None
            label_best.append(0.0 if of_label is None else of_label.mean())
        return {
            "words_like": np.array(best),
            "least_word_like": np.array(least),
            "label_words_like": np.array(label_best),
        }

    def group_features(
        self, asked: Asked, phrase: str, groups: Sequence[Group]
    ) -> NDArray[np.float32]:
        """One row of features for each group, shape (groups, features)."""
        import numpy as np

        measure = measure_of(phrase)
        words = frozenset(stem_words(measure))
        vectors = self.moved(self.vectors_of([measure, *(group.text for group in groups)]))
        likeness = (vectors[1:] @ vectors[0]).tolist()
        highest = max(likeness, default=0.0)
        rank = _ranks([group.line for group in groups])
        rows = [
            _group_features(
                asked, words, group, value, value - highest, rank[group.line.document.id]
            )
            for group, value in zip(groups, likeness, strict=True)
        ]
        return np.array([[row[name] for name in GROUP_FEATURES] for row in rows], dtype=np.float32)


_DOCUMENTS_KEPT = 16


@functools.lru_cache(8192)
def _words_of(text: str) -> tuple[str, ...]:
    """The words of a label that say something, in lower case."""
    words = dict.fromkeys(word.lower() for word in _ASKED_WORD.findall(text))
    return tuple(word for word in words if word not in STOP_WORDS and not word.isdecimal())


def _ranks(lines: Sequence[Line]) -> dict[str, int]:
    """The rank of each document, from 0."""
    names = dict.fromkeys(line.document.id for line in lines)
    return {name: rank for rank, name in enumerate(names)}


def _lead(likeness: NDArray[np.float32], lines: Sequence[Line]) -> NDArray[np.float32]:
    """How far each line is before the likeliest one with another label, negative if behind."""
    import numpy as np

    order = np.argsort(-likeness)
    first = order[0]
    others = (n for n in order if lines[n].label != lines[first].label)
    second = next(others, None)
    lead = likeness - likeness[first]
    is_first = np.array([line.label == lines[first].label for line in lines])
    margin = float(likeness[first] - likeness[second]) if second is not None else 0.0
    return np.asarray(np.where(is_first, lead + margin, lead), dtype=np.float32)


def _features(asked: Asked, measure: Measure, line: Line, rank: int) -> dict[str, float]:
    """The features of a line that need no vectors."""
    title, label, context = line.title_stems, line.label_stems, line.context_stems
    stems = (measure.stems - title - asked.names) | (measure.stems & (label | context))
    series = line.series_stems
    known = title | label | context | line.statement_stems
    own = label - {TOTAL_STEM}
    is_total_asked = TOTAL_STEM in measure.asked_stems
    return {
        "asked_in_label": measure.share(label, stems),
        "asked_in_path": measure.share(label | context, stems),
        "label_in_asked": measure.share(measure.asked_stems, own),
        "context_in_asked": measure.share(measure.asked_stems, context),
        "is_label": float(bool(label) and stems - context - {TOTAL_STEM} == own - context),
        "total_asked": float(is_total_asked and line.row.is_total),
        "total_not_asked": float(not is_total_asked and line.row.is_total),
        "series_unasked": 1 - len(series & measure.asked_stems) / len(series) if series else 0.0,
        "is_series_total": float("total" in line.series.lower()),
        "names_missing": float(len(asked.names - known)),
        "other_series": float(bool(line.other_series_stems & measure.asked_stems - label - title)),
        "other_kind": float(asked.is_instant and bool(line.facts[0].periods.months)),
        "unknown_words": float(len(stems - known)),
        "document_rank": float(rank),
        "words": math.log1p(len(label)),
    }


_GENERIC = frozenset(
    stem
    for stem in (
        "total amount figur valu compani group report record stand stood end year amount number sum"
        " much mani amount all whole overal give show say state net big larg rate go come make earn"
        " have had hold held book balanc line item account also its own"
    ).split()
)
"""Stems of words that any measure may have."""


def _group_features(
    asked: Asked,
    words: frozenset[str],
    group: Group,
    likeness: float,
    lead: float,
    rank: int,
) -> dict[str, float]:
    title = group.line.title_stems
    text = frozenset(stem_words(group.text))
    labels = frozenset(stem_words(" ".join(item.label for item in group.items)))
    measure = (words - title - asked.names) | (words & text)
    asked_words = frozenset(stem_words(asked.question))
    return {
        "asked": len(measure & text) / len(measure) if measure else 0.0,
        "likeness": likeness,
        "likeness_lead": lead,
        "names_missing": float(len(asked.names - title - text - labels)),
        "document_rank": float(rank),
        "items": math.log1p(len(group.items)),
        "group_in_asked": len(text & asked_words) / len(text) if text else 0.0,
        "asked_missing": float(len(measure - text)),
    }


# Candidates


def figure_candidates(
    question: str, documents: Sequence[Document], matcher: Matcher
) -> list[Candidate]:
    """What the tables of the documents, best first, answer, each with its probability: at most one
    candidate.
    """
    parsed = table_question(question)
    if parsed is None or not stem_words(measure_of(parsed.measures[0])):
        return []
    lines = lines_near(parsed, documents, matcher)
    if parsed.operation in ("most", "least"):
        candidate = _extreme(parsed, lines, matcher)
    elif parsed.operation in ("share", "sum"):
        candidate = _of_two(parsed, lines, matcher)
    elif parsed.operation:
        candidate = _change(parsed, lines, matcher)
    else:
        candidate = _figure(parsed, lines, matcher)
    return [candidate] if candidate else []


def lines_near(asked: Asked, documents: Sequence[Document], matcher: Matcher) -> list[Line]:
    """The lines of the tables of the nearest documents, by document."""
    nearest = _named_first(asked, documents)[:_MOST_DOCUMENTS]
    return [line for document in nearest for line in matcher.lines_of(document)]


def _named_first(asked: Asked, documents: Sequence[Document]) -> list[Document]:
    """The documents with tables; those whose title has the question's names first."""

    def missing(document: Document) -> int:
        return len(asked.names - title_stems(document.id, document.title))

    with_tables = [
        document
        for document in documents
        if any(block.kind == "table" for block in document.blocks)
    ]
    return sorted(with_tables, key=missing)


def _meant(
    asked: Asked, phrase: str, lines: Sequence[Line], matcher: Matcher
) -> tuple[Line, float] | None:
    """The likeliest line, and how likely its figure is meant: other lines may say the same."""
    if not lines:
        return None
    probabilities = matcher.rows.probabilities(matcher.features(asked, phrase, lines))
    place = max(range(len(lines)), key=probabilities.__getitem__)
    best, figure = lines[place], figure_key(lines[place], asked)
    likely = sum(
        probability
        for line, probability in zip(lines, probabilities, strict=True)
        if figure_key(line, asked) == figure
    )
    least = _SURE_COMPUTED if asked.operation else _SURE
    return None if likely < least or is_foreign(asked, best) else (best, likely)


def _figure(asked: Asked, lines: Sequence[Line], matcher: Matcher) -> Candidate | None:
    """The figure of the row that is meant."""
    able = [line for line in lines if can_answer(asked, line)]
    meant = _meant(asked, asked.measures[0], able, matcher)
    fact = figure_of(meant[0], asked.targets[0]) if meant else None
    if meant is None or fact is None:
        return None
    return Candidate("span", GENERATOR, (_place(meant[0], fact),), probability=meant[1])


def _place(line: Line, fact: Fact) -> Place:
    return Place(line.table.document.id, fact.start, fact.end, label=" › ".join(fact.labels))


def _change(asked: Asked, lines: Sequence[Line], matcher: Matcher) -> Candidate | None:
    """Whether a figure rose or fell, by how much, or by what share."""
    able = [line for line in lines if can_answer(asked, line)]
    meant = _meant(asked, asked.measures[0], able, matcher)
    pair = figure_pair(meant[0], asked) if meant else None
    if meant is None or pair is None:
        return None
    line, probability = meant
    later, earlier = (fact.number or 0.0 for fact in pair)
    if later * earlier < 0 or (later < 0 and _MAY_BE_NEGATIVE.search(line.label)):
        return None
    later, earlier = abs(later), abs(earlier)
    if asked.operation in ("up", "down"):
        if later == earlier:
            return None
        verdict: YesNo = "yes" if (later > earlier) == (asked.operation == "up") else "no"
        row = line.row.block
        place = Place(line.table.document.id, row.start, row.end)
        return Candidate("yes_no", GENERATOR, (place,), verdict=verdict, probability=probability)
    is_larger_first = asked.operation == "growth" or later >= earlier
    facts = pair if is_larger_first else pair[::-1]
    return _computed(asked.operation, line, facts, probability)


_MAY_BE_NEGATIVE = re.compile(r"(?i)income|profit|earnings|surplus|cash|result|equity|net\b|change")
"""In a label whose figure in brackets is a loss: it rises where its size falls."""


def _computed(
    operation: str, line: Line, facts: Sequence[Fact], probability: float
) -> Candidate | None:
    from rag.answering.computed import computation  # few questions need it

    result = computation(operation, facts)
    if result is None:
        return None
    places = tuple(_place(line, fact) for fact in facts)
    return Candidate(
        "span",
        GENERATOR,
        places,
        text=result.words,
        value=result.value,
        probability=probability,
    )


def _of_two(asked: Asked, lines: Sequence[Line], matcher: Matcher) -> Candidate | None:
    """A share or a sum of two rows of one table."""
    able = [line for line in lines if can_answer(asked, line)]
    meant = [_meant(asked, phrase, able, matcher) for phrase in asked.measures]
    if meant[0] is None or meant[1] is None:
        return None
    (line, probability), (other, other_probability) = meant[0], meant[1]
    facts = [figure_of(one, asked.targets[0]) for one in (line, other)]
    is_one_table = line.table.index == other.table.index and line.document == other.document
    if facts[0] is None or facts[1] is None or not is_one_table or facts[0] == facts[1]:
        return None
    present = (facts[0], facts[1])
    return _computed(asked.operation, line, present, probability * other_probability)


def _extreme(asked: Asked, lines: Sequence[Line], matcher: Matcher) -> Candidate | None:
    """The label of the largest or smallest item of the group that is meant, and its cells."""
    if len(asked.targets) != 1:
        return None
    groups = groups_to_choose(asked, lines)
    if not groups:
        return None
    rows = matcher.group_features(asked, asked.measures[0], groups)
    probabilities = matcher.groups.probabilities(rows)
    place = max(range(len(groups)), key=probabilities.__getitem__)
    group, item = groups[place], chosen(groups[place], asked.operation)
    if item is None or probabilities[place] < _SURE_GROUP or is_foreign_group(asked, group):
        return None
    name = group.line.table.document.id
    others = [one for one in group.items if one is not item][: _MOST_CELLS - 1]
    cells = (item, *sorted(others, key=lambda one: one.fact.start))
    places = [Place(name, item.start, item.end)]
    places += [Place(name, one.fact.start, one.fact.end, label=one.label) for one in cells]
    return Candidate(
        "span", GENERATOR, tuple(places), text=item.label, probability=probabilities[place]
    )


GENERATOR = "figures"
_MOST_CELLS = 8
"""Cells of a comparison that are quoted."""

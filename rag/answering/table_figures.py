"""Answers from the figures of tables: the figure that a question asks for by its label, the label
of the largest or smallest, whether a figure rose or fell, and what is computed from two of them.

What a question asks is read from its words: an operation, the periods, and the measure. The measure
is matched to the rows of the tables in the documents that were found, by a fitted model; a row
counts only with a figure of exactly the asked period. Names that stand neither in the document's
title nor in the row make the model refuse.
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
from rag.facts import Fact, FactRow, FactTable, mismatch, tables, without_periods
from rag.meaning.dates import all_dates
from rag.meaning.identifiers import file_name
from rag.meaning.periods import Periods, of_column, periods, quarters_of_years, same_season
from rag.meaning.stems import stem_words
from rag.meaning.vectors import TextVectors
from rag.meaning.words import MONTHS, STOP_WORDS
from rag.types import Document, Place, YesNo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rag.meaning.vectors import Embed

_MOST_DOCUMENTS, _MOST_LINES = 3, 2000
"""Documents, best first, and lines of their tables that are matched."""
_SURE, _SURE_COMPUTED, _SURE_GROUP = 0.65, 0.75, 0.75
"""Probabilities of a line, of each line of a computed answer, and of a group, from which on their
figures are proposed."""

# What a question asks

_MOST = r"(?:highest|largest|biggest|greatest|most|maximum|longest|best[- ]selling)"
_LEAST_WORD = r"(?:lowest|smallest|least|fewest|minimum|shortest)"
_SUPERLATIVE = re.compile(
    r"(?i)^(?:[^:?]{0,60}: ?)?(?:which|what|who|name|where)\b.*\b"
    rf"(?:(?P<most>{_MOST})|(?P<least>{_LEAST_WORD}))\b"
)
_UP = (
    r"(?:increas(?:e|ed|ing)|r(?:ise|ose|isen)|gr(?:ow|ew|own|owth)|go(?:ne)? up|went up|higher"
    r"|more|larger|bigger|better|dearer|busier|improved?|widen(?:ed)?|up)"
)
_DOWN = (
    r"(?:decreas(?:e|ed|ing)|declin(?:e|ed|ing)|f(?:all|ell|allen)|drop(?:ped)?|shr(?:ink|ank|unk)"
    r"|go(?:ne)? down|went down|come down|lower|less|fewer|smaller|cheaper|reduced?"
    r"|narrow(?:ed)?|down)"
)
_CHANGE = re.compile(
    r"(?i)^(?:[^:?]{0,60}: ?)?(?:did|has|have|had|was|were|is|are|does|do)\b.*?\b"
    rf"(?:(?P<up>{_UP})|(?P<down>{_DOWN}))\b"
)
_DIFFERENCE = re.compile(
    rf"(?i)\bby how m(?:uch|any) (?:did|has|have)\b|\bdifference between\b"
    rf"|\bhow much (?:{_UP}|{_DOWN})\b"
    rf"|\bhow much did\b.*\b(?:increase|decrease|grow|rise|fall|shrink|drop|decline|change)\b"
    rf"|\bwhat was the (?:change|increase|decrease|rise|fall|drop|decline) in\b"
)
_GROWTH = re.compile(
    rf"(?i)\b(?:{_UP}|{_DOWN}|change[ds]?|moved?)\b.*\bin per ?cent\b"
    r"|\bby what (?:per ?cent(?:age)?|rate)\b|\bpercent(?:age)? (?:change"
    r"|increase|decrease|growth|rise|fall)\b|\bgrowth (?:rate|of|in)\b|\bhow fast\b"
    r"|\bhow many per ?cent\b"
)
_SHARE = re.compile(
    r"(?i)\b(?:what|which) (?:share|percentage|proportion|fraction|part|per ?cent) of\b"
    r"|\bas a (?:share|percentage|proportion) of\b"
)
_WHICH_PART = re.compile(r"(?i)\bwhich part of\b")
_SUM = re.compile(
    r"(?i)\b(?:together|combined|in total|altogether|sum of|added up)\b|\btotal of\b.*\band\b"
)
_TWO = re.compile(r"(?i),? (?:and|plus|with) ")
_OPERATION_WORDS = re.compile(
    rf"(?i)\b(?:{_MOST}|{_LEAST_WORD}|{_UP}|{_DOWN}|by how much|how (?:much|many|fast)"
    r"|difference|between|together|combined|per ?cent|percentage|share|proportion|part|came|come"
    r"|made|earned?|had|have|than|over|from|year|quarter|months?|weeks?|before|earlier|change|company"
    r"|group|total amount)\b"
)
_NOT_MATCHED = re.compile(r"(?i)\b(?:second half|H2|forecast|budgeted for|will be)\b")
_HALF = re.compile(r"(?i)\b(?:first half|half[- ]year|H1|first six months)\b")
_SECOND_HALF = re.compile(r"(?i)\b(?:second half|H2)\b")
_INSTANT = re.compile(r"(?i)\b(?:at|as at|as of|on|end of|by the end of)\b")
"""Words before a day or year that a figure is of, such as cash."""
_NAME = re.compile(r"(?<![\w.])(?:[A-Z][\w&'’-]*|[A-Z]{2,}[\w-]*)")


@dataclass(frozen=True)
class Asked:
    """What a question asks of tables.

    `operation` is "" for a figure, "most" or "least", "up" or "down", or one of those that are
    computed. `measures` are one phrase, or two for a share or a sum. `targets` are the periods, the
    later one first.
    """

    question: str
    operation: str
    measures: tuple[str, ...]
    targets: tuple[Periods, ...]
    names: frozenset[str]

    @property
    def is_instant(self) -> bool:
        """Whether the question asks what stood at a day."""
        days = any(target.days for target in self.targets)
        return days and bool(_INSTANT.search(self.question)) and not self.targets[0].months


def asked(question: str) -> Asked | None:
    """None for a question that asks for nothing that a table may say."""
    operation = _operation(question)
    body = re.sub(r"^[^:?]{2,60}: ", "", question)
    measures: tuple[str, ...] = (body,)
    if operation in ("share", "sum"):
        measures = _two_measures(body, operation)
        if not measures:
            return None
    targets = _targets(question)
    if _HALF.search(question):
        targets = tuple(target._replace(months=frozenset({"6"})) for target in targets)
    if not targets or _NOT_MATCHED.search(question):
        return None
    return Asked(question, operation, measures, targets, _names(question))


def _operation(question: str) -> str:
    extreme = _SUPERLATIVE.search(question)
    is_part = extreme is not None and _WHICH_PART.search(question)
    if _SHARE.search(question) and not is_part:
        return "share"
    if _GROWTH.search(question):
        return "growth"
    if _DIFFERENCE.search(question):
        return "difference"
    if match := _CHANGE.search(question):
        return "up" if match["up"] else "down"
    if extreme:
        return "most" if extreme["most"] else "least"
    return "sum" if _SUM.search(question) else ""


def _two_measures(body: str, operation: str) -> tuple[str, ...]:
    """(part, whole) of a share; the two terms of a sum; () if they are unclear."""
    if operation == "share":
        match = re.search(
            r"(?i)\bof (?P<whole>.+?) (?:came|comes?|was|were|is|are|did|do|does)\b"
            r"(?: from| in| by)?"
            r"(?P<part>.+)",
            body,
        )
        return (match["part"], match["whole"]) if match else ()
    body = re.sub(r"(?i)^.*?\b(?:was|were|is|are|did|of)\b", "", body, count=1)
    parts = _TWO.split(re.sub(r"(?i)\b(?:together|combined|in total|altogether)\b.*", "", body), 1)
    return tuple(parts) if len(parts) == 2 and all(map(stem_words, parts)) else ()


def _targets(question: str) -> tuple[Periods, ...]:
    """The periods that a question names, the later one first; () without one, or with more than
    two.
    """
    stated = _with_quarter(question, periods(question))
    if not stated.days and not stated.quarters:
        stated = stated._replace(days=_months_of_years(question))
    if _YEAR_TO.search(question) and not stated.months:
        stated = stated._replace(months=frozenset({"12"}))
    for kind, values in (("days", stated.days), ("years", stated.years)):
        if len(values) == 2 and not (kind == "years" and _is_one_year(question, values)):
            later, earlier = sorted(values, reverse=True)
            if kind == "days":
                return tuple(
                    stated._replace(days=frozenset({day}), years=frozenset({day[:4]}))
                    for day in (later, earlier)
                )
            if stated.days:
                continue
            return tuple(stated._replace(years=frozenset({year})) for year in (later, earlier))
        if len(values) > 2:
            return ()
    return (stated,) if stated.days or stated.years else ()


_LAST_QUARTER = re.compile(r"(?i)\b(?:last|final) quarter\b")
_QUARTERS = ("january to march", "april to june", "july to september", "october to december")


def _with_quarter(question: str, stated: Periods) -> Periods:
    """The periods, with the quarter that "the last quarter" or "from July to September" means."""
    words = question.lower()
    named = [number for number, months in enumerate(_QUARTERS, 1) if months in words]
    named += [4] if _LAST_QUARTER.search(question) else []
    if stated.quarters or len(named) != 1:
        return stated
    quarter = frozenset({str(named[0])})
    return stated._replace(days=frozenset(), quarters=quarter, months=frozenset({"3"}))


_YEAR_TO = re.compile(r"(?i)\byear (?:to|ending|that ended)\b")
_MIDDLE = re.compile(r"(?i)\b(?:mid(?:dle of)?[- ]?|the middle of )(?P<year>(?:19|20)\d\d)\b")


def _months_of_years(question: str) -> frozenset[str]:
    """The months that a question names with their year, such as "2025-08"; June for the middle of a
    year.
    """
    found = {date.iso for date in all_dates(question) if date.precision == "month"}
    found |= {f"{match['year']}-06" for match in _MIDDLE.finditer(question)}
    return frozenset(iso for iso in found if not iso.startswith("-"))


def _is_on(wanted: str, day: str) -> bool:
    """Whether a day is the wanted one, or in the wanted month."""
    return day.startswith(wanted)


def _is_season(wanted: str, day: str) -> bool:
    """Whether a day is at most 20 days from the wanted one in any year, or in the wanted month."""
    return day[5:7] == wanted[5:] if len(wanted) == _MONTH else same_season(wanted, day)


_MONTH = len("2025-08")


def _is_one_year(question: str, years: frozenset[str]) -> bool:
    """Whether both are one financial year, such as "2023/24"."""
    start, end = sorted(years)
    joined = rf"{start}\s?[/\u2013-]\s?(?:20)?{end[2:]}\b"
    return int(end) == int(start) + 1 and bool(re.search(joined, question))


def _names(question: str) -> frozenset[str]:
    """Stems of the words that are names, in lower case: capitalised, but no first word of the
    sentence, and no part of a period.
    """
    text = without_periods(re.sub(r"\b(?:Q[1-4]|H[12]|FY\d*)\b", " ", question))
    start = text.find(": ") + 2 if ": " in text[:62] else 0
    named = [
        match[0]
        for match in _NAME.finditer(text)
        if match.start() not in (0, start) and match[0] not in MONTHS
    ]
    named += [text[: start - 2]] if start else []
    return frozenset(stem_words(" ".join(map(_without_possessive, named))))


# Lines of tables


@dataclass(frozen=True)
class Line:
    """The figures of a row that say the same thing for several periods: those of one series."""

    table: FactTable
    row: FactRow
    series: str
    facts: tuple[Fact, ...]
    document_days: frozenset[str]
    """the days in the names of all columns of the document"""

    @property
    def document(self) -> Document:
        return self.table.document

    @property
    def label(self) -> str:
        return self.row.labels[-1] if self.row.labels else ""

    @functools.cached_property
    def context(self) -> str:
        """What else names the figures: labels above, the series, the table's heading."""
        above = " ".join(self.row.labels[:-1])
        return f"{above} {self.series} {self.table.name} {self.table.block.columns[0].name}"

    @functools.cached_property
    def path(self) -> str:
        """The table, the labels above, the label and the series, in one line."""
        parts = (self.table.name, *self.row.labels, self.series)
        return ": ".join(part for part in parts if part)

    @functools.cached_property
    def label_stems(self) -> frozenset[str]:
        return frozenset(stem_words(self.label))

    @functools.cached_property
    def context_stems(self) -> frozenset[str]:
        return frozenset(stem_words(self.context))

    @functools.cached_property
    def series_stems(self) -> frozenset[str]:
        return frozenset(stem_words(self.series)) - {_TOTAL_STEM}

    @functools.cached_property
    def other_series_stems(self) -> frozenset[str]:
        """Stems of the series of the row's other figures."""
        others = frozenset(stem_words(" ".join(fact.series for fact in self.row.facts)))
        return others - frozenset(stem_words(self.series))

    @functools.cached_property
    def statement_stems(self) -> frozenset[str]:
        return frozenset(stem_words(self.table.statement))

    @functools.cached_property
    def title_stems(self) -> frozenset[str]:
        return title_stems(self.document.id, self.document.title)


@functools.lru_cache(1024)
def title_stems(document_id: str, title: str) -> frozenset[str]:
    """Stems of a document's title and file name."""
    return frozenset(stem_words(f"{title} {file_name(document_id)}"))


def lines_of(document: Document) -> list[Line]:
    """The lines of a document's tables."""
    lines: list[Line] = []
    columns = (column.name for block in document.blocks for column in block.columns)
    days = frozenset(day for name in columns for day in of_column(name).days)
    for table in tables(document):
        for row in table.rows:
            by_series: dict[str, list[Fact]] = {}
            for fact in row.facts:
                by_series.setdefault(fact.series, []).append(fact)
            for series, facts in by_series.items():
                lines.append(Line(table, row, series, tuple(facts), days))
    return lines[:_MOST_LINES]


def figure_of(line: Line, target: Periods) -> Fact | None:
    """The figure of exactly this period; None if there is none, or more than one fits."""
    fitting = [fact for fact in line.facts if _fits(line, fact, target)]
    if len(fitting) > 1 and not (target.months or target.quarters):
        exact = [
            fact for fact in fitting if not fact.periods.months or fact.periods.months == {"12"}
        ]
        fitting = exact or fitting
    return fitting[0] if len(fitting) == 1 and fitting[0].number is not None else None


def _fits(line: Line, fact: Fact, target: Periods) -> bool:
    stated = fact.periods
    if not stated.months:
        stated = stated._replace(months=of_column(line.table.statement).months)
    if target.days and stated.days:
        is_day = any(_is_on(wanted, day) for wanted in target.days for day in stated.days)
        return is_day and not _SECOND_HALF.search(fact.column) and _same_length(target, stated)
    if not any(stated[:3]) or target.differ(stated) or _SECOND_HALF.search(fact.column):
        return False
    if target.days and not stated.days and not _is_end(line, target):
        return False
    if not target.years & stated.years:
        return False
    if target.quarters and not stated.quarters:
        return stated.months <= {"3"} and _is_of_quarter(line, fact, target)
    if stated.quarters and not target.quarters:
        return False
    return _same_length(target, stated)


def _is_end(line: Line, target: Periods) -> bool:
    """Whether a column that names only a year may be of the day: the year that its document is
    about ends on such a day.
    """
    document = line.table.document
    ends = periods(f"{document.title} {line.table.headings}").days
    if any(_is_season(day, end) for day in target.days for end in ends):
        return True
    return any(_is_on(wanted, day) for wanted in target.days for day in line.document_days)


def _same_length(target: Periods, stated: Periods) -> bool:
    """Whether both are as long, as far as they say so. A year alone is twelve months."""
    if target.months and stated.months:
        return bool(target.months & stated.months)
    if not target.months and any(len(day) == _MONTH for day in target.days):
        return not stated.months
    is_year = not target.months and not target.days and not target.quarters
    return not (is_year and stated.months and "12" not in stated.months)


def _is_of_quarter(line: Line, fact: Fact, target: Periods) -> bool:
    """Whether a column that names no quarter is of the one that its document is about."""
    document = line.table.document
    text = f"{file_name(document.id)} {document.title} {line.table.headings}"
    stated = periods(text).quarters or frozenset(name[-1] for name in quarters_of_years(text))
    latest_day = max((day for one in line.facts for day in one.stated.days), default="")
    is_season = (
        all(same_season(day, latest_day) for day in fact.stated.days) if latest_day else True
    )
    return stated == target.quarters and is_season


def _year_before(target: Periods) -> Periods:
    days = frozenset(f"{int(day[:4]) - 1}{day[4:]}" for day in target.days)
    years = frozenset(str(int(year) - 1) for year in target.years)
    return target._replace(days=days, years=years)


def _pair(line: Line, asked: Asked) -> tuple[Fact, Fact] | None:
    """The figures of both periods, the later first; with one period that of the year before."""
    later = figure_of(line, asked.targets[0])
    if later is None:
        return None
    if len(asked.targets) == 2:
        earlier = figure_of(line, asked.targets[1])
    else:
        before = [
            fact
            for fact in line.facts
            if fact is not later
            and fact.number is not None
            and fact.periods.months == later.periods.months
            and fact.periods.quarters == later.periods.quarters
            and _is_year_before(fact.periods, later.periods)
        ]
        earlier = before[0] if len(before) == 1 else None
    return (later, earlier) if earlier is not None and not mismatch([later, earlier]) else None


def _is_year_before(earlier: Periods, later: Periods) -> bool:
    if earlier.days and later.days:
        earlier_day, later_day = max(earlier.days), max(later.days)
        return int(earlier_day[:4]) == int(later_day[:4]) - 1 and same_season(
            earlier_day, later_day
        )
    return {str(int(year) - 1) for year in later.years} == earlier.years


# Matching


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
_TOTAL_STEM = "total"


def measure_of(phrase: str) -> str:
    """A phrase without periods and words of the operation: what is measured."""
    words = re.sub(r"['’]s\b", "", without_periods(phrase))
    return " ".join(_OPERATION_WORDS.sub(" ", words).split()).strip(" ?,.")


_ASKED_WORD = re.compile(r"[^\W_]+(?:[-.][^\W_]+)*(?:['’]s\b)?")
_LEAD = re.compile(r"(?i)^(?:and |so )?(?:(?:what|which)(?:['’]s| is| was| were| are)? )(?:the )?")
_TAIL = frozenset(
    "in for at on of by as the to from over end ended and start first second third fourth last"
    " fiscal early late since until before after a".split()
)
"""Words that are left at the end of a phrase when its period is taken out."""
_COMPANY = "the company"


def _without_possessive(word: str) -> str:
    """The word without "'s" at its end."""
    return word.removesuffix("'s").removesuffix("’s")


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
            _without_possessive(word.lower()) for word in _ASKED_WORD.findall(text)
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
        stems = frozenset(stem_words(_without_possessive(word)))
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
    own = label - {_TOTAL_STEM}
    is_total_asked = _TOTAL_STEM in measure.asked_stems
    return {
        "asked_in_label": measure.share(label, stems),
        "asked_in_path": measure.share(label | context, stems),
        "label_in_asked": measure.share(measure.asked_stems, own),
        "context_in_asked": measure.share(measure.asked_stems, context),
        "is_label": float(bool(label) and stems - context - {_TOTAL_STEM} == own - context),
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


def is_foreign(asked: Asked, line: Line) -> bool:
    """Whether the question has a name that neither the row nor its table nor the document has: of
    another company, or of a part of the figure.
    """
    names = line.label_stems | line.context_stems | line.statement_stems
    return bool(asked.names - line.title_stems - names)


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


@dataclass(frozen=True)
class Item:
    """A row or a column that is compared, its label's place, and its figure."""

    label: str
    start: int
    end: int
    fact: Fact


@dataclass(frozen=True)
class Group:
    """Rows under one label, or the columns of one row, of one table: what "which" chooses from."""

    line: Line
    items: tuple[Item, ...]
    text: str
    """all that names it"""
    is_whole: bool
    """whether each row or column has a figure"""


def groups_of(lines: Sequence[Line], target: Periods) -> list[Group]:
    """The groups of at least two items with a figure of the period, totals left out."""
    by_place: dict[tuple[object, ...], list[tuple[Line, Item | None]]] = {}
    for line in lines:
        fact, row = figure_of(line, target), line.row
        if row.label is None:
            continue
        table = line.document.id, line.table.index
        rows = (*table, "rows", row.labels[:-1], line.series)
        item = Item(line.label, row.label.start, row.label.end, fact) if fact else None
        by_place.setdefault(rows, []).append((line, item))
        if line.series and (place := _header(line, fact)):
            item = Item(line.series, *place, fact) if fact else None
            by_place.setdefault((*table, "columns", row.block.start), []).append((line, item))
    groups: list[Group] = []
    for key, members in by_place.items():
        is_rows = key[2] == "rows"
        items = _without_totals([item for _, item in members if item], is_rows)
        if len(items) < 2 or mismatch([item.fact for item in items]):
            continue
        line = members[0][0]
        stub = line.table.block.columns[0].name
        names = (*line.row.labels[:-1], line.series) if is_rows else line.row.labels
        text = " ".join(filter(None, (*names, line.table.name, line.table.statement, stub)))
        groups.append(Group(line, tuple(items), text, all(item for _, item in members)))
    return groups


def _header(line: Line, fact: Fact | None) -> tuple[int, int] | None:
    """The place of the lowest header cell of a figure's column, if it says the series."""
    if fact is None:
        return None
    document = line.table.document
    for column in line.table.block.columns:
        if column.name == fact.column and column.start >= 0:
            text = document.text[column.start : column.end]
            return (column.start, column.end) if text == line.series else None
    return None


_NO_PART = re.compile(
    r"(?i)\beliminations?\b|\bunallocated\b|\bcentral costs\b|\breconcil|^corporate\b|^group\b"
)


def _without_totals(items: Sequence[Item], are_rows: bool) -> list[Item]:
    """The items without totals (those with such a label, and sums of the items before), and without
    what is not a part of a company, such as eliminations.
    """
    kept: list[Item] = []
    for item in items:
        if _NO_PART.search(item.label):
            continue
        number = item.fact.number or 0.0
        before = sum(one.fact.number or 0.0 for one in kept)
        is_sum = len(kept) > 1 and abs(before - number) <= 0.0005 * abs(number)
        is_total = is_sum or "total" in item.label.lower()
        if not is_total:
            kept.append(item)
        elif are_rows and is_sum:
            break
    return kept


def _is_foreign_group(asked: Asked, group: Group) -> bool:
    """As `is_foreign`, of a group: the question may name what its items are."""
    names = frozenset(stem_words(group.text))
    return bool(asked.names - group.line.title_stems - names)


def chosen(group: Group, operation: str) -> Item | None:
    """The largest or the smallest item; None if it is not certain: two are equal, or a row without
    a figure may be the smallest. Where all figures are negative, as costs in brackets, the largest
    is the one farthest from 0.
    """
    numbers = [item.fact.number or 0.0 for item in group.items]
    if operation == "least" and not group.is_whole:
        return None
    are_costs = max(numbers) <= 0
    sizes = [-number for number in numbers] if are_costs else numbers
    extreme = max(sizes) if operation == "most" else min(sizes)
    return group.items[sizes.index(extreme)] if sizes.count(extreme) == 1 else None


# Candidates


def figure_candidates(
    question: str, documents: Sequence[Document], matcher: Matcher
) -> list[Candidate]:
    """What the tables of the documents, best first, answer, each with its probability: at most one
    candidate.
    """
    parsed = asked(question)
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


def can_answer(asked: Asked, line: Line) -> bool:
    """Whether a line has the figures that a question needs, of exactly its periods."""
    if asked.operation in ("", "share", "sum"):
        return len(asked.targets) == 1 and figure_of(line, asked.targets[0]) is not None
    return _pair(line, asked) is not None


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


def figure_key(line: Line, asked: Asked) -> tuple[object, ...]:
    """What a line says for the question's period: equal for lines that say the same."""
    fact = figure_of(line, asked.targets[0])
    return (abs(fact.number), fact.scale, fact.unit) if fact and fact.number else (line.label,)


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
    pair = _pair(meant[0], asked) if meant else None
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


def groups_to_choose(asked: Asked, lines: Sequence[Line]) -> list[Group]:
    """The groups whose largest or smallest item is certain."""
    groups = groups_of(lines, asked.targets[0])
    return [group for group in groups if chosen(group, asked.operation)]


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
    if item is None or probabilities[place] < _SURE_GROUP or _is_foreign_group(asked, group):
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

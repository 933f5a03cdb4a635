"""Answers from the figures of tables: the figure that a question asks for by its label, the label
of the largest or smallest, whether a figure rose or fell, and what is computed from two of them.

What a question asks is read from its words: an operation, the periods, and the measure. The measure
is matched to the rows of the tables in the documents that were found, by a fitted model; a row
counts only with a figure of exactly the asked period. Names that stand neither in the document's
title nor in the row make the model refuse.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rag.answering.candidate import Candidate
from rag.facts import Fact, FactRow, FactTable, mismatch, tables, without_periods
from rag.meaning.identifiers import file_name
from rag.meaning.periods import Periods, periods, quarters_of_years, same_season
from rag.meaning.stems import stem_words
from rag.meaning.words import MONTHS
from rag.types import Document, Place, YesNo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Embed = Callable[[Sequence[str]], NDArray[np.float32]]
    """Unit vectors, one for each text."""

_MOST_DOCUMENTS, _MOST_LINES = 3, 2000
"""Documents, best first, and lines of their tables that are matched."""
_SURE, _SURE_GROUP = 0.6, 0.75
"""Probabilities of a line and of a group from which on their figures are proposed."""

# What a question asks

_MOST = r"(?:highest|largest|biggest|greatest|most|maximum|longest|best[- ]selling)"
_LEAST_WORD = r"(?:lowest|smallest|least|fewest|minimum|shortest)"
_SUPERLATIVE = re.compile(
    r"(?i)^(?:[^:?]{0,60}: ?)?(?:which|what|who|name|where)\b.*\b"
    rf"(?:(?P<most>{_MOST})|(?P<least>{_LEAST_WORD}))\b"
)
_UP = (
    r"(?:increas(?:e|ed|ing)|r(?:ise|ose|isen)|gr(?:ow|ew|own|owth)|go(?:ne)? up|went up|higher"
    r"|more|larger|bigger|improved?|widen(?:ed)?)"
)
_DOWN = (
    r"(?:decreas(?:e|ed|ing)|declin(?:e|ed|ing)|f(?:all|ell|allen)|drop(?:ped)?|shr(?:ink|ank|unk)"
    r"|go(?:ne)? down|went down|come down|lower|less|fewer|smaller|reduced?|narrow(?:ed)?)"
)
_CHANGE = re.compile(
    r"(?i)^(?:[^:?]{0,60}: ?)?(?:did|has|have|had|was|were|is|are|does|do)\b.*?\b"
    rf"(?:(?P<up>{_UP})|(?P<down>{_DOWN}))\b"
)
_DIFFERENCE = re.compile(
    rf"(?i)\bby how much\b|\bdifference between\b|\bhow much (?:{_UP}|{_DOWN})\b"
    rf"|\bhow much did\b.*\b(?:increase|decrease|grow|rise|fall|shrink|drop|decline|change)\b"
    rf"|\bwhat was the (?:change|increase|decrease|rise|fall|drop|decline) in\b"
)
_GROWTH = re.compile(
    r"(?i)\bin per ?cent\b|\bby what (?:per ?cent(?:age)?|rate)\b|\bpercent(?:age)? (?:change"
    r"|increase|decrease|growth|rise|fall)\b|\bgrowth (?:rate|of|in)\b|\bhow fast\b"
    r"|\bhow many per ?cent\b"
)
_SHARE = re.compile(
    r"(?i)\b(?:what|which) (?:share|percentage|proportion|fraction|part|per ?cent) of\b"
    r"|\bas a (?:share|percentage|proportion) of\b"
)
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
    if _SHARE.search(question):
        return "share"
    if _GROWTH.search(question):
        return "growth"
    if _DIFFERENCE.search(question):
        return "difference"
    if match := _CHANGE.search(question):
        return "up" if match["up"] else "down"
    if match := _SUPERLATIVE.search(question):
        return "most" if match["most"] else "least"
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
    stated = periods(question)
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
    return frozenset(
        stem_words(" ".join(word.removesuffix("'s").removesuffix("’s") for word in named))
    )


# Lines of tables


@dataclass(frozen=True)
class Line:
    """The figures of a row that say the same thing for several periods: those of one series."""

    table: FactTable
    row: FactRow
    series: str
    facts: tuple[Fact, ...]
    rank: int
    """that of its document, from 0"""

    @property
    def label(self) -> str:
        return self.row.labels[-1] if self.row.labels else ""

    @property
    def context(self) -> str:
        """What else names the figures: labels above, the series, the table's heading."""
        above = " ".join(self.row.labels[:-1])
        return f"{above} {self.series} {self.table.name} {self.table.block.columns[0].name}"


def lines_of(document: Document, rank: int = 0) -> list[Line]:
    """The lines of a document's tables."""
    lines: list[Line] = []
    for table in tables(document):
        for row in table.rows:
            by_series: dict[str, list[Fact]] = {}
            for fact in row.facts:
                by_series.setdefault(fact.series, []).append(fact)
            for series, facts in by_series.items():
                lines.append(Line(table, row, series, tuple(facts), rank))
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
    if not any(stated[:3]) or target.differ(stated) or _SECOND_HALF.search(fact.column):
        return False
    if target.days and not stated.days and not _is_end(line, target):
        return False
    if target.days and stated.days:
        return bool(target.days & stated.days) and _same_length(target, stated)
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
    return any(same_season(day, end) for day in target.days for end in ends)


def _same_length(target: Periods, stated: Periods) -> bool:
    """Whether both are as long, as far as they say so. A year alone is twelve months."""
    if target.months and stated.months:
        return bool(target.months & stated.months)
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
    "asked_in_context",
    "label_in_asked",
    "context_in_asked",
    "is_label",
    "likeness",
    "likeness_lead",
    "total_asked",
    "total_not_asked",
    "series_unasked",
    "is_series_total",
    "names_missing",
    "other_series",
    "other_kind",
    "asked_elsewhere",
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


def measure_of(phrase: str) -> str:
    """A phrase without periods and words of the operation: what is measured."""
    words = re.sub(r"['’]s\b", "", without_periods(phrase))
    return " ".join(_OPERATION_WORDS.sub(" ", words).split()).strip(" ?,.")


@dataclass(frozen=True)
class Weights:
    """Of a softmax over candidates: weights of features, and the score of "none of them"."""

    features: Mapping[str, float]
    null: float

    def probabilities(self, rows: Sequence[Mapping[str, float]]) -> list[float]:
        """One for each row of features; with that of "none" they add up to 1."""
        scores = [sum(w * row[name] for name, w in self.features.items()) for row in rows]
        top = max([self.null, *scores])
        odds = [math.exp(score - top) for score in scores]
        total = sum(odds) + math.exp(self.null - top)
        return [odd / total for odd in odds]


@dataclass
class Matcher:
    """Says which lines and groups a measure means."""

    rows: Weights
    groups: Weights
    embed: Embed
    vectors: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    lines: dict[tuple[str, str], list[Line]] = field(default_factory=dict)
    """by id and digest of the documents that were read last"""

    @classmethod
    def shipped(cls, embed: Embed) -> Matcher:
        """The weights that belong to the default embedder."""
        from safetensors.numpy import load_file

        tensors = load_file(SHIPPED)
        rows, groups = (tensors[name].tolist() for name in ("rows", "groups"))
        return cls(
            Weights(dict(zip(FEATURES, rows[:-1], strict=True)), rows[-1]),
            Weights(dict(zip(GROUP_FEATURES, groups[:-1], strict=True)), groups[-1]),
            embed,
        )

    def lines_of(self, document: Document) -> list[Line]:
        """The lines of a document's tables, kept for the next question."""
        key = document.id, document.sha256
        if key not in self.lines:
            if len(self.lines) >= _DOCUMENTS_KEPT:
                del self.lines[next(iter(self.lines))]
            self.lines[key] = lines_of(document)
        return self.lines[key]

    def vectors_of(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        unknown = [text for text in dict.fromkeys(texts) if text not in self.vectors]
        if unknown:
            if len(self.vectors) > _KEPT:
                self.vectors.clear()
            self.vectors.update(zip(unknown, self.embed(unknown), strict=True))
        return [self.vectors[text] for text in texts]

    def features(self, asked: Asked, phrase: str, lines: Sequence[Line]) -> list[dict[str, float]]:
        """One row of features for each line."""
        measure = measure_of(phrase)
        words = frozenset(stem_words(measure))
        vectors = self.vectors_of([measure, *(line.label for line in lines)])
        likeness = [float(vectors[0] @ vector) for vector in vectors[1:]]
        highest = max(likeness, default=0.0)
        rows = []
        for line, value in zip(lines, likeness, strict=True):
            rows.append(_features(asked, words, line, value, value - highest))
        return rows

    def group_features(
        self, asked: Asked, phrase: str, groups: Sequence[Group]
    ) -> list[dict[str, float]]:
        """One row of features for each group."""
        measure = measure_of(phrase)
        words = frozenset(stem_words(measure))
        vectors = self.vectors_of([measure, *(group.text for group in groups)])
        likeness = [float(vectors[0] @ vector) for vector in vectors[1:]]
        highest = max(likeness, default=0.0)
        return [
            _group_features(asked, words, group, value, value - highest)
            for group, value in zip(groups, likeness, strict=True)
        ]


_DOCUMENTS_KEPT = 16
_KEPT = 5000
"""Vectors of labels that are kept."""
_TOTAL_STEM = "total"


def _features(
    asked: Asked, words: frozenset[str], line: Line, likeness: float, lead: float
) -> dict[str, float]:
    document = line.table.document
    title = frozenset(stem_words(f"{document.title} {file_name(document.id)}"))

    label, context = frozenset(stem_words(line.label)), frozenset(stem_words(line.context))
    measure = (words - title - asked.names) | (words & (label | context))

    series = frozenset(stem_words(line.series)) - {_TOTAL_STEM}
    known = title | label | context

    asked_words = frozenset(stem_words(asked.question))
    label_words = label - {_TOTAL_STEM}
    others = frozenset(stem_words(" ".join(fact.series for fact in line.row.facts))) - series

    return {
        "asked_in_label": len(measure & label) / len(measure) if measure else 0.0,
        "asked_in_context": len(measure & (label | context)) / len(measure) if measure else 0.0,
        "label_in_asked": len(label_words & asked_words) / len(label_words) if label_words else 0.0,
        "context_in_asked": len(context & asked_words) / len(context) if context else 0.0,
        "is_label": float(
            bool(label) and measure - context - {_TOTAL_STEM} == label_words - context
        ),
        "likeness": likeness,
        "likeness_lead": lead,
        "total_asked": float(_TOTAL_STEM in asked_words and line.row.is_total),
        "total_not_asked": float(_TOTAL_STEM not in asked_words and line.row.is_total),
        "series_unasked": 1 - len(series & asked_words) / len(series) if series else 0.0,
        "is_series_total": float("total" in line.series.lower()),
        "names_missing": float(len(asked.names - known)),
        "other_series": float(bool((others - series) & asked_words - label - title)),
        "other_kind": float(asked.is_instant and bool(line.facts[0].periods.months)),
        "asked_elsewhere": float(len(measure - known)),
        "document_rank": float(line.rank),
        "words": math.log1p(len(label)),
    }


def is_foreign(asked: Asked, phrase: str, line: Line) -> bool:
    """Whether the question names something that neither the row nor its table nor the document
    has, or another column: a part of the figure, another measure, another company; or not most of
    what the row's label says.
    """
    document, series = line.table.document, frozenset(stem_words(line.series))
    title = frozenset(stem_words(f"{document.title} {file_name(document.id)}"))
    names = frozenset(stem_words(f"{line.label} {line.context} {line.table.statement}"))
    words = frozenset(stem_words(measure_of(phrase)))
    others = frozenset(stem_words(" ".join(fact.series for fact in line.row.facts))) - series
    label = frozenset(stem_words(line.label)) - _GENERIC - title
    return bool(
        2 * len(label & words) <= len(label)
        or asked.names - title - names
        or words - title - names - _GENERIC
        or others & words - frozenset(stem_words(line.label))
    )


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
    asked: Asked, words: frozenset[str], group: Group, likeness: float, lead: float
) -> dict[str, float]:
    document = group.line.table.document
    title = frozenset(stem_words(f"{document.title} {file_name(document.id)}"))
    text = frozenset(stem_words(group.text))
    labels = frozenset(stem_words(" ".join(item.label for item in group.items)))
    measure = (words - title - asked.names) | (words & text)
    asked_words = frozenset(stem_words(asked.question))
    return {
        "asked": len(measure & text) / len(measure) if measure else 0.0,
        "likeness": likeness,
        "likeness_lead": lead,
        "names_missing": float(len(asked.names - title - text - labels)),
        "document_rank": float(group.line.rank),
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

        table = line.rank, line.table.index
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


def _without_totals(items: Sequence[Item], are_rows: bool) -> list[Item]:
    """The items but totals: by their label, or as they are the sum of those before them."""
    kept: list[Item] = []
    for item in items:
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
    document = group.line.table.document
    title = frozenset(stem_words(f"{document.title} {file_name(document.id)}"))
    names = frozenset(stem_words(group.text))
    return bool(asked.names - title - names)


def chosen(group: Group, operation: str) -> Item | None:
    """The largest or the smallest item; None if it is not certain: two are equal, signs differ, or
    a row without a figure may be the smallest.
    """
    numbers = [item.fact.number or 0.0 for item in group.items]
    if min(numbers) < 0 < max(numbers) or (operation == "least" and not group.is_whole):
        return None
    sizes = [abs(number) for number in numbers]
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
    lines = [
        replace(line, rank=rank)
        for rank, document in enumerate(_named_first(parsed, documents)[:_MOST_DOCUMENTS])
        for line in matcher.lines_of(document)
    ]
    if parsed.operation in ("most", "least"):
        candidate = _extreme(parsed, lines, matcher)
    elif parsed.operation in ("share", "sum"):
        candidate = _of_two(parsed, lines, matcher)
    elif parsed.operation:
        candidate = _change(parsed, lines, matcher)
    else:
        candidate = _figure(parsed, lines, matcher)
    return [candidate] if candidate else []


def _named_first(asked: Asked, documents: Sequence[Document]) -> list[Document]:
    """The documents with tables; those whose title has the question's names first."""

    def missing(document: Document) -> int:
        title = frozenset(stem_words(f"{document.title} {file_name(document.id)}"))
        return len(asked.names - title)

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
    best, figure = lines[place], _same(lines[place], asked)
    likely = sum(
        probability
        for line, probability in zip(lines, probabilities, strict=True)
        if _same(line, asked) == figure
    )
    return None if likely < _SURE or is_foreign(asked, phrase, best) else (best, likely)


def _same(line: Line, asked: Asked) -> tuple[object, ...]:
    fact = figure_of(line, asked.targets[0])
    return (abs(fact.number), fact.scale, fact.unit) if fact and fact.number else (line.label,)


def _figure(asked: Asked, lines: Sequence[Line], matcher: Matcher) -> Candidate | None:
    """The figure of the row that is meant."""
    if len(asked.targets) != 1:
        return None
    (target,) = asked.targets
    meant = _meant(asked, asked.measures[0], [x for x in lines if figure_of(x, target)], matcher)
    fact = figure_of(meant[0], target) if meant else None
    if meant is None or fact is None:
        return None
    return Candidate("span", GENERATOR, (_place(meant[0], fact),), probability=meant[1])


def _place(line: Line, fact: Fact) -> Place:
    return Place(line.table.document.id, fact.start, fact.end, label=" › ".join(fact.labels))


def _change(asked: Asked, lines: Sequence[Line], matcher: Matcher) -> Candidate | None:
    """Whether a figure rose or fell, by how much, or by what share."""
    with_both = [line for line in lines if _pair(line, asked)]
    meant = _meant(asked, asked.measures[0], with_both, matcher)
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
    if len(asked.targets) != 1:
        return None

    with_figures = [line for line in lines if figure_of(line, asked.targets[0])]
    meant = [_meant(asked, phrase, with_figures, matcher) for phrase in asked.measures]
    if meant[0] is None or meant[1] is None:
        return None

    (line, probability), (other, other_probability) = meant[0], meant[1]
    facts = [figure_of(one, asked.targets[0]) for one in (line, other)]
    is_one_table = line.table.index == other.table.index and line.rank == other.rank
    if facts[0] is None or facts[1] is None or not is_one_table or facts[0] == facts[1]:
        return None

    present = (facts[0], facts[1])
    return _computed(asked.operation, line, present, probability * other_probability)


def _extreme(asked: Asked, lines: Sequence[Line], matcher: Matcher) -> Candidate | None:
    """The label of the largest or smallest item of the group that is meant, and its cells."""
    if len(asked.targets) != 1:
        return None

    groups = [
        group for group in groups_of(lines, asked.targets[0]) if chosen(group, asked.operation)
    ]
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

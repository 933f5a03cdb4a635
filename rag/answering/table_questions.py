"""What a question asks of tables, read from its words: an operation, the periods, the measure, and
the names that a table or its document must have.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from rag.answering.table_formulas import Formula, formula_of
from rag.facts import without_periods
from rag.meaning.dates import all_dates
from rag.meaning.periods import Periods, periods
from rag.meaning.stems import stem_words
from rag.meaning.words import MONTH, MONTHS, month_number

_LARGEST = r"(?:highest|largest|biggest|greatest|most|maximum|longest|best[- ]selling)"
_SMALLEST = r"(?:lowest|smallest|least|fewest|minimum|shortest)"
_SUPERLATIVE = re.compile(
    r"(?i)^(?:(?:[^:?]{0,60}: ?)?(?:which|what|who|name|where)\b.*\b|[^?]{1,60}\bwith the )"
    rf"(?:(?P<most>{_LARGEST})|(?P<least>{_SMALLEST}))\b"
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
_EITHER_WAY = re.compile(rf"(?i)\b(?:{_UP} or (?:\w+ )?{_DOWN}|{_DOWN} or (?:\w+ )?{_UP})\b")
"""Both directions, as in "rise or fall": no yes and no no answers that."""
_CHOOSES = re.compile(r"(?i)^(?:[^:?]{0,60}: ?)?(?:which|what|who|name|where)\b")
_MOST_CHANGED = re.compile(
    r"(?i)\b(?:(?P<rose>grew|grow|grown|rose|rise|risen|increased?|improved?|(?P<won>gained?))"
    r"|(?P<fell>fell|fall|fallen|declined?|dropped|drop|decreased?|shrank|shrink|shrunk"
    r"|(?P<lost>lost|lose))|changed?) (?:by )?(?:the )?"
    rf"(?:{_LARGEST}|fastest|(?P<little>{_SMALLEST}))\b"
    rf"|\b(?:{_LARGEST}|(?P<small>{_SMALLEST})) (?:[\w'’-]+ ){{0,2}}?(?:(?P<rise>growth|rise"
    r"|increase|improvement)|(?P<fall>fall|decline|drop|decrease)|gain|loss|change)\b(?! of\b)"
)
"""The largest change, which is another item than the largest figure."""
_IN_PERCENT = re.compile(
    r"(?i)%|\bper ?cent\b|\bpercent|\bfastest\b|\bgrowth rate\b|\brelative|\bproportion"
)
"""Words of a question by which changes are compared as shares of what was before."""
_PERCENTAGE = re.compile(r"(?i)%|\bper ?cent|\bpct\b")
_DIFFERENCE = re.compile(
    rf"(?i)\bby how m(?:uch|any) (?:did|has|have)\b|\bdifference\b[^?]{{0,60}}?\bbetween\b"
    rf"|\bhow (?:much|many) (?:{_UP}|{_DOWN}|\w{{2,20}}er\b(?=[^?]{{1,200}}\bthan))\b"
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
    r"|\bas an? (?:share|percentage|proportion|fraction|per ?cent) of\b"
)
_WHICH_PART = re.compile(r"(?i)\bwhich part of\b")
_SUM = re.compile(
    r"(?i)\b(?:together|combined|in total|altogether|sum of|added up)\b|\btotal of\b.*\band\b"
)
_BETWEEN_TERMS = re.compile(r"(?i),? (?:and|plus|with) ")
_OPERATION_WORDS = re.compile(
    rf"(?i)\b(?:{_LARGEST}|{_SMALLEST}|fastest|{_UP}|{_DOWN}|by how much|how (?:much|many|fast)"
    r"|difference|between|together|combined|per ?cent|percentage|share|proportion|part|came|come"
    r"|made|earned?|had|have|than|over|from|year|quarter|months?|weeks?|before|earlier|change|company"
    r"|group|total amount)\b"
)
_UNREADABLE_PERIOD = re.compile(r"(?i)\b(?:second half|H2|forecast|budgeted for|will be)\b")
_HALF_YEAR = re.compile(r"(?i)\b(?:first half|half[- ]year|H1|first six months)\b")
_AT_A_DAY = re.compile(r"(?i)\b(?:at|as at|as of|on|end of|by the end of)\b")
"""Words before a day or year that a figure is of, such as cash."""
_CAPITALISED = re.compile(r"(?<![\w.])(?:[A-Z][\w&'’-]*|[A-Z]{2,}[\w-]*)")


ROSE_MOST, FELL_MOST = "rose_most", "fell_most"
CHOICES = ("most", "least", ROSE_MOST, FELL_MOST)


@dataclass(frozen=True)
class TableQuestion:
    """What a question asks of tables.

    `operation` is "" for a figure, one of `CHOICES` for the label of a row or a column, "up" or
    "down", "direction" for either of these, or one of those that are computed. `measures` are one
    phrase, or two for what is computed from two rows. `targets` are the periods, the later one
    first; () if the question names none. `names` are stems of names that a line or its document
    must have. `is_ordered` if the first of two rows is said to be the larger one; `is_in_percent`
    if changes are compared as shares. `formula` computes the measure from two others, if no row has
    the stems of its name, `formula_name`.
    """

    text: str
    operation: str
    measures: tuple[str, ...]
    targets: tuple[Periods, ...]
    names: frozenset[str]
    is_ordered: bool = False
    is_in_percent: bool = False
    formula: Formula | None = None
    formula_name: frozenset[str] = frozenset()

    @property
    def target(self) -> Periods | None:
        """The later period, if there is one."""
        return self.targets[0] if self.targets else None

    @property
    def is_choice(self) -> bool:
        """Whether the answer is the label of one of several rows or columns."""
        return self.operation in CHOICES

    @property
    def is_of_change(self) -> bool:
        """Whether the answer is the label of what rose or fell most."""
        return self.operation in (ROSE_MOST, FELL_MOST)

    @property
    def is_percentage(self) -> bool:
        """Whether the answer is a figure that is a percentage, and is not to be computed."""
        return not self.operation and bool(_PERCENTAGE.search(self.text))

    @property
    def is_of_a_day(self) -> bool:
        """Whether the question asks what stood at a day, not what came in over a period."""
        has_days = any(target.days for target in self.targets)
        return has_days and bool(_AT_A_DAY.search(self.text)) and not self.targets[0].months


def table_question(question: str) -> TableQuestion | None:
    """None for a question that asks for nothing that a table may say."""
    asked = _asked_part(question)
    operation = _operation(asked)
    if not operation and _ASKS_NO_FIGURE.search(asked):
        return None

    body = _INTRODUCTION.sub("", asked)
    measures: tuple[str, ...] = (body,)
    if operation == "share":
        measures = _part_and_whole(body)
    elif operation == "sum":
        measures = _terms_of_sum(body)
    elif operation in ("difference", "growth"):
        measures = _terms_of_difference(body) or measures

    targets = _targets(question)
    if _HALF_YEAR.search(question):
        targets = tuple(target._replace(months=frozenset({"6"})) for target in targets)

    change = _most_changed(asked)
    is_change_clear = change is None or _is_clear(change, targets)
    is_unreadable = _UNREADABLE_PERIOD.search(question) or not is_change_clear
    is_of_rows = len(measures) == 2
    if is_of_rows and (operation == "growth" or len(targets) > 1):
        return None
    needs_period = not _may_be_undated(operation, is_of_rows) or any(periods(question))
    if not measures or is_unreadable or (not targets and needs_period):
        return None
    formula, formula_name = formula_of(asked) or (None, frozenset())
    return TableQuestion(
        text=asked,
        operation=operation,
        measures=measures,
        targets=targets,
        names=_names(question) - formula_name,
        is_ordered=is_of_rows and _is_ordered(body),
        is_in_percent=change is not None and bool(_IN_PERCENT.search(question)),
        formula=formula,
        formula_name=formula_name,
    )


_SENTENCE_END = re.compile(r"(?<=[.?!])\s+(?=[A-Z])")
_ASKING = r"(?:what|which|how|who|where|by how|did|does|do|has|have|was|were|is|are)\b"
_BEFORE_QUESTION = re.compile(rf"(?i)^(?!{_ASKING})[^?]{{1,300}}?[,:] (?={_ASKING})")
_IN_UNITS = re.compile(
    r"(?i)[ ,]{0,3}\(?\b(?:answer )?in (?:(?:USD|EUR|GBP|US dollars|dollars|euros|pounds"
    r"|[$\u20ac\u00a3])[ ,]{0,3})?(?:thousands|millions|billions)\b\)?"
)


def _asked_part(question: str) -> str:
    """The sentence of a message that asks, without what introduces it, and without the unit that it
    wants. "Answer in millions." and "Rely on the cash flow statement." ask nothing.
    """
    sentences = _SENTENCE_END.split(question.strip())
    asking = [sentence for sentence in sentences if sentence.endswith("?")]
    asked = asking[0] if len(asking) == 1 else sentences[0]
    if len(asking) > 1 or not _MEASURES_SOMETHING.search(asked):
        asked = question
    name, colon, rest = asked.partition(": ")
    is_named_first = bool(colon) and len(name) <= _LONGEST_INTRODUCTION
    if not is_named_first or _BEFORE_QUESTION.match(rest):
        asked = _BEFORE_QUESTION.sub("", asked)
    return _IN_UNITS.sub("", asked)


_ASKS_NO_FIGURE = re.compile(
    r"(?i)^(?:[^:?]{0,60}: ?)?(?:(?:(?:in|for|of|at|on|from|to|by) )?(?:which|where|who|whose|why"
    r"|when)\b|what (?:drove|caused|explains?|was behind|led to)\b)"
)
"""How a question begins that asks for a name, a day or a reason."""
_MEASURES_SOMETHING = re.compile(r"\w\W+\w")


def _may_be_undated(operation: str, is_of_rows: bool) -> bool:
    """Whether a table without periods may answer: a figure, the largest, a difference of rows."""
    return operation in ("", "most", "least") or (operation == "difference" and is_of_rows)


def asks_for_two_cells(question: str) -> bool:
    """Whether a question asks for a difference of two things, or chooses by a change: it needs two
    cells of a table.
    """
    return bool(compared_things(question) or _most_changed(question))


@cache
def change_stems() -> frozenset[str]:
    """Words of a table that states changes."""
    return frozenset(stem_words("change growth increase decrease rise fall decline variance"))


def may_state_change(question: str, columns: str) -> bool:
    """Whether one of these columns may state the change by which a question chooses: "Growth", or
    "Lost" for "lost most".
    """
    change = _most_changed(question)
    asked = frozenset(stem_words(change[0])) if change else frozenset[str]()
    return not (asked | change_stems()).isdisjoint(stem_words(columns))


def compared_things(question: str) -> tuple[str, ...]:
    """The two things whose difference a question asks for; () if it asks for no such difference."""
    is_of_difference = _operation(question) in ("difference", "growth")
    return _terms_of_difference(_INTRODUCTION.sub("", question)) if is_of_difference else ()


_INTRODUCTION = re.compile(r"^[^:?]{2,60}: ")


def _most_changed(question: str) -> re.Match[str] | None:
    """What says that a question chooses by a change: "grew most"; None if it does not."""
    return _MOST_CHANGED.search(question) if _CHOOSES.search(question) else None


def _is_clear(change: re.Match[str], targets: Sequence[Periods]) -> bool:
    """Whether it is the largest change in one direction. "Lost the most" without two periods may
    be the largest loss.
    """
    if change["little"] or change["small"]:
        return False
    if change["lost"] or change["won"]:
        return len(targets) == 2
    return any(change[name] for name in ("rose", "fell", "rise", "fall"))


def _operation(question: str) -> str:
    if change := _most_changed(question):
        return ROSE_MOST if change["rose"] or change["rise"] else FELL_MOST

    superlative = _SUPERLATIVE.search(question)
    is_part_chosen = superlative is not None and _WHICH_PART.search(question)
    if _SHARE.search(question) and not is_part_chosen:
        return "share"

    if _GROWTH.search(question):
        return "growth"

    if _DIFFERENCE.search(question):
        return "difference"

    if change := _CHANGE.search(question):
        if _EITHER_WAY.search(question):
            return "direction"
        return "up" if change["up"] else "down"

    if superlative:
        return "most" if superlative["most"] else "least"

    return "sum" if _SUM.search(question) else ""


_PART_OF_WHOLE = re.compile(
    r"(?i)\bof (?P<whole>.+?) (?:came|comes?|was|were|is|are|did|do|does)\b(?: from| in| by)?"
    r"(?P<part>.+)"
)


_PART_AS_SHARE = re.compile(
    r"(?i)^(?:(?:what|how much) (?:was|were|is|are) )?(?P<part>[^?]+?),? as an? (?:share|percentage"
    r"|proportion|fraction|per ?cent) of (?P<whole>[^?]+)"
)


def _part_and_whole(body: str) -> tuple[str, ...]:
    """(part, whole) of a share; () if they are unclear."""
    match = _PART_AS_SHARE.search(body) or _PART_OF_WHOLE.search(body)
    return (match["part"], match["whole"]) if match else ()


_BEFORE_TERMS = re.compile(r"(?i)^.*?\b(?:was|were|is|are|did|of)\b")
_AFTER_TERMS = re.compile(r"(?i)\b(?:together|combined|in total|altogether)\b.*")


def _terms_of_sum(body: str) -> tuple[str, ...]:
    """The two terms of a sum; () if they are unclear."""
    phrase = _BEFORE_TERMS.sub("", body, count=1)
    phrase = _AFTER_TERMS.sub("", phrase)
    terms = _BETWEEN_TERMS.split(phrase, maxsplit=1)
    return tuple(terms) if len(terms) == 2 and all(map(stem_words, terms)) else ()


_MORE_THAN = re.compile(
    rf"(?i)\bhow (?:much|many) (?:(?P<more>{_UP})|(?P<less>{_DOWN})|\w{{2,20}}er)\b"
    r"(?P<one>[^?]+?)\bthan\b(?P<other>[^?]+)"
)
_BETWEEN = re.compile(
    r"(?i)\bdifference\b(?P<measure>[^?]*?)\bbetween\b(?P<one>[^?]+?)\band\b(?P<other>[^?]+)"
)


def _is_ordered(body: str) -> bool:
    """Whether the words of a comparison say which of both is the larger one."""
    more = _MORE_THAN.search(body)
    return more is not None and bool(more["more"] or more["less"])


_OTHER_PERIOD = re.compile(
    r"(?i)\W*(?:(?:in|at|for|of|a|the) )*(?:\w+ )?(?:years?|quarters?|months?|weeks?|half)\b"
)
"""What is compared with a row that is not another row: "than in the previous year"."""


def _terms_of_difference(body: str) -> tuple[str, ...]:
    """The two rows that a question compares, the one that is said to be larger first; () if it
    compares one row with itself.
    """
    more = _MORE_THAN.search(body)
    between = None if more else _BETWEEN.search(body)
    match = more or between
    if match is None or _OTHER_PERIOD.match(match["other"]):
        return ()

    one = f"{between['measure']} {match['one']}" if between else match["one"]
    terms = (one.strip(), match["other"].strip())
    if not all(stem_words(measure_of(term)) for term in terms):
        return ()
    return terms[::-1] if more and more["less"] else terms


def _targets(question: str) -> tuple[Periods, ...]:
    """The periods that a question names, the later one first; () without one, or with more than
    two.
    """
    stated = _with_quarter(question, periods(question))
    if not stated.days and not stated.quarters:
        stated = stated._replace(days=_months_of_years(question))
    if _YEAR_TO.search(question) and not stated.months:
        stated = stated._replace(months=frozenset({"12"}))
    stated = _with_months(question, stated)

    if len(stated.days) > 2:
        return ()
    if len(stated.days) == 2:
        return tuple(
            stated._replace(days=frozenset({day}), years=frozenset({day[:4]}))
            for day in sorted(stated.days, reverse=True)
        )

    if len(stated.years) > 2:
        return ()
    are_two_years = len(stated.years) == 2 and not _is_one_year(question, stated.years)
    if are_two_years and not stated.days:
        return tuple(
            stated._replace(years=frozenset({year})) for year in sorted(stated.years, reverse=True)
        )

    return (stated,) if stated.days or stated.years else ()


_LAST_QUARTER = re.compile(r"(?i)\b(?:last|final) quarter\b")
_MONTHS_OF_YEAR = re.compile(
    rf"(?i)\b(?P<first>{MONTH}) (?:to|through|until|and|[-\u2013]) (?:the end of )?"
    rf"(?P<last>{MONTH}),? (?P<year>(?:19|20)\d\d)\b"
)
"""Months that follow each other: "from July to September 2023"."""
_MONTHS_OF_QUARTER = 3


def _with_quarter(question: str, stated: Periods) -> Periods:
    """The periods, with the quarter that "the last quarter" means."""
    if stated.quarters or not _LAST_QUARTER.search(question):
        return stated
    return stated._replace(quarters=frozenset({"4"}), months=frozenset({"3"}))


def _with_months(question: str, stated: Periods) -> Periods:
    """The periods, with the months that a question names by the first and the last one."""
    match = _MONTHS_OF_YEAR.search(question)
    if match is None:
        return stated
    first, last = month_number(match["first"]), month_number(match["last"])
    count = last - first + 1
    if count < 1:
        return stated

    is_quarter = count == _MONTHS_OF_QUARTER and last % _MONTHS_OF_QUARTER == 0
    quarter = str(last // _MONTHS_OF_QUARTER)
    return Periods(
        days=frozenset({f"{match['year']}-{last:02}"}),
        years=frozenset({match["year"]}),
        quarters=frozenset({quarter}) if is_quarter else frozenset(),
        months=frozenset({str(count)}),
    )


_YEAR_TO = re.compile(r"(?i)\byear (?:to|ending|that ended)\b")
_MIDDLE = re.compile(r"(?i)\b(?:mid(?:dle of)?[- ]?|the middle of )(?P<year>(?:19|20)\d\d)\b")


def _months_of_years(question: str) -> frozenset[str]:
    """The months that a question names with their year, such as "2025-08"; June for the middle of a
    year.
    """
    months = {date.iso for date in all_dates(question) if date.precision == "month"}
    months |= {f"{match['year']}-06" for match in _MIDDLE.finditer(question)}
    return frozenset(month for month in months if not month.startswith("-"))


def _is_one_year(question: str, years: frozenset[str]) -> bool:
    """Whether both are one financial year, such as "2023/24"."""
    start, end = sorted(years)
    joined = rf"{start}\s?[/\u2013-]\s?(?:20)?{end[2:]}\b"
    return int(end) == int(start) + 1 and bool(re.search(joined, question))


_NO_NAMES = frozenset(
    (
        *MONTHS,
        *"USD EUR GBP CHF JPY".split(),
        *"Corp Corporation Inc Co Company Ltd Limited LLC PLC AG SA NV".split(),
        *"PP&E PPE PPNE COGS SG&A R&D D&A G&A EBIT EBITDA EPS FCF AR AP IFRS GAAP".split(),
    )
)
"""Capitalised words that say neither whose figure is asked nor of which part: months, currencies,
legal forms, and short names of figures."""
_PERIOD_CODE = re.compile(r"\b(?:Q[1-4]|H[12]|FY\d*)\b")
_LONGEST_INTRODUCTION = 60


def _names(question: str) -> frozenset[str]:
    """Stems of the words that are names, in lower case: capitalised, but no first word of the
    sentence, and no part of a period. All words before a colon are names.
    """
    text = without_periods(_PERIOD_CODE.sub(" ", question))
    introduction, colon, _ = text.partition(": ")
    has_introduction = bool(colon) and len(introduction) <= _LONGEST_INTRODUCTION
    begin = len(introduction) + len(colon) if has_introduction else 0
    beginnings = {0, begin} | {match.end() for match in _SENTENCE_END.finditer(text)}

    names = [
        match[0]
        for match in _CAPITALISED.finditer(text)
        if match.start() not in beginnings and without_possessive(match[0]) not in _NO_NAMES
    ]
    if has_introduction:
        names += [word for word in introduction.split() if word not in _NO_NAMES]
    return frozenset(stem_words(" ".join(map(without_possessive, names))))


def measure_of(phrase: str) -> str:
    """A phrase without periods and words of the operation: what is measured."""
    words = re.sub(r"['’]s\b", "", without_periods(phrase))
    return " ".join(_OPERATION_WORDS.sub(" ", words).split()).strip(" ?,.")


def without_possessive(word: str) -> str:
    """The word without "'s" at its end."""
    return word.removesuffix("'s").removesuffix("’s")

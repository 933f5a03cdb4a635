"""Answers from the figures of tables: the figure that a question asks for by its label, the label
of the largest or smallest, whether a figure rose or fell, and what is computed from two of them.

A fitted model matches the measure of the question to the lines of the tables in the documents that
were found. It refuses if the question has names that neither the document's title nor the line has.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from rag.answering.candidate import Candidate, TableFindings
from rag.answering.table_formulas import Formula
from rag.answering.table_lines import (
    ComparedGroup,
    ComparedItem,
    TableLine,
    can_answer,
    extreme_item,
    figure_key,
    figure_of,
    figure_pair,
    groups_to_choose,
    is_foreign,
    is_foreign_group,
    may_have_unit,
    names_of,
    of_named_rows,
)
from rag.answering.table_matcher import Matcher
from rag.answering.table_questions import TableQuestion, measure_of
from rag.facts import Fact
from rag.meaning.periods import of_column
from rag.meaning.stems import stem_words
from rag.types import Document, Place, YesNo

_MOST_DOCUMENTS = 3
"""Documents, best first, whose tables are matched."""
_LEAST_PROBABILITY = 0.45
_LEAST_OF_OPERAND = 0.5
_LEAST_OF_GROUP = 0.6
_LEAST_OF_OTHER_GROUP = 0.9
"""Probabilities of a line, of the line or pair from which something is computed, of a group, and of
a group for a question that was not fitted to, from which on their figures are proposed."""
_CERTAINTY = (0.93, 1.89, -2.86)
"""Weights of a logistic regression, fitted by `eval.experiments.fit_figures --certainty`: a
constant, the log-odds of a candidate's probability, and how likely the question wants sentences."""
_MOST_CERTAIN = 0.999
_UNLIKELY = 0.05
"""Probability of a row below which it hardly has the figure that is meant."""
GENERATOR = "figures"


def figure_findings(
    question: TableQuestion, documents: Sequence[Document], matcher: Matcher
) -> TableFindings:
    """What the tables of the documents, best first, answer: at most one candidate, and for a figure
    of a period the rows that hardly have it.
    """
    if not stem_words(measure_of(question.measures[0])):
        return TableFindings()

    lines = lines_near(question, documents, matcher)
    if question.formula:
        named_lines = [line for line in lines if _is_formula_named(question, line)]
        if not named_lines:
            candidate = _by_formula(question, question.formula, lines, matcher)
            return _findings(candidate)
        lines = named_lines

    if question.is_choice:
        candidate = _extreme(question, lines, matcher)
    elif not question.targets:
        candidate = _undated(question, lines, matcher)
    elif len(question.measures) == 2:
        candidate = _of_two_lines(question, lines, matcher)
    elif question.operation:
        candidate = _change(question, lines, matcher)
    else:
        return _figure(question, lines, matcher)
    return _findings(candidate)


def _is_formula_named(question: TableQuestion, line: TableLine) -> bool:
    """Whether a line states the measure of a question that a formula would compute."""
    return question.formula_name <= line.label_stems and may_have_unit(question, line)


def calibrated(findings: TableFindings, odds: Mapping[str, float]) -> TableFindings:
    """The findings with the probability that each candidate is right (Platt 1999), from that of its
    rows; `odds` are how likely the question wants each form. A reason is no figure.
    """
    constant, of_likelihood, of_sentences = _CERTAINTY
    candidates = []
    for candidate in findings.candidates:
        probability = min(candidate.probability or 0.0, _MOST_CERTAIN)
        log_odds = constant + of_likelihood * math.log(probability / (1 - probability))
        log_odds += of_sentences * odds.get("sentences", 0.0)
        candidates.append(replace(candidate, probability=1 / (1 + math.exp(-log_odds))))
    return replace(findings, candidates=tuple(candidates))


def _findings(candidate: Candidate | None, unlikely_rows: Sequence[Place] = ()) -> TableFindings:
    return TableFindings((candidate,) if candidate else (), tuple(unlikely_rows))


def lines_near(
    question: TableQuestion, documents: Sequence[Document], matcher: Matcher
) -> list[TableLine]:
    """The lines of the tables of the nearest documents, by document: those whose title has the
    question's names come before better ones.
    """

    def missing_names(document: Document) -> int:
        return len(question.names - names_of(document))

    with_tables = [document for document in documents if _has_table(document)]
    with_tables.sort(key=missing_names)
    lines: list[TableLine] = []
    for document in with_tables[:_MOST_DOCUMENTS]:
        lines += matcher.lines_of(document)
    return lines


def _has_table(document: Document) -> bool:
    return any(block.kind == "table" for block in document.blocks)


def _meant_line(
    question: TableQuestion, phrase: str, lines: Sequence[TableLine], matcher: Matcher
) -> tuple[TableLine, float] | None:
    """The likeliest line, and how likely its figure is meant."""
    if not lines:
        return None
    return _likeliest_line(question, lines, _probabilities(question, phrase, lines, matcher))


def _probabilities(
    question: TableQuestion, phrase: str, lines: Sequence[TableLine], matcher: Matcher
) -> list[float]:
    """How likely each line is meant."""
    return matcher.rows.probabilities(matcher.features(question, phrase, lines))


def _by_figure(
    question: TableQuestion, lines: Sequence[TableLine], probabilities: Sequence[float]
) -> dict[tuple[object, ...], float]:
    """How likely each figure is meant: several lines may say the same."""
    by_figure: dict[tuple[object, ...], float] = {}
    for line, probability in zip(lines, probabilities, strict=True):
        key = figure_key(line, question)
        by_figure[key] = by_figure.get(key, 0.0) + probability
    return by_figure


def _likeliest_line(
    question: TableQuestion, lines: Sequence[TableLine], probabilities: Sequence[float]
) -> tuple[TableLine, float] | None:
    """The likeliest line, and how likely its figure is meant, unless this is too unlikely."""
    winner = lines[probabilities.index(max(probabilities))]
    probability = _by_figure(question, lines, probabilities)[figure_key(winner, question)]
    threshold = _LEAST_OF_OPERAND if question.operation else _LEAST_PROBABILITY
    if probability < threshold or is_foreign(question, winner):
        return None
    return winner, probability


def _figure(question: TableQuestion, lines: Sequence[TableLine], matcher: Matcher) -> TableFindings:
    """The figure of the row that is meant, and the rows that hardly have it."""
    answering = [line for line in lines if can_answer(question, line)]
    if not answering:
        return TableFindings()

    probabilities = _probabilities(question, question.measures[0], answering, matcher)
    unlikely_rows = _unlikely_rows(question, answering, probabilities)
    meant = _likeliest_line(question, answering, probabilities)
    if meant is None:
        return _findings(None, unlikely_rows)

    line, probability = meant
    fact = figure_of(line, question.target)
    if fact is None:
        return _findings(None, unlikely_rows)
    candidate = Candidate("span", GENERATOR, (_place(line, fact),), probability=probability)
    return _findings(candidate, unlikely_rows)


def _unlikely_rows(
    question: TableQuestion, lines: Sequence[TableLine], probabilities: Sequence[float]
) -> list[Place]:
    """The rows of which no line is likely to have the figure that is meant."""
    by_figure = _by_figure(question, lines, probabilities)
    likeliest: dict[Place, float] = {}
    for line in lines:
        row = line.row.block
        place = Place(line.document.id, row.start, row.end)
        probability = by_figure[figure_key(line, question)]
        likeliest[place] = max(probability, likeliest.get(place, 0.0))
    return [place for place, probability in likeliest.items() if probability < _UNLIKELY]


_MOST_NAMED = 60
_MOST_OTHERS = 60
"""Lines of rows that the question names, and other lines that these are compared with."""


def _undated(
    question: TableQuestion, lines: Sequence[TableLine], matcher: Matcher
) -> Candidate | None:
    """The figure of a row that the question names, in a table without periods, or the difference of
    two such rows, in the column that is meant.
    """
    named_lines = of_named_rows(question, question.text, lines)
    if not 0 < len(named_lines) <= _MOST_NAMED:
        return None
    documents = {line.document.id for line in named_lines}
    named = {id(line) for line in named_lines}
    others = [line for line in lines if line.document.id in documents and id(line) not in named]
    answering = [line for line in others if can_answer(question, line)]
    lines = [*named_lines, *answering[:_MOST_OTHERS]]
    if len(question.measures) == 2:
        first, second = question.measures
        return _undated_difference(question, first, second, lines, matcher) or _undated_difference(
            question, second, first, lines, matcher
        )

    meant = _meant_line(question, question.measures[0], lines, matcher)
    if meant is None or meant[0] not in named_lines:
        return None
    line, probability = meant
    place = _place(line, line.facts[0])
    return Candidate("span", GENERATOR, (place,), probability=probability)


def _undated_difference(
    question: TableQuestion,
    phrase: str,
    other_phrase: str,
    lines: Sequence[TableLine],
    matcher: Matcher,
) -> Candidate | None:
    """The difference of the rows that two phrases name, in the column that the first one means."""
    meant = _meant_line(_of_phrase(question, phrase, other_phrase), phrase, lines, matcher)
    if meant is None or meant[0] not in of_named_rows(question, phrase, lines):
        return None

    line, probability = meant
    other_lines = [
        other
        for other in of_named_rows(question, other_phrase, lines)
        if _are_in_one_column(line, other)
    ]
    if len(other_lines) != 1:
        return None
    facts = (line.facts[0], other_lines[0].facts[0])
    if phrase != question.measures[0]:
        facts = facts[::-1]
    return _difference(question, line, facts, probability)


def _place(line: TableLine, fact: Fact) -> Place:
    """The cell of a figure, with all its labels."""
    return Place(line.document.id, fact.start, fact.end, label=" › ".join(fact.labels))


_MAY_BE_NEGATIVE = re.compile(r"(?i)income|profit|earnings|surplus|cash|result|equity|net\b|change")
"""In a label whose figure in brackets is a loss: it rises where its size falls."""


def _change(
    question: TableQuestion, lines: Sequence[TableLine], matcher: Matcher
) -> Candidate | None:
    """Whether a figure rose or fell, by how much, or by what share."""
    answering = [line for line in lines if can_answer(question, line)]
    meant = _meant_line(question, question.measures[0], answering, matcher)
    if meant is None:
        return None
    line, probability = meant
    pair = figure_pair(line, question)
    if pair is None:
        return None

    later, earlier = (fact.number or 0.0 for fact in pair)
    has_other_sign = later * earlier < 0
    is_loss = later < 0 and _MAY_BE_NEGATIVE.search(line.label)
    if has_other_sign or is_loss:
        return None

    sizes = (abs(later), abs(earlier))
    if question.operation in ("up", "down"):
        return _verdict_of_change(question.operation, line, sizes, probability)

    if question.operation == "direction":
        return _rise_or_fall(line, pair, probability)

    later_size, earlier_size = sizes
    has_rise_first = question.operation == "growth" or later_size >= earlier_size
    facts = pair if has_rise_first else pair[::-1]
    return _computed(question.operation, line, facts, probability)


def _verdict_of_change(
    operation: str, line: TableLine, sizes: tuple[float, float], probability: float
) -> Candidate | None:
    """Whether the later size is above ("up") or below the earlier one; None if they are equal."""
    later, earlier = sizes
    if later == earlier:
        return None
    has_risen = later > earlier
    asks_for_rise = operation == "up"
    verdict: YesNo = "yes" if has_risen == asks_for_rise else "no"
    row = line.row.block
    place = Place(line.document.id, row.start, row.end)
    return Candidate("yes_no", GENERATOR, (place,), verdict=verdict, probability=probability)


def _rise_or_fall(line: TableLine, pair: tuple[Fact, Fact], probability: float) -> Candidate | None:
    """Which of both happened, with the difference; None if the figures are equal."""
    later, earlier = (abs(fact.number or 0.0) for fact in pair)
    if later == earlier:
        return None
    has_risen = later > earlier
    candidate = _computed("difference", line, pair if has_risen else pair[::-1], probability)
    if candidate is None:
        return None
    return replace(candidate, text=f"{'rose' if has_risen else 'fell'}: {candidate.text}")


def _computed(
    operation: str, line: TableLine, facts: Sequence[Fact], probability: float
) -> Candidate | None:
    """What is computed from figures of one table, with their cells."""
    from rag.answering.computed import computation  # few questions need it

    result = computation(operation, facts)
    if result is None:
        return None
    return Candidate(
        "span",
        GENERATOR,
        places=tuple(_place(line, fact) for fact in facts),
        text=result.words,
        value=result.value,
        probability=probability,
    )


_MOST_OPERANDS = 30
"""Lines, likeliest first, that may be one of two operands."""


def _of_two_lines(
    question: TableQuestion, lines: Sequence[TableLine], matcher: Matcher
) -> Candidate | None:
    """What is computed from two rows of one column, or two columns of one row; a difference only
    from two rows.
    """
    meant = _meant_pair(question, lines, matcher)
    if meant is None:
        return None
    line, other_line, probability = meant

    fact = figure_of(line, question.target)
    other_fact = figure_of(other_line, question.target)
    if fact is None or other_fact is None:
        return None
    facts = (fact, other_fact)
    if question.operation == "difference":
        return _difference(question, line, facts, probability)
    return _computed(question.operation, line, facts, probability)


def by_formula(question: TableQuestion, formula: Formula) -> TableQuestion:
    """The question as one for the two measures of a formula."""
    return replace(question, operation=formula.operation, measures=formula.measures)


def _by_formula(
    question: TableQuestion, formula: Formula, lines: Sequence[TableLine], matcher: Matcher
) -> Candidate | None:
    """What a formula gives for the question's period; None if the question asks for its change."""
    if question.operation or len(question.targets) != 1:
        return None
    meant = _meant_pair(by_formula(question, formula), lines, matcher)
    if meant is None:
        return None

    line, other_line, probability = meant
    fact = figure_of(line, question.target)
    other_fact = figure_of(other_line, question.target)
    if fact is None or other_fact is None:
        return None
    return _computed(formula.operation, line, (fact, other_fact), probability)


def _meant_pair(
    question: TableQuestion, lines: Sequence[TableLine], matcher: Matcher
) -> tuple[TableLine, TableLine, float] | None:
    """The likeliest pair of lines, and how likely their figures are meant: as likely as both of
    them, given that the lines are a pair or that one is missing. Other pairs may say the same.
    """
    answering = [line for line in lines if can_answer(question, line)]
    if not answering:
        return None
    phrase, other_phrase = question.measures
    asked = _of_phrase(question, phrase, other_phrase)
    other_asked = _of_phrase(question, other_phrase, phrase)
    of_phrase = matcher.rows.probabilities(matcher.features(asked, phrase, answering))
    of_other = matcher.rows.probabilities(matcher.features(other_asked, other_phrase, answering))

    likelihoods: dict[tuple[object, ...], float] = {}
    pairs: dict[tuple[object, ...], tuple[TableLine, TableLine]] = {}
    for place in _likeliest(of_phrase):
        for other_place in _likeliest(of_other):
            pair = (answering[place], answering[other_place])
            if not _may_be_computed(question, *pair):
                continue
            key = tuple(figure_key(line, question) for line in pair)
            likelihood = of_phrase[place] * of_other[other_place]
            likelihoods[key] = likelihoods.get(key, 0.0) + likelihood
            pairs.setdefault(key, pair)
    if not likelihoods:
        return None

    is_one_missing = 1 - sum(of_phrase) * sum(of_other)
    likeliest = max(likelihoods, key=lambda key: likelihoods[key])
    probability = likelihoods[likeliest] / (sum(likelihoods.values()) + is_one_missing)
    line, other_line = pairs[likeliest]
    if probability < _LEAST_OF_OPERAND:
        return None
    if is_foreign(asked, line) or is_foreign(other_asked, other_line):
        return None
    return line, other_line, probability


def _likeliest(probabilities: Sequence[float]) -> list[int]:
    """Places of the likeliest lines, best first."""
    places = sorted(range(len(probabilities)), key=lambda place: -probabilities[place])
    return places[:_MOST_OPERANDS]


def _may_be_computed(question: TableQuestion, line: TableLine, other: TableLine) -> bool:
    """Whether two lines are two rows of one column, or, but for a difference, two columns of one
    row. The rows of a formula may be of two statements of a document.
    """
    if question.formula:
        is_other_row = line.row.block.start != other.row.block.start
        return is_other_row and line.series == other.series and line.document == other.document
    if _are_in_one_column(line, other):
        return True
    is_same_row = line.row.block.start == other.row.block.start and _are_in_one_table(line, other)
    return question.operation != "difference" and is_same_row and line.series != other.series


def _difference(
    question: TableQuestion, line: TableLine, facts: tuple[Fact, Fact], probability: float
) -> Candidate | None:
    """The difference of two figures of one column and one sign, the larger one first if the
    question does not say which it is.
    """
    fact, other_fact = facts
    sizes = [fact.number or 0.0 for fact in facts]
    if min(sizes) < 0 < max(sizes) or fact.column != other_fact.column:
        return None
    if not question.is_ordered and abs(sizes[0]) < abs(sizes[1]):
        facts = facts[::-1]
    return _computed(question.operation, line, facts, probability)


def _of_phrase(question: TableQuestion, phrase: str, other_phrase: str) -> TableQuestion:
    """The question without the names of its other phrase: another row has them. For a formula it
    asks for the phrase alone.
    """
    if question.formula:
        return replace(question, text=phrase)
    foreign = frozenset(stem_words(other_phrase)) - frozenset(stem_words(phrase))
    return replace(question, names=question.names - foreign)


def _are_in_one_table(line: TableLine, other: TableLine) -> bool:
    return line.document == other.document and line.table.index == other.table.index


def _are_in_one_column(line: TableLine, other: TableLine) -> bool:
    """Whether two rows of a table have figures of one series."""
    is_other_row = line.row.block.start != other.row.block.start
    return is_other_row and line.series == other.series and _are_in_one_table(line, other)


_ASKS_PERIOD = re.compile(r"(?i)\b(?:which|what) (?:year|half|quarter|month)\b")
_MOST_CELLS = 8
"""Cells of a comparison that are quoted."""


def _extreme(
    question: TableQuestion, lines: Sequence[TableLine], matcher: Matcher
) -> Candidate | None:
    """The label of the largest or smallest item of the group that is meant, and its cells; or of
    the one that changed most, with its change.
    """
    if len(question.targets) > 1 and not question.is_of_change:
        return None
    groups = groups_to_choose(question, lines)
    if not groups:
        return None

    features = matcher.group_features(question, question.measures[0], groups)
    probabilities = matcher.groups.probabilities(features)
    items = [extreme_item(group, question) for group in groups]
    likeliest = probabilities.index(max(probabilities))
    group = groups[likeliest]
    item = items[likeliest]
    probability = 0.0
    for other_item, other_probability in zip(items, probabilities, strict=True):
        if item and other_item and item.label == other_item.label:
            probability += other_probability
    is_fitted = question.targets and not question.is_of_change
    threshold = _LEAST_OF_GROUP if is_fitted else _LEAST_OF_OTHER_GROUP
    if item is None or probability < threshold or is_foreign_group(question, group):
        return None
    if _ASKS_PERIOD.search(question.text) and not any(of_column(item.label)):
        return None
    if question.is_of_change:
        return _changed(question, group, item, probability)

    document_id = group.line.document.id
    rivals = [rival for rival in group.items if rival is not item][: _MOST_CELLS - 1]
    rivals.sort(key=lambda rival: rival.fact.start)
    places = [Place(document_id, item.start, item.end)]
    for cell in (item, *rivals):
        places.append(Place(document_id, cell.fact.start, cell.fact.end, label=cell.label))
    return Candidate(
        "span",
        GENERATOR,
        places=tuple(places),
        text=item.label,
        probability=probability,
    )


def _changed(
    question: TableQuestion, group: ComparedGroup, item: ComparedItem, probability: float
) -> Candidate | None:
    """The label of an item with the change between its two figures."""
    operation = "growth" if question.is_in_percent else "difference"
    facts = item.facts
    if operation == "difference":
        are_costs = all((fact.number or 0.0) <= 0 for fact in facts)
        facts = tuple(sorted(facts, key=_number, reverse=not are_costs))

    candidate = _computed(operation, group.line, facts, probability)
    if candidate is None:
        return None
    return replace(candidate, text=f"{item.label}: {candidate.text}")


def _number(fact: Fact) -> float:
    return fact.number or 0.0

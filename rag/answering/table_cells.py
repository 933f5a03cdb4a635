"""Figures of tables: a span becomes the whole cell, in the column of the period that the question
names, and figures of another period are left out.

The reader finds the right row more reliably than the right column, and it does not see that the
same row of another quarter's report is the wrong one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from rag.facts import Fact, FactRow, FactTable
from rag.meaning.identifiers import file_name
from rag.meaning.periods import Periods, periods, same_season
from rag.types import Document, Passage, Span


def in_asked_columns(
    question: str, spans: Sequence[Span], document: Callable[[str], Document | None]
) -> list[Span]:
    """The spans, without figures of another period than the question's. Each part of a figure in a
    table is replaced by its cell, or by the cell of the same row whose column names the question's
    period while its own column does not. `document` finds a document by id.
    """
    question_periods = periods(question)
    best_spans: dict[tuple[str, int, int, int], Span] = {}
    for span in spans:
        moved = _snapped(question_periods, span, document)
        if moved is None:
            continue
        passage = moved.hit.passage
        place = (passage.document_id, passage.start, moved.start, moved.end)
        best = best_spans.get(place)
        if best is None or best.score < moved.score:
            best_spans[place] = moved
    return list(best_spans.values())


def _snapped(
    question_periods: Periods, span: Span, document: Callable[[str], Document | None]
) -> Span | None:
    """The span's cell, or the one in the column that agrees more; outside tables the span. None if
    that cell is of another period than the question's.
    """
    passage = span.hit.passage
    if not any(map(str.isdecimal, span.text)):
        return span
    source = document(passage.document_id)
    if source is None or not passage.is_in(source):
        return span

    start = passage.start + span.start
    end = passage.start + span.end
    table = FactTable.at(source, start)
    row = table.row_at(start) if table else None
    fact = _fact_ending_in(row, end) if row else None
    if row is None or fact is None:
        return span

    in_passage = []
    for other in row.facts:
        if passage.start <= other.start and other.end <= passage.end:
            in_passage.append(other)
    snapped = _best_fact(question_periods, fact, in_passage or [fact])

    unmatched = question_periods.besides(periods(" | ".join(row.texts)))
    if unmatched.differ(row.stated) or unmatched.differ(snapped.stated):
        return None
    if unmatched.quarters and unmatched.differ(document_quarter(snapped, row, passage)):
        return None

    return replace(
        span,
        start=snapped.start - passage.start,
        end=snapped.end - passage.start,
        label=row.texts[0] if row.texts else "",
    )


def _fact_ending_in(row: FactRow, end: int) -> Fact | None:
    """The first figure of a row in which a span ends."""
    for fact in row.facts:
        if fact.start < end <= fact.end:
            return fact
    return None


def _best_fact(question_periods: Periods, fact: Fact, facts: Sequence[Fact]) -> Fact:
    """The only fact whose column agrees better with the question than that of `fact`; else `fact`.
    If several columns agree equally well, those that state the fewest other periods count.
    """
    agreements = [question_periods.agreement(other.stated) for other in facts]
    highest = max(agreements)
    if highest <= max(question_periods.agreement(fact.stated), 0):
        return fact

    agreeing = []
    surplus_counts = []
    for other, agreement in zip(facts, agreements, strict=True):
        if agreement == highest:
            surplus = other.stated.besides(question_periods)
            agreeing.append(other)
            surplus_counts.append(sum(map(bool, surplus)))
    is_one_closest = surplus_counts.count(min(surplus_counts)) == 1
    if not is_one_closest:
        return fact
    return agreeing[surplus_counts.index(min(surplus_counts))]


def document_quarter(fact: Fact, row: FactRow, passage: Passage) -> Periods:
    """The quarter that the document's file name, title or headings state, if the fact is of that
    quarter. The passage must name no quarter, and the column no day except the last one in the row
    and the same one of other years.
    """
    if periods(passage.text).quarters:
        return Periods()
    days: set[str] = set()
    for other in row.facts:
        days |= other.stated.days
    latest_day = max(days, default="")
    if not all(same_season(day, latest_day) for day in fact.stated.days):
        return Periods()
    name = file_name(passage.document_id)
    return Periods(quarters=periods(f"{name} {passage.context}").quarters)

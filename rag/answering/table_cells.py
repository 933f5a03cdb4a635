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
    """The spans, with each part of a figure in a table replaced by its cell, or by the cell of the
    same row whose column names the question's period while its own column does not; without figures
    of another period than the question's. `document` finds a document by id.
    """
    question_periods = periods(question)
    best_spans: dict[tuple[str, int, int, int], Span] = {}
    for span in spans:
        moved = _snapped(question_periods, span, document)
        if moved is None:
            continue
        passage = moved.hit.passage
        place = passage.document_id, passage.start, moved.start, moved.end
        if place not in best_spans or best_spans[place].score < moved.score:
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

    table = FactTable.at(source, passage.start + span.start)
    row = table.row_at(passage.start + span.start) if table else None
    end = passage.start + span.end
    fact = next((fact for fact in row.facts if fact.start < end <= fact.end), None) if row else None
    if row is None or fact is None:
        return span

    in_passage = [one for one in row.facts if passage.start <= one.start and one.end <= passage.end]
    snapped = _best(question_periods, fact, in_passage or [fact])

    unmatched = question_periods.besides(periods(" | ".join(row.texts)))
    if unmatched.differ(row.stated):
        return None
    if unmatched.differ(snapped.stated):
        return None
    if unmatched.quarters and unmatched.differ(document_quarter(snapped, row, passage)):
        return None

    return replace(
        span,
        start=snapped.start - passage.start,
        end=snapped.end - passage.start,
        label=row.texts[0] if row.texts else "",
    )


def _best(question_periods: Periods, fact: Fact, facts: Sequence[Fact]) -> Fact:
    """The only fact whose column agrees better with the question than that of `fact`; else `fact`.
    If several columns agree equally well, those that state the fewest other periods count.
    """
    agreement = [question_periods.agreement(one.stated) for one in facts]
    if max(agreement) <= max(question_periods.agreement(fact.stated), 0):
        return fact
    agreeing = [
        one for one, shared in zip(facts, agreement, strict=True) if shared == max(agreement)
    ]
    besides = [sum(map(bool, one.stated.besides(question_periods))) for one in agreeing]
    closest_facts = [
        one for one, other in zip(agreeing, besides, strict=True) if other == min(besides)
    ]
    return closest_facts[0] if len(closest_facts) == 1 else fact


def document_quarter(fact: Fact, row: FactRow, passage: Passage) -> Periods:
    """The quarter that the document's file name, title or headings state, if the fact is of that
    quarter: the passage must name no quarter, and the column no day except the last one in the row
    and the same one of other years.
    """
    latest_day = max((day for one in row.facts for day in one.stated.days), default="")
    if periods(passage.text).quarters or not all(
        same_season(day, latest_day) for day in fact.stated.days
    ):
        return Periods()
    name = file_name(passage.document_id)
    return Periods(quarters=periods(f"{name} {passage.context}").quarters)

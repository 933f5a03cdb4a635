"""Completes the sentences and lists that are given: with the section that they name, with the one
sentence that they leave out of a paragraph, and with the other items of a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rag.answering.candidate import Candidate
from rag.answering.proposals import MAX_ITEMS, MOST_POINTED
from rag.answering.reading import Reading
from rag.structure import items, list_of, part_at, pointed_to, sentence_before
from rag.types import Document, Place

_CHOSEN_ITEMS = ("run", "items")
"""Generators of candidates that quote some items of a list."""
_MOST_OF_LIST = 0.6
"""Share of a list's items from which on all are quoted."""


def completed(candidate: Candidate, reading: Reading) -> Candidate:
    """The candidate with what a person would miss beside its places."""
    continued = _led_on(candidate, reading)
    without_gaps = _without_small_gaps(continued, reading)
    return _with_all_items(without_gaps, reading)


def _led_on(candidate: Candidate, reading: Reading) -> Candidate:
    """An answer in sentences with the beginning of the section that it names ("see Reporting")."""
    if candidate.form != "sentences":
        return candidate

    places_pointed_to: list[Place] = []
    for place in candidate.places:
        document = reading.documents[place.document_id]
        sentences = pointed_to(document, place.start, place.end)
        places_pointed_to += [
            Place(place.document_id, start, end) for start, end in sentences[:MOST_POINTED]
        ]

    new_places = [
        pointed
        for pointed in places_pointed_to
        if not any(pointed.overlaps(place) for place in candidate.places)
    ]
    return replace(candidate, places=(*candidate.places, *dict.fromkeys(new_places)))


def _without_small_gaps(candidate: Candidate, reading: Reading) -> Candidate:
    """A run of sentences with each single sentence that it leaves out inside of a paragraph: it may
    be what the next one refers to, or a warning ("Never give two at once.").
    """
    if candidate.generator != "run":
        return candidate

    places = [candidate.places[0]]
    for place in candidate.places[1:]:
        document = reading.documents[place.document_id]
        if left_out := _left_out(document, places[-1], place):
            places.append(left_out)
        places.append(place)
    return replace(candidate, places=tuple(places))


def _left_out(document: Document, first: Place, second: Place) -> Place | None:
    """The sentence between two places of a paragraph, if there is exactly one."""
    part = part_at(document.blocks, second.start)
    between = sentence_before(document.blocks, second.start)
    if part is None or part.kind != "paragraph" or between is None:
        return None

    start, end = between
    if sentence_before(document.blocks, start) != (first.start, first.end):
        return None
    return Place(document.id, start, end)


def _with_all_items(candidate: Candidate, reading: Reading) -> Candidate:
    """An answer that quotes most items of a list, with the other ones: one step is needed as much
    as another.
    """
    if candidate.generator not in _CHOSEN_ITEMS:
        return candidate

    document = reading.documents[candidate.places[0].document_id]
    lists = dict.fromkeys(list_of(document.blocks, place.start) for place in candidate.places)
    places = candidate.places
    for index in lists:
        if index is None:
            continue
        list_items = [
            Place(document.id, item.start, item.end) for item in items(document.blocks, index)
        ]
        places = _with_items(places, list_items)
    return replace(candidate, places=places)


def _with_items(places: tuple[Place, ...], list_items: Sequence[Place]) -> tuple[Place, ...]:
    """The places with all items of a list in place of those sentences that are in one, if most of
    the items, and at least two, have such a sentence.
    """
    quoted_items = [item for item in list_items if any(map(item.overlaps, places))]
    least = max(2.0, _MOST_OF_LIST * len(list_items))
    if len(list_items) > MAX_ITEMS or not least <= len(quoted_items) < len(list_items):
        return places

    outside = [place for place in places if not any(map(place.overlaps, list_items))]
    return tuple(sorted([*outside, *list_items], key=lambda place: place.start))

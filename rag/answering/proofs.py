"""Proofs of a verdict: the sentences that would be shown beside "Yes.", "No." or "On a condition.".

A reader that knows conditions reads each proof once more, alone, under its title and heading. What
it says of these very words is the only verdict that may be shown beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from rag.answering.reading import CONDITION_LEAN, LEAST_SAID, Reading, Sentence, likeliest_verdict
from rag.meaning.myths import untrue_statement
from rag.meaning.sentences import Offsets, split_sentences
from rag.meaning.words import DENIALS, singular_words, word_set
from rag.protocols import MAX_CONTEXT_CHARACTERS, Reader, Verdict
from rag.structure import (
    heading_path,
    lead_in,
    list_at,
    list_of,
    sentence_after,
    sentence_before,
)
from rag.types import Document, Hit, Passage, Place, YesNo

PROOFS = 6
"""Most proofs of one question that are read."""
_LIKELY = 0.05
"""Probability of a yes/no question from which on proofs are read."""
_SENTENCES, _PASSAGES = 3, 2
"""Sentences that score best, and passages that say most, whose two best sentences are read too."""
_LONG_QUESTION = 40
"""Words from which on a question may have more tokens than a reader reads."""
_FORBIDS = re.compile(
    r"(?i)\b(?:prohibited|forbidden|banned|excluded|unacceptable"
    r"|(?:not|never) (?:allowed|permitted|covered|included|insured|accepted|paid|admitted))\b"
    r"|^\W*exclusions\W*$"
)
"""A heading over what is not so: "Not covered", "Prohibited items"."""
_CONDITION = re.compile(
    r"(?i)\b\d|\b(?:if|unless|except|only|without|over|under|more|less|before|after|when|where"
    r"|outside|inside|during|while|until|other than|apart from)\b"
)
"""What may make an item or all items of a list hold only in some cases."""
_NUMBERING = re.compile(r"^\W*\d[\d.]*\W+")
"""The number of a heading."""
_BETWEEN_THINGS = re.compile(r",|\band\b|\bor\b")
_NAMED = 0.5
"""Share of a thing's words from which on a question names it."""
Proof = tuple[Place, ...]
"""Sentences of one document, in its order."""


def with_proofs(readings: Sequence[Reading], reader: Reader, most: Sequence[int]) -> list[Reading]:
    """The readings, each with the verdicts on at most so many proofs. A question that wants no
    verdict has none; where the reader does not know conditions, a reading stays as it is.
    """
    chosen: dict[int, list[Proof]] = {}
    for number, (reading, count) in enumerate(zip(readings, most, strict=True)):
        if not _knows_conditions(reading):
            continue
        wants_verdict = reading.form_odds.get("yes_no", 0.0) >= _LIKELY
        chosen[number] = list(islice(proofs(reading), count)) if wants_verdict else []
    if not chosen:
        return list(readings)

    questions = []
    for number, chosen_proofs in chosen.items():
        reading = readings[number]
        hits = [_hit(reading, proof) for proof in chosen_proofs]
        questions.append((question_first(reading.question), hits))
    outputs = reader.read_many(questions)

    finished = list(readings)
    for (number, chosen_proofs), output in zip(chosen.items(), outputs, strict=True):
        reading = readings[number]
        by_proof = {
            proof: _as_meant(reading, proof, verdict)
            for proof, verdict in zip(chosen_proofs, output.verdicts, strict=True)
        }
        finished[number] = replace(reading, proofs=by_proof)
    return finished


def question_first(question: str) -> str:
    """A long question with its last sentence first, so that a reader, which cuts its end off, reads
    what is asked, and then what the asker says of themselves.
    """
    sentences = split_sentences(question)
    if len(question.split()) <= _LONG_QUESTION or len(sentences) < 2:
        return question
    start, end = sentences[-1]
    return f"{question[start:end]} {question[:start].strip()}"


def _knows_conditions(reading: Reading) -> bool:
    """Whether the reader of a reading tells "on a condition" from yes and no."""
    return any(verdict.depends is not None for verdict in reading.output.verdicts)


def verdicts(
    read: Mapping[Proof, Verdict], lean: float = CONDITION_LEAN, least: float = LEAST_SAID
) -> dict[Proof, YesNo]:
    """What each proof says, without those that say nothing. A sentence that says yes or no has no
    verdict where it says with its neighbour that it depends: the condition belongs in the quote. A
    neighbour that changes nothing is left out.
    """
    by_proof: dict[Proof, YesNo] = {}
    for proof, verdict in read.items():
        says = likeliest_verdict(verdict, lean, least)
        if says is not None:
            by_proof[proof] = says

    conditional = [proof for proof, says in by_proof.items() if says == "condition"]
    remaining: dict[Proof, YesNo] = {}
    for proof, says in by_proof.items():
        is_conditional = any(_is_part(proof, longer) for longer in conditional)
        if says == "condition" or not is_conditional:
            remaining[proof] = says

    shortest: dict[Proof, YesNo] = {}
    for proof, says in remaining.items():
        says_same = [other for other in remaining if remaining[other] == says]
        if not any(_is_part(shorter, proof) for shorter in says_same):
            shortest[proof] = says
    return shortest


def _is_part(proof: Proof, longer: Proof) -> bool:
    """Whether the longer proof has all sentences of the other one, and more."""
    return set(proof) < set(longer)


def proofs(reading: Reading) -> Iterator[Proof]:
    """The likeliest proofs, each once: the best sentences, the two best of them also with a
    neighbour. A myth comes with the sentence after it, and no item under a heading that forbids
    with another item.
    """
    made: dict[Proof, None] = {}
    sentences = _likeliest_sentences(reading)
    for number, sentence in enumerate(sentences):
        document = reading.documents[sentence.document_id]
        place = (sentence.start, sentence.end)
        previous = sentence_before(document.blocks, place[0])
        if previous and _is_untrue(document, previous):
            place = previous
        following = sentence_after(document.blocks, place[1])
        if _is_untrue(document, place):
            correction = [following] if following and not _is_untrue(document, following) else []
            made.setdefault(tuple(Place(document.id, *part) for part in (place, *correction)))
            continue

        proof = _with_introduction(document, place)
        made.setdefault(proof)
        if _forbidding_heading(document, place[0]) == _offsets(proof[0]):
            continue
        if number < 2 and following and not _is_untrue(document, following):
            made.setdefault((*proof, Place(document.id, *following)))

        previous = sentence_before(document.blocks, proof[0].start) if number == 0 else None
        if previous:
            made.setdefault((Place(document.id, *previous), *proof))
    yield from made


def _is_untrue(document: Document, place: Offsets) -> bool:
    """Whether the text calls the sentence a myth."""
    return bool(untrue_statement(_words(document, place)))


def _statement(reading: Reading, proof: Proof) -> str:
    """What the first sentence of a proof calls untrue, or ""."""
    first = proof[0]
    return untrue_statement(reading.text(first.document_id, (first.start, first.end)))


def _as_meant(reading: Reading, proof: Proof, verdict: Verdict) -> Verdict:
    """What the reader said of a proof: the reverse for a myth, and for an item under a heading that
    forbids, such as "Not covered", no or on a condition if the question names it, never yes.
    """
    if _statement(reading, proof):
        return replace(verdict, yes=verdict.no, no=verdict.yes)
    if verdict.depends is None or not _is_forbidden(reading, proof):
        return verdict

    said_at_all = verdict.yes + verdict.no + verdict.depends
    is_named = _is_named(reading, proof[-1])
    is_conditional = any(_CONDITION.search(_unnumbered_text(reading, place)) for place in proof)
    if is_named and is_conditional:
        return replace(verdict, yes=0.0, no=0.0, depends=said_at_all)
    if is_named:
        return replace(verdict, yes=0.0, no=said_at_all, depends=0.0)
    if is_conditional:
        return verdict
    # It may forbid only a part of what is asked, "bicycles on the grass", or all of it.
    return replace(verdict, yes=0.0, no=0.0, unsaid=verdict.unsaid + said_at_all, depends=0.0)


def _is_forbidden(reading: Reading, proof: Proof) -> bool:
    """Whether the proof is an item under a heading that forbids, and neither the item nor the
    question says that something is not so.
    """
    heading, *items = proof
    document = reading.documents[heading.document_id]
    if len(items) != 1 or _forbidding_heading(document, items[0].start) != _offsets(heading):
        return False
    return not _denies(_words(document, _offsets(items[0]))) and not _denies(reading.question)


def _unnumbered_text(reading: Reading, place: Place) -> str:
    """The words of a heading or an item, without its number."""
    return _NUMBERING.sub("", reading.text(place.document_id, _offsets(place)))


def _is_named(reading: Reading, item: Place) -> bool:
    """Whether the question has most words of the item, or of one of the things in it ("flames and
    stoves").
    """
    asked_words = singular_words(reading.question)
    text = reading.text(item.document_id, _offsets(item))
    things = [singular_words(thing) for thing in _BETWEEN_THINGS.split(text)]
    return any(len(thing & asked_words) > _NAMED * len(thing) for thing in things)


def _forbidding_heading(document: Document, start: int) -> Offsets | None:
    """The heading right above the list around `start`, if it forbids."""
    index = list_of(document.blocks, start)
    if index is None or document.blocks[index].parent < 0:
        return None
    heading = document.blocks[document.blocks[index].parent]
    if heading.kind != "heading" or not _FORBIDS.search(heading.name):
        return None
    name_start = document.text.find(heading.name, heading.start, heading.end)
    return (name_start, name_start + len(heading.name)) if name_start >= 0 else None


def _denies(text: str) -> bool:
    """Whether a text says that something is not so."""
    return bool(_FORBIDS.search(text)) or not word_set(text).isdisjoint(DENIALS)


def _offsets(place: Place) -> Offsets:
    return place.start, place.end


def _likeliest_sentences(reading: Reading) -> list[Sentence]:
    """The best sentences of all, then those of the passages that say most."""
    by_place = {(one.document_id, one.start): one for one in reading.sentences[:_SENTENCES]}
    telling = sorted(reading.output.verdicts, key=lambda verdict: verdict.unsaid)
    for verdict in telling[:_PASSAGES]:
        passage = verdict.hit.passage
        of_passage = [one for one in reading.sentences if one.hit.passage == passage]
        for one in of_passage[:2]:
            by_place.setdefault((one.document_id, one.start), one)
    return list(by_place.values())


def _with_introduction(document: Document, sentence: Offsets) -> Proof:
    """The sentence with what it is said of: the lead-in of its list, or the heading that forbids
    its items, or the question that it answers.
    """
    start, _ = sentence
    items = list_at(document, *sentence)
    is_item = bool(items) and items[0][0] <= start
    lead = lead_in(document, items[0][0]) if is_item else None
    if is_item and lead is None:
        lead = _forbidding_heading(document, start)
    introduction = [lead] if lead else _question_before(document, start)
    return tuple(Place(document.id, *place) for place in (*introduction, sentence))


def _question_before(document: Document, start: int) -> list[Offsets]:
    """The question right before a sentence, with "Yes." or "No." between them; [] without one."""
    previous = sentence_before(document.blocks, start)
    reply: list[Offsets] = []
    if previous and _words(document, previous).rstrip(".!").casefold() in ("yes", "no"):
        reply = [previous]
        previous = sentence_before(document.blocks, previous[0])

    if previous and _words(document, previous).endswith("?"):
        return [previous, *reply]
    return reply


def _words(document: Document, place: Offsets) -> str:
    return document.text[slice(*place)].strip()


def _hit(reading: Reading, proof: Proof) -> Hit:
    """The proof as a passage to read. Its text is only the sentences, also where others are between
    them; of a myth it is the statement, as if it were true.
    """
    document = reading.documents[proof[0].document_id]
    sentences = (document.text[place.start : place.end] for place in proof)
    passage = Passage(
        document_id=document.id,
        start=proof[0].start,
        end=proof[-1].end,
        text=_statement(reading, proof) or "\n".join(sentences),
        title=document.title,
        headings=heading_path(document.blocks, proof[-1].start),
    )
    if len(passage.context) > MAX_CONTEXT_CHARACTERS:
        passage = replace(passage, title="", headings=passage.headings[-1:])
    return Hit(passage, score=1.0, dense=0.0, lexical=0.0)

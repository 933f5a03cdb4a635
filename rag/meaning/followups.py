"""Completes follow-up questions: "and when did it end?" after "When was the JCPOA signed?" means
"When did the JCPOA end?".

A follow-up has several possible completions: its pronoun stands for a part of the last question or
for the last answer, it replaces a part of the last question, it continues it, or the last question
is only its topic. All are made from the words alone; a fitted model says how likely each is meant,
and how likely the question is complete as typed (`eval/experiments/conversations.py` fits it).
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path
from typing import NamedTuple

from rapidfuzz.distance import Postfix, Prefix

from rag.meaning.words import (
    AUXILIARIES,
    BE,
    FUNCTION_WORDS,
    PREPOSITIONS,
    QUESTION_WORDS,
    SPEAKERS,
    STOP_WORDS,
    content_words,
)

MODEL = Path(__file__).with_name("followups.json")
UNSURE = 0.65
"""Probability of referring to the last turn from which on a question is completed."""
UNCLEAR = 0.4
"""Probability from which on the answer says that the question may refer to the last turn."""
_OTHERS, _UNLIKELY = 2, 0.05
"""Number of other meanings to ask, and the least probability of one."""
_SMOOTH = 0.02
_TOPIC = 0.4
"""Weight of a completion with the topic in brackets, when one is chosen."""
_GROUPS = {
    "it": "it its",
    "she": "he him his she her hers",
    "that": "this that",
    "one": "one ones",
    "they": "they them their theirs these those",
    "there": "there",
    "then": "then",
}
_POINTERS = {word: group for group, words in _GROUPS.items() for word in words.split()}
"""Words that stand for something said before, in groups that stand for the same kinds of things."""
_BACKWARD = frozenset(
    "another both each either else first last more other otherwise same too".split()
)
"""Words that compare with something said before."""
_OWNING = frozenset("its his her their theirs hers".split())
_LINKS = frozenset("and or but so also ok okay well then".split())
_EMPTY = frozenset("many there us please exactly".split()).union(
    STOP_WORDS, AUXILIARIES, FUNCTION_WORDS, QUESTION_WORDS, SPEAKERS, _LINKS
)
_TOKEN = re.compile(r"[^\s?!,;:()\"\u201c\u201d]+")
_LONGEST_ANSWER = 6
"""Number of words up to which an answer can stand for a pronoun."""
_LONGEST_PART = 3
"""Number of words up to which a part of a run of content words can be replaced."""
_MOST = 60
"""Maximum number of completions that are compared."""
_LONGEST = 600
"""Characters of both questions up to which they are compared: follow-ups are short, and the time
grows with the square of the length."""


@dataclass(frozen=True, slots=True)
class PreviousTurn:
    """The last question as understood, and its answer."""

    question: str
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Rewrite:
    """The question to ask, and a note if it may refer to the last one but is asked as typed.
    `follows` is the probability that it refers to the last turn. `others` are other meanings, the
    likeliest first, each with the root of how likely it is compared with `question`.
    """

    question: str
    note: str = ""
    follows: float = 0.0
    others: tuple[tuple[str, float], ...] = ()

    @property
    def is_about_the_last(self) -> bool:
        """Whether the documents of the last answer are preferred."""
        return self.follows >= UNSURE


class TaggedWord(NamedTuple):
    """A word of a question, `question[start:end]`, and how it is compared."""

    start: int
    end: int
    lower: str

    @property
    def is_empty(self) -> bool:
        return self.lower in _EMPTY


class QuestionPart(NamedTuple):
    """A few content words of the last question, `question[start:start + len(text)]`, in a run of
    them; "the" before them is part of the `name`. `features` are those of an antecedent.
    """

    text: str
    start: int
    name: str
    word_before: str
    features: dict[str, float]


class Completion(NamedTuple):
    """A possible meaning of a follow-up: `text`, made in the way `kind`. `features`, each about 0
    to 1, say by name what the question looks like in itself, and how the added words fit those
    that they replace.
    """

    text: str
    kind: str
    features: Mapping[str, float] = {}


def understand(question: str, turn: PreviousTurn | None) -> Rewrite:
    """The question, completed from the last turn."""
    question = question.strip()
    if turn is None or not question or len(question) + len(turn.question) > _LONGEST:
        return Rewrite(question)
    options = completions(question, turn)
    chances = probabilities(options)
    choice, follows = chosen(options, chances), 1 - chances[0]
    others = _others(options, chances, choice) if choice else ()
    if choice > 0 or follows < UNCLEAR:
        return Rewrite(options[choice].text, "", follows, others)
    if _stands_alone(question):
        return Rewrite(question, "", follows, others)
    quoted = (f'"{question[pointer.start : pointer.end]}"' for pointer in pointers(question))
    subject = next(quoted, "the question")
    note = f"it is not clear whether {subject} refers to the last question; asked as typed"
    return Rewrite(question, note, follows, others)


def _stands_alone(question: str) -> bool:
    """Whether a question begins like a whole one, and no word of it stands for something said
    before, or compares with it.
    """
    lower = [word.lower for word in words(question)]
    is_whole = lower[:1] and lower[0] in QUESTION_WORDS | AUXILIARIES
    return bool(is_whole) and not pointers(question) and _BACKWARD.isdisjoint(lower)


def _others(
    options: Sequence[Completion], chances: Sequence[float], choice: int
) -> tuple[tuple[str, float], ...]:
    rows = [row for row, chance in enumerate(chances) if row != choice and chance >= _UNLIKELY]
    alternatives = sorted(rows, key=lambda row: -chances[row])[:_OTHERS]
    return tuple(
        (options[row].text, math.sqrt((chances[row] + _SMOOTH) / (chances[choice] + _SMOOTH)))
        for row in alternatives
    )


def words(text: str) -> list[TaggedWord]:
    tokens = ((match.start(), match[0].rstrip(".")) for match in _TOKEN.finditer(text))
    return [
        TaggedWord(start, start + len(word), word.lower().replace("\u2019", "'").strip("'`*"))
        for start, word in tokens
        if any(map(str.isalnum, word))
    ]


def pointers(text: str) -> list[TaggedWord]:
    """The words that stand for something said before; not "there" in "is there a lift"."""
    tagged = words(text)
    return [
        word
        for row, word in enumerate(tagged)
        if word.lower in _POINTERS
        and not (word.lower == "there" and row and tagged[row - 1].lower in BE)
    ]


def runs(text: str) -> list[list[TaggedWord]]:
    """Runs of words that are not function words, in order; a bracket ends a run."""
    groups: list[list[TaggedWord]] = [[]]
    end = 0
    for word in words(text):
        if word.is_empty or not {"(", ")"}.isdisjoint(text[end : word.start]):
            groups.append([])
        if not word.is_empty:
            groups[-1].append(word)
        end = word.end
    return [run for run in groups if run]


def names_something(question: str) -> bool:
    """Whether a question has a content word, so that the next one can refer to it."""
    return bool(runs(question))


def completions(question: str, turn: PreviousTurn) -> list[Completion]:
    """The possible meanings of the question, first as typed; each text once."""
    options = [Completion(question, "typed"), *_completed(question, turn)]
    by_text = {option.text.lower(): option for option in reversed(options)}
    distinct = [option for option in options if by_text[option.text.lower()] is option][:_MOST]
    typed = _typed_features(question, turn)
    featured = []
    for text, kind, fit in distinct:
        of_question = {f"{kind} {name}".strip(): value for name, value in typed.items()}
        of_fit = {f"{kind}: {name}": value for name, value in fit.items()}
        featured.append(Completion(text, kind, of_question | of_fit))
    return featured


def _completed(question: str, turn: PreviousTurn) -> Iterator[Completion]:
    base = turn.question.strip().rstrip("?.! ")
    typed = question.rstrip("?.! ")
    tagged = words(typed)
    answer = _short_answer(turn.answer)
    parts = list(_parts(base))

    if pointers(typed):
        for part in parts:
            name = part.name.removesuffix("'s").removesuffix("\u2019s")
            fit = _name_features(name, typed, base) | part.features
            yield Completion(_sentence(_put(typed, name)), "named", fit)

        if answer:
            fit = _name_features(answer, typed, base) | {"sole": 1.0}
            yield Completion(_sentence(_put(typed, answer)), "answered", fit)

    lead = next((row for row, word in enumerate(tagged) if not word.is_empty), len(tagged))
    fragment = typed[tagged[lead].start :] if lead < len(tagged) else ""

    is_clause = _is_clause(tagged)

    if fragment and not is_clause:
        word_before = _before(tagged, lead)[1]
        for part in parts:
            text = base[: part.start] + fragment + base[part.start + len(part.text) :]
            fit = _replaced_features(part, fragment, word_before) | part.features
            yield Completion(_sentence(text), "replaced", fit)

    if not is_clause:
        yield from _continued(base, typed, tagged[: lead + 1], fragment, answer)

    if tagged and not fragment and not is_clause:
        yield from _asked_again(base, typed, tagged)

    topic = " ".join(base[run[0].start : run[-1].end] for run in runs(base))
    if topic and any(word.lower not in _LINKS for word in tagged):
        is_sole, count = float(len(runs(base)) == 1), len(topic.split())
        fit = {"sole": is_sole, "words": min(8, count) / 8}
        fit["sole, points"] = is_sole * bool(pointers(question))
        yield Completion(_sentence(f"{typed} ({topic})"), "topic", fit)


def _is_clause(tagged: Sequence[TaggedWord]) -> bool:
    """Whether the words ask by themselves, with a question word and an auxiliary, or an auxiliary
    first.
    """
    after_links = [word.lower for word in tagged if word.lower not in _LINKS]
    if AUXILIARIES.isdisjoint(after_links):
        return False
    return after_links[0] in AUXILIARIES or not QUESTION_WORDS.isdisjoint(after_links)


def _short_answer(answer: str | None) -> str:
    text = " ".join((answer or "").split()).rstrip(".")
    return text if 0 < len(text.split()) <= _LONGEST_ANSWER and "," not in text else ""


def _parts(base: str) -> Iterator[QuestionPart]:
    """Runs of content words and short parts of them."""
    tagged, all_runs = words(base), runs(base)
    rows = {word.start: row for row, word in enumerate(tagged)}

    for run in all_runs:
        _, auxiliary = _before(tagged, rows[run[0].start])

        for first, last in combinations_with_replacement(range(len(run)), 2):
            if last - first < _LONGEST_PART or last - first == len(run) - 1:
                start, text = run[first].start, base[run[first].start : run[last].end]

                article, word_before = _before(tagged, rows[start])
                left_after, rivals = len(run) - 1 - last, len(all_runs) - 1

                features = {
                    "left before": min(3, first) / 3,
                    "left after": min(3, left_after) / 3,
                    "whole": float(not first and not left_after),
                    "all after auxiliary": float(auxiliary in AUXILIARIES and not left_after),
                    "before one word after auxiliary": float(
                        auxiliary in AUXILIARIES and not first and left_after == 1
                    ),
                    "after preposition": float(word_before in PREPOSITIONS),
                    "place": start / len(base),
                    "sole": float(not rivals),
                    "rivals": min(4, rivals) / 4,
                }

                yield QuestionPart(text, start, article + text, word_before, features)


def _before(tagged: Sequence[TaggedWord], row: int) -> tuple[str, str]:
    """("the " if that is before the word in this row, the word before it)"""
    before = ["", "", *(word.lower for word in tagged[:row])]
    return ("the ", before[-2]) if before[-1] == "the" else ("", before[-1])


def _continued(
    base: str, typed: str, lead: Sequence[TaggedWord], fragment: str, answer: str
) -> Iterator[Completion]:
    """The last question continued by the new words, from their first preposition on."""
    start = next((word.start for word in lead if word.lower in PREPOSITIONS), None)
    added = fragment if start is None else typed[start:]
    if not added or any(word.lower in QUESTION_WORDS for word in words(added)[:1]):
        return
    yield Completion(_sentence(f"{base} {added}"), "continued")
    if answer and pointers(added):
        yield Completion(_sentence(f"{base} {_put(added, answer)}"), "continued answer")


def _asked_again(base: str, typed: str, tagged: Sequence[TaggedWord]) -> Iterator[Completion]:
    """ "and where?" asked of the rest of the last question, from its auxiliary on."""
    start = next(
        (word.start for word in tagged if word.lower in QUESTION_WORDS | PREPOSITIONS), None
    )
    tail_start = next((word.start for word in words(base) if word.lower in AUXILIARIES), None)
    if start is not None and tail_start is not None:
        tail = base[tail_start].lower() + base[tail_start + 1 :]
        yield Completion(_sentence(f"{typed[start:]} {tail}"), "again")


def _put(text: str, name: str) -> str:
    """The text with a name for each word that points to something."""
    for word in reversed(pointers(text)):
        after = next((other for other in words(text) if other.start > word.start), None)
        owns = word.lower in _OWNING and after is not None and not after.is_empty
        owner = ("'" if name.endswith("s") else "'s") if owns else ""
        text = text[: word.start] + name + owner + text[word.end :]
    return text


def _sentence(text: str) -> str:
    """Without a leading "and", with a capital and a question mark."""
    text = " ".join(text.split()).strip(" ?.!,")
    opening = next((word for word in words(text) if word.lower not in _LINKS), None)
    text = text[opening.start :] if opening else text
    return f"{text[:1].upper()}{text[1:]}?"


# The model


def _typed_features(question: str, turn: PreviousTurn) -> dict[str, float]:
    """Features of the typed question, the same for all completions."""
    tagged, stems = words(question), content_words(question)
    return {
        "": 1.0,
        "content": min(6, sum(not word.is_empty for word in tagged)) / 6,
        "points": float(bool(pointers(question))),
        "linked": float(bool(tagged) and tagged[0].lower in _LINKS),
        "clause": float(any(word.lower in AUXILIARIES for word in tagged)),
        "asks": float(any(word.lower in QUESTION_WORDS for word in tagged)),
        "shared": len(stems & content_words(turn.question)) / max(1, len(stems)),
        "number": float(any(char.isdigit() for char in question)),
        "name": float(any(question[word.start].isupper() for word in tagged[1:])),
        "one word": float(len(tagged) == 1),
        "answered": float(bool(_short_answer(turn.answer))),
        "you": float(any(word.lower in ("you", "your") for word in tagged)),
        **{f"begins {beginning}": 1.0 for beginning in _beginnings(tagged)},
        **{f"points {_POINTERS[word.lower]}": 1.0 for word in pointers(question)},
    }


def _beginnings(tagged: Sequence[TaggedWord]) -> list[str]:
    """The first word, and the first two if both are function words."""
    beginning = [word.lower for word in tagged[:2]]
    both = (
        [" ".join(beginning)]
        if len(tagged) > 1 and tagged[0].is_empty and tagged[1].is_empty
        else []
    )
    return beginning[:1] + both


def _replaced_features(part: QuestionPart, fragment: str, word_before: str) -> dict[str, float]:
    """How a fragment after `word_before` fits the part that it replaces."""
    replaced, replacement = part.text.split(), fragment.split()
    shape, new_shape = _shape(replaced[-1]), _shape(replacement[-1])
    return {
        "alike": _likeness(replaced[-1], replacement[-1]),
        "same shape": float(shape == new_shape),
        "same first shape": float(_shape(replaced[0]) == _shape(replacement[0])),
        "both numbers": float(shape == "0" == new_shape),
        "same length": float(len(replaced) == len(replacement)),
        "same preposition": float(word_before in PREPOSITIONS and word_before == part.word_before),
        "named": float(replaced[0][:1].isupper()),
    }


def _shape(word: str) -> str:
    """ "0" for a number, "A" for capitals, "Aa" for a name, "a" for another word."""
    if word[:1].isdigit():
        return "0"
    return "A" if word.isupper() else "Aa" if word[:1].isupper() else "a"


def _name_features(name: str, typed: str, base: str) -> dict[str, float]:
    """Features of a name in the place of the pointers of a question after `base`."""
    group = _POINTERS[pointers(typed)[0].lower]
    question_word = next(
        (word.lower for word in words(base) if word.lower in QUESTION_WORDS), "other"
    )
    parts = name.split()
    return {
        "ends in ed": float(parts[-1].endswith("ed")),
        group: 1.0,
        f"{group} after {question_word}": 1.0,
        "words": min(5, len(parts)) / 5,
        "plural": float((group == "they") == (parts[-1].endswith("s") or "and" in parts)),
        "several": float("and" in parts),
        "named": float(parts[0][:1].isupper()),
        "a name and more": float(parts[0][:1].isupper() and parts[-1][:1].islower()),
        "number": float(any(char.isdigit() for char in name)),
    }


def _likeness(word: str, replacement: str) -> float:
    """The share of the longer word that two words have in common at both ends, at most 1."""
    longest = max(len(word), len(replacement))
    word, replacement = word.lower(), replacement.lower()
    shared = Prefix.similarity(word, replacement) + Postfix.similarity(word, replacement)
    return min(1.0, shared / longest)


def chosen(options: Sequence[Completion], chances: Sequence[float]) -> int:
    """The index of the completion to ask: as typed, first of the options, unless the question
    probably refers to the last turn. One that reads like a question is preferred to one with a
    topic in brackets.
    """
    if chances[0] > 1 - UNSURE or len(options) == 1:
        return 0
    weights = [_TOPIC if option.kind == "topic" else 1.0 for option in options]
    return max(range(1, len(options)), key=lambda row: weights[row] * chances[row])


def probabilities(
    options: Sequence[Completion], weights: Mapping[str, float] | None = None
) -> list[float]:
    """How likely each of the options is meant; they sum to 1."""
    model = _weights() if weights is None else weights
    features = (option.features.items() for option in options)
    logits = [sum(model.get(name, 0.0) * value for name, value in values) for values in features]
    odds = [math.exp(logit - max(logits)) for logit in logits]
    return [value / sum(odds) for value in odds]


@functools.cache
def _weights() -> Mapping[str, float]:
    weights: dict[str, float] = json.loads(MODEL.read_text(encoding="utf-8"))
    return weights

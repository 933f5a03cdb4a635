"""Completes follow-up questions: "and when did it end?" after "When was the JCPOA signed?" means
"When did the JCPOA end?".

A follow-up has several possible completions: its pronoun stands for a part of the last question or
for the last answer, it replaces a part of the last question, it continues it, or the last question
is only its topic. All are made from the words alone; a fitted model says how likely each is meant,
how likely the question is complete as typed, and how likely it is no question at all but talk, such
as "thanks" (`eval/experiments/conversations.py` fits it).

A completion has one subject: it never has the names of both questions, nor a part of one name
beside the other (`_cuts_a_name`)."""

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
TALK_FROM = 0.5
"""Probability of talk, by the words alone, from which on nothing is completed."""
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
_OWNING = frozenset("its his her their theirs hers".split())
_LINKS = frozenset("and or but so also ok okay well then".split())
_EMPTY = frozenset("many there us please exactly too instead either".split()).union(
    STOP_WORDS, AUXILIARIES, FUNCTION_WORDS, QUESTION_WORDS, SPEAKERS, _LINKS
)
_TOKEN = re.compile(r"[^\s?!,;:()\"\u201c\u201d]+")
_LONGEST_ANSWER = 6
"""Number of words up to which an answer can stand for a pronoun."""
_DO = frozenset({"do", "does", "did"})
_TRAILING = frozenset("then too also instead either as well".split())
"""Words at the end of a follow-up that replace nothing."""
_LEADS = (["what", "about"], ["how", "about"])
"""Words that lead to a fragment, so that "about" does not belong to it."""
_LONGEST_TALK = 8
"""Number of words up to which each of them says whether it is talk."""
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
    """The question to ask, and a note if it seems to refer to the last one but is asked as typed.
    `follows` is the probability that it refers to the last turn. `others` are other meanings, the
    likeliest first, each with the root of how likely it is compared with `question`. `talk` is the
    probability, by its words alone, that what was typed is no question to the documents. `renames`
    says whether a name of the last question was replaced: its documents are about that name."""

    question: str
    note: str = ""
    follows: float = 0.0
    others: tuple[tuple[str, float], ...] = ()
    talk: float = 0.0
    renames: bool = False

    @property
    def is_about_the_last(self) -> bool:
        """Whether the documents of the last answer are preferred."""
        return self.follows >= UNSURE and not self.renames


class TaggedWord(NamedTuple):
    """A word of a question, `question[start:end]`, and how it is compared. `is_name` says whether
    it looks like a part of a name, such as "Birch", "B12" or "7", wherever it stands."""

    start: int
    end: int
    lower: str
    is_name: bool = False

    @property
    def is_empty(self) -> bool:
        return self.lower in _EMPTY


class QuestionPart(NamedTuple):
    """A few content words of the last question, `question[start:start + len(text)]`, in a run of
    them; "the" before them is part of the `name`. `features` are those of an antecedent. `left` and
    `right` are the words beside it in its run."""

    text: str
    start: int
    name: str
    word_before: str
    features: dict[str, float]
    left: TaggedWord | None
    right: TaggedWord | None

    @property
    def has_name(self) -> bool:
        return any(map(_is_name, self.text.split()))


class Fragment(NamedTuple):
    """Words of a follow-up that may replace a part of the last question, and the word before them.
    `features` say where they stand."""

    text: str
    word_before: str
    features: dict[str, float]


class Completion(NamedTuple):
    """A possible meaning of a follow-up: `text`, made in the way `kind`. `features`, each about 0
    to 1, say by name what the question looks like in itself, and how the added words fit those
    that they replace. `renames` says whether they replace a name, `two_names` whether a name comes
    beside one of the last question."""

    text: str
    kind: str
    features: Mapping[str, float] = {}
    renames: bool = False
    two_names: bool = False


def understand(question: str, last: PreviousTurn | None) -> Rewrite:
    """The question, completed from the last turn."""
    question = question.strip()
    if last is None or not question or len(question) + len(last.question) > _LONGEST:
        return Rewrite(question)
    options = completions(question, last)
    chances = probabilities(options)
    talk = chances[1]
    if talk >= TALK_FROM:
        return Rewrite(question, talk=talk)
    best = chosen(options, chances)
    follows = 1 - chances[0] / (1 - talk)
    if best > 0:
        return Rewrite(
            options[best].text,
            follows=follows,
            others=_others(options, chances, best),
            talk=talk,
            renames=options[best].renames,
        )
    if follows < UNCLEAR or _names(words(question)[1:]):
        return Rewrite(question, follows=follows, talk=talk)

    quoted = (f'"{question[pointer.start : pointer.end]}"' for pointer in pointers(question))
    subject = next(quoted, "the question")
    note = f"it is not clear whether {subject} refers to the last question; asked as typed"
    return Rewrite(question, note, follows, talk=talk)


def _others(
    options: Sequence[Completion], chances: Sequence[float], best: int
) -> tuple[tuple[str, float], ...]:
    rows = [
        row
        for row, chance in enumerate(chances)
        if row != best and chance >= _UNLIKELY and _is_askable(options[row])
    ]
    likely = sorted(rows, key=lambda row: -chances[row])[:_OTHERS]
    return tuple(
        (options[row].text, math.sqrt((chances[row] + _SMOOTH) / (chances[best] + _SMOOTH)))
        for row in likely
    )


def _is_askable(option: Completion) -> bool:
    """Whether it may be asked where a likelier meaning has no answer."""
    return option.kind != "talk" and not option.two_names


def words(text: str) -> list[TaggedWord]:
    tokens = ((match.start(), match[0].rstrip(".")) for match in _TOKEN.finditer(text))
    return [
        TaggedWord(
            start=start,
            end=start + len(word),
            # the "A" of "Class A" is no article
            lower="A" if start and word == "A" else _lower(word),
            is_name=_is_name(word),
        )
        for start, word in tokens
        if any(map(str.isalnum, word))
    ]


def _lower(word: str) -> str:
    return word.lower().replace("\u2019", "'").strip("'`*")


def _is_name(word: str) -> bool:
    """Whether a word, wherever it stands, begins with a capital or has a digit."""
    return word[:1].isupper() or any(map(str.isdigit, word))


def _names(own: Sequence[TaggedWord]) -> frozenset[str]:
    """The words that look like names, without "I" and other words that say nothing."""
    return frozenset(word.lower for word in own if word.is_name and not word.is_empty)


def pointers(text: str) -> list[TaggedWord]:
    """The words that stand for something said before; not "there" in "is there a lift"."""
    own = words(text)
    return [
        word
        for row, word in enumerate(own)
        if word.lower in _POINTERS
        and not (word.lower == "there" and row and own[row - 1].lower in BE)
    ]


def runs(text: str) -> list[list[TaggedWord]]:
    """Runs of words that are not function words, in order; a bracket or a comma ends a run."""
    groups: list[list[TaggedWord]] = [[]]
    end = 0
    for word in words(text):
        if word.is_empty or not {"(", ")", ","}.isdisjoint(text[end : word.start]):
            groups.append([])
        if not word.is_empty:
            groups[-1].append(word)
        end = word.end
    return [run for run in groups if run]


def names_something(question: str) -> bool:
    """Whether a question has a content word, so that the next one can refer to it."""
    return bool(runs(question))


def asks_by_itself(question: str) -> bool:
    """Whether a question has its own question word and auxiliary, or an auxiliary first."""
    return _is_clause(words(question))


def completions(question: str, last: PreviousTurn) -> list[Completion]:
    """The possible meanings of the question, first as typed, then as talk; each other text once."""
    options = [Completion(question, "typed"), *_completed(question, last)]
    by_text = {option.text.lower(): option for option in reversed(options)}
    distinct = [option for option in options if by_text[option.text.lower()] is option][:_MOST]
    distinct.insert(1, Completion(question, "talk", _talk_features(question)))
    typed = _typed_features(question, last)
    featured = []
    for option in distinct:
        of_question = {f"{option.kind} {name}".strip(): value for name, value in typed.items()}
        of_fit = {f"{option.kind}: {name}": value for name, value in option.features.items()}
        featured.append(option._replace(features=of_question | of_fit))
    return featured


def _completed(question: str, last: PreviousTurn) -> Iterator[Completion]:
    base = last.question.strip().rstrip("?.! ")
    bare = question.rstrip("?.! ")
    own = words(bare)
    answer = _short_answer(last.answer)
    parts = list(_parts(base))
    if pointers(bare):
        for part in parts:
            if _ends_in_a_verb(part, base):
                continue
            name = part.name.removesuffix("'s").removesuffix("\u2019s")
            fit = _name_features(name, bare, base) | part.features
            yield Completion(_sentence(_put(bare, name)), "named", fit)
        if answer:
            fit = _name_features(answer, bare, base) | {"sole": 1.0}
            yield Completion(_sentence(_put(bare, answer)), "answered", fit)
    for replacement in _fragments(bare, own):
        yield from _replaced(base, replacement, parts)
    lead = _lead(own)
    is_clause = _is_clause(own)
    if not is_clause:
        fragment = bare[own[lead].start :] if lead < len(own) else ""
        yield from _continued(base, bare, own[: lead + 1], fragment, answer)
        if own and not fragment:
            yield from _asked_again(base, bare, own)
    topic = _topic(base, own)
    if topic and any(word.lower not in _LINKS for word in own):
        is_sole, count = float(len(runs(base)) == 1), len(topic.split())
        fit = {"sole": is_sole, "words": min(8, count) / 8}
        fit["sole, points"] = is_sole * bool(pointers(question))
        two_names = bool(_names(words(base)[1:])) and bool(runs(bare)) and not is_clause
        yield Completion(_sentence(f"{bare} ({topic})"), "topic", fit, two_names=two_names)


def _ends_in_a_verb(part: QuestionPart, base: str) -> bool:
    """Whether the part is a name and the verb after "did" ("What did Ann Ray lead?"), which is no
    one's name.
    """
    first, last = part.text.split()[0], part.text.split()[-1]
    is_mixed = _is_name(first) and not _is_name(last)
    is_last = part.start + len(part.text) == len(base)
    return is_mixed and is_last and part.word_before in _DO


def _lead(own: Sequence[TaggedWord]) -> int:
    """The row of the first content word."""
    return next((row for row, word in enumerate(own) if not word.is_empty), len(own))


def _fragments(bare: str, own: Sequence[TaggedWord]) -> Iterator[Fragment]:
    """What may replace a part of the last question: all from the first content word on, or the last
    run of content words ("no sorry, Plum Lane"), without "one" at the end. Of a clause only what
    may be all that follows its auxiliary ("does the Tuna too?")."""
    content = runs(bare)
    if not content:
        return
    if _is_clause(own):
        after = [word.lower for word in own if word.start > content[-1][-1].start]
        if len(content) > 1 or pointers(bare) or not _TRAILING.issuperset(after):
            return
    rows = {word.start: row for row, word in enumerate(own)}
    first_lead, last_lead = content[0][0], content[-1][0]
    whole_end = max(content[-1][-1].end, *(word.end for word in own if word.lower not in _TRAILING))
    proposed: dict[str, Fragment] = {}
    for lead, end, is_tail in (
        (first_lead, whole_end, False),
        (last_lead, content[-1][-1].end, True),
    ):
        text = bare[lead.start : end]
        if "," in text:
            continue
        word_before = _before(own, rows[lead.start])[1]
        for suffix in ("", " one", " ones"):
            if text.lower().endswith(suffix):
                shortened = text[: len(text) - len(suffix)]
                features = {"tail": float(is_tail), "one": float(bool(suffix))}
                proposed.setdefault(shortened, Fragment(shortened, word_before, features))
    yield from proposed.values()


def _replaced(base: str, fragment: Fragment, parts: Sequence[QuestionPart]) -> Iterator[Completion]:
    """The last question with a fragment in the place of each part, but never with a name in part,
    nor with one word twice."""
    new = fragment.text.lower().split()
    has_names = bool(_names(words(base)[1:])) and any(map(_is_name, fragment.text.split()))
    for part in parts:
        is_doubled = (part.left and part.left.lower == new[0]) or (
            part.right and part.right.lower == new[-1]
        )
        if is_doubled or _cuts_a_name(part, fragment.text):
            continue
        text = base[: part.start] + fragment.text + base[part.start + len(part.text) :]
        fit = _replaced_features(part, fragment.text, fragment.word_before)
        two_names = has_names and not part.has_name
        yield Completion(
            text=_sentence(text),
            kind="replaced",
            features={
                **fit,
                **part.features,
                **fragment.features,
                "two names": float(two_names),
            },
            renames=any(word[0].isupper() for word in part.text.split()),
            two_names=two_names,
        )


def _cuts_a_name(part: QuestionPart, fragment: str) -> bool:
    """Whether a part of a name would be left beside the fragment, as in "Alder Payroll" for "Alder"
    after "Brightline Payroll", or a name before another. A number or letter may take the place of
    another one: "Form B12". Two things of one kind do not share what stands before it: "the Ridge
    trail" after "the south trail"."""
    old, new = part.text.split(), fragment.split()
    if part.left is not None and old[-1].lower() == new[-1].lower():
        return True
    left = part.left is not None and part.left.is_name
    right = part.right is not None and part.right.is_name
    if left and _is_code(part.text) and _is_code(fragment):
        left = False
    goes_on_left = left and (_is_name(old[0]) or _is_name(new[0]))
    goes_on_right = right and (_is_name(old[-1]) or _is_name(new[-1]))
    return goes_on_left or goes_on_right


def _is_code(text: str) -> bool:
    """Whether it is one word with a digit, or one letter."""
    return " " not in text and (len(text) == 1 or any(map(str.isdigit, text)))


def _topic(base: str, own: Sequence[TaggedWord]) -> str:
    """The content words of the last question, or of the brackets at its end, so that they do not
    pile up over turns; without its names if the new question has its own."""
    topic = base[base.rfind("(") + 1 : -1] if base.endswith(")") else base
    has_name = bool(_names(own[1:]))
    kept = [
        topic[run[0].start : run[-1].end]
        if not has_name
        else " ".join(topic[word.start : word.end] for word in run if not word.is_name)
        for run in runs(topic)
    ]
    return " ".join(filter(None, kept))


def _is_clause(own: Sequence[TaggedWord]) -> bool:
    """Whether the words ask by themselves, with a question word and an auxiliary, or an auxiliary
    first."""
    after_links = [word.lower for word in own if word.lower not in _LINKS]
    if AUXILIARIES.isdisjoint(after_links):
        return False
    return after_links[0] in AUXILIARIES or not QUESTION_WORDS.isdisjoint(after_links)


def _short_answer(answer: str | None) -> str:
    text = " ".join((answer or "").split()).rstrip(".")
    return text if 0 < len(text.split()) <= _LONGEST_ANSWER and "," not in text else ""


def _parts(base: str) -> Iterator[QuestionPart]:
    """Runs of content words and short parts of them."""
    own, all_runs = words(base), runs(base)
    rows = {word.start: row for row, word in enumerate(own)}
    for run in all_runs:
        _, auxiliary = _before(own, rows[run[0].start])
        for first, last in combinations_with_replacement(range(len(run)), 2):
            if last - first < _LONGEST_PART or last - first == len(run) - 1:
                start, text = run[first].start, base[run[first].start : run[last].end]
                article, word_before = _before(own, rows[start])
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
                yield QuestionPart(
                    text=text,
                    start=start,
                    name=article + text,
                    word_before=word_before,
                    features=features,
                    left=run[first - 1] if first else None,
                    right=run[last + 1] if left_after else None,
                )


def _before(own: Sequence[TaggedWord], row: int) -> tuple[str, str]:
    """("the " if that is before the word in this row, the word before it)"""
    before = ["", "", *(word.lower for word in own[:row])]
    return ("the ", before[-2]) if before[-1] == "the" else ("", before[-1])


def _continued(
    base: str, bare: str, lead: Sequence[TaggedWord], fragment: str, answer: str
) -> Iterator[Completion]:
    """The last question continued by the new words, from their first preposition on."""
    preposition = next((word for word in lead if word.lower in PREPOSITIONS), None)
    if [word.lower for word in lead[:2]] in _LEADS:
        preposition = None
    added = fragment if preposition is None else bare[preposition.start :]
    if not added or any(word.lower in QUESTION_WORDS for word in words(added)[:1]):
        return
    names, own = _names(words(base)[1:]), _names(words(added))
    is_again = preposition is not None and preposition.lower in {w.lower for w in words(base)}
    if names and own and (preposition is None or is_again):  # two names of one kind
        return
    two_names = bool(names and (own or preposition is None))
    fit = {
        "again": float(is_again),
        "two names": float(bool(names and own)),
        "bare": float(preposition is None),
        "bare, named": float(preposition is None and bool(names)),
    }
    yield Completion(_sentence(f"{base} {added}"), "continued", fit, two_names=two_names)
    if answer and pointers(added):
        yield Completion(_sentence(f"{base} {_put(added, answer)}"), "continued answer")


def _asked_again(base: str, bare: str, own: Sequence[TaggedWord]) -> Iterator[Completion]:
    """ "and where?" asked of the rest of the last question, from its auxiliary on."""
    start = next((word.start for word in own if word.lower in QUESTION_WORDS | PREPOSITIONS), None)
    tail_start = next((word.start for word in words(base) if word.lower in AUXILIARIES), None)
    if start is not None and tail_start is not None:
        again = base[tail_start].lower() + base[tail_start + 1 :]
        yield Completion(_sentence(f"{bare[start:]} {again}"), "again")


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
    first = next((word for word in words(text) if word.lower not in _LINKS), None)
    text = text[first.start :] if first else text
    return f"{text[:1].upper()}{text[1:]}?"


# The model


def _typed_features(question: str, last: PreviousTurn) -> dict[str, float]:
    """Features of the typed question, the same for all completions."""
    own, stems = words(question), content_words(question)
    return {
        "": 1.0,
        "content": min(6, sum(not word.is_empty for word in own)) / 6,
        "points": float(bool(pointers(question))),
        "linked": float(bool(own) and own[0].lower in _LINKS),
        "clause": float(any(word.lower in AUXILIARIES for word in own)),
        "asks": float(any(word.lower in QUESTION_WORDS for word in own)),
        "shared": len(stems & content_words(last.question)) / max(1, len(stems)),
        "number": float(any(char.isdigit() for char in question)),
        "name": float(any(question[word.start].isupper() for word in own[1:])),
        "one word": float(len(own) == 1),
        "answered": float(bool(_short_answer(last.answer))),
        "you": float(any(word.lower in ("you", "your") for word in own)),
        "own name": float(bool(_names(own[1:]) - _names(words(last.question)))),
        "runs": min(3, len(runs(question))) / 3,
        **{f"begins {beginning}": 1.0 for beginning in _beginnings(own)},
        **{f"points {_POINTERS[word.lower]}": 1.0 for word in pointers(question)},
    }


def _talk_features(question: str) -> dict[str, float]:
    """The words of a short question."""
    own = words(question)
    return {f"says {word.lower}": 1.0 for word in own} if len(own) <= _LONGEST_TALK else {}


def _beginnings(own: Sequence[TaggedWord]) -> list[str]:
    """The first word, and the first two if both are function words."""
    first = [word.lower for word in own[:2]]
    both = [" ".join(first)] if len(own) > 1 and own[0].is_empty and own[1].is_empty else []
    return first[:1] + both


def _replaced_features(part: QuestionPart, fragment: str, word_before: str) -> dict[str, float]:
    """How a fragment after `word_before` fits the part that it replaces."""
    old, new = part.text.split(), fragment.split()
    shape, new_shape = _shape(old[-1]), _shape(new[-1])
    return {
        "alike": _likeness(old[-1], new[-1]),
        "same shape": float(shape == new_shape),
        "same first shape": float(_shape(old[0]) == _shape(new[0])),
        "both numbers": float(shape == "0" == new_shape),
        "same length": float(len(old) == len(new)),
        "same preposition": float(word_before in PREPOSITIONS and word_before == part.word_before),
        "named": float(old[0][:1].isupper()),
    }


def _shape(word: str) -> str:
    """ "0" for a number, "A" for capitals, "Aa" for a name, "a" for another word."""
    if word[:1].isdigit():
        return "0"
    return "A" if word.isupper() else "Aa" if word[:1].isupper() else "a"


def _name_features(name: str, bare: str, base: str) -> dict[str, float]:
    """Features of a name in the place of the pointers of a question after `base`."""
    group = _POINTERS[pointers(bare)[0].lower]
    first = next((word.lower for word in words(base) if word.lower in QUESTION_WORDS), "other")
    own = name.split()
    return {
        "ends in ed": float(own[-1].endswith("ed")),
        group: 1.0,
        f"{group} after {first}": 1.0,
        "words": min(5, len(own)) / 5,
        "plural": float((group == "they") == (own[-1].endswith("s") or "and" in own)),
        "several": float("and" in own),
        "named": float(own[0][:1].isupper()),
        "a name and more": float(own[0][:1].isupper() and own[-1][:1].islower()),
        "number": float(any(char.isdigit() for char in name)),
    }


def _likeness(word: str, second: str) -> float:
    """The share of the longer word that two words have in common at both ends, at most 1."""
    longest = max(len(word), len(second))
    pair = word.lower(), second.lower()
    shared = Prefix.similarity(*pair) + Postfix.similarity(*pair)
    return min(1.0, shared / longest)


def chosen(options: Sequence[Completion], chances: Sequence[float]) -> int:
    """The index of the completion to ask, if it is no talk, the second option: as typed, the first,
    unless the question probably refers to the last turn. One that reads like a question is
    preferred to one with a topic in brackets."""
    typed, _, *completed = chances
    if sum(completed) < UNSURE * (sum(completed) + typed):
        return 0
    weights = [_TOPIC if option.kind == "topic" else 1.0 for option in options]
    return max(range(2, len(options)), key=lambda row: weights[row] * chances[row])


def probabilities(
    options: Sequence[Completion], weights: Mapping[str, float] | None = None
) -> list[float]:
    """How likely each of the options is meant; they sum to 1."""
    model = _weights() if weights is None else weights
    features = (option.features.items() for option in options)
    logits = [sum(model.get(name, 0.0) * value for name, value in own) for own in features]
    odds = [math.exp(logit - max(logits)) for logit in logits]
    return [value / sum(odds) for value in odds]


@functools.cache
def _weights() -> Mapping[str, float]:
    weights: dict[str, float] = json.loads(MODEL.read_text(encoding="utf-8"))
    return weights

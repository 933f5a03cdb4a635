"""Completes follow-up questions: "and when did it end?" after "When was the JCPOA signed?" means
"When did the JCPOA end?".

A follow-up has several possible completions: its pronoun stands for a part of the last question or
for the last answer, it replaces a part of the last question, it continues it, or the last question
is only its topic. All are made from the words alone; a fitted model says how likely each is meant,
how likely the question is complete as typed, and how likely it is no question at all but talk, such
as "thanks" (`eval/experiments/conversations.py` fits it).

A completion has one subject: a name takes the place of a name, never of a part of one
(`_cuts_a_name`), and nothing is added to a question with a name of its own (`has_own_subject`).
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path
from typing import NamedTuple

from rapidfuzz.distance import Postfix, Prefix

from rag.meaning.words import (
    ARTICLES,
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
UNSURE, UNSURE_FRAGMENT = 0.8, 0.6
"""Probabilities of referring to the last turn from which on a question, and a fragment of one, is
completed."""
TALK = 0.7
"""Probability of talk from which on no document is asked."""
LIKELY, UNCLEAR = 0.65, 0.4
"""Probabilities from which on the last answer's documents are preferred, and a pronoun that is not
completed is noted."""
_OTHERS, _UNLIKELY = 2, 0.05
"""Number of other meanings to ask, and the least probability of one."""
_SMOOTH = 0.02
_TOPIC = 0.4
"""Weight of a completion with the topic in brackets, when one is chosen."""
_TOPIC_RUNS = 2
"""Runs of content words that are a topic; all of them find other passages than the question's."""
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
_BACKWARD = frozenset(
    "another both each either else first last more other otherwise same too".split()
)
"""Words that compare with something said before."""
_TOKEN = re.compile(r"[^\s?!,;:()\"\u201c\u201d]+")
_LONGEST_ANSWER = 6
"""Number of words up to which an answer can stand for a pronoun."""
_DO = frozenset({"do", "does", "did"})
_TRAILING = frozenset("then too also instead either as well".split())
"""Words at the end of a follow-up that replace nothing."""
_LEADS = (["what", "about"], ["how", "about"])
"""Words that lead to a fragment, and ask nothing by themselves."""
_OPENING = frozenset("same hm hmm oh sorry wait meant mean now instead question".split())
"""Words before a fragment that do not belong to it."""
_SAME = re.compile(
    r"^(?:(?:and|or|but|so) )?(?:(?:is|does|would|will) (?:it|that|this) (?:also |then )?"
    r"(?:be )?(?:the same|apply|hold|go|true) (?:also )?(?:for|to)\b|what if (?:it is|it's)\b)",
    re.IGNORECASE,
)
"""What asks the last question again of something else, as in "does that also apply to Alder?"."""
_JOINS = frozenset("when if because while before until".split())
"""Words that join a clause to the one before."""
_CONDITIONS = frozenset({"when", "where"})
"""Question words that also begin a condition, "where it rains"."""
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
    likeliest first, each with the root of how likely it is compared with `question`. `is_talk` says
    whether what was typed is no question to the documents, such as "thanks". `renames` says whether
    a name of the last question was replaced: its documents are about that name. `keeps_subject`
    says whether the subject is that of the last question.
    """

    question: str
    note: str = ""
    follows: float = 0.0
    others: tuple[tuple[str, float], ...] = ()
    is_talk: bool = False
    renames: bool = False
    keeps_subject: bool = False

    @property
    def is_about_the_last(self) -> bool:
        """Whether the documents of the last answer are preferred."""
        return self.follows >= LIKELY and not self.renames


class TaggedWord(NamedTuple):
    """A word of a question, `question[start:end]`, and how it is compared. `is_name` says whether
    it looks like a part of a name, such as "Birch", "B12" or "7", wherever it stands.
    """

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
    `right` are the words beside it in its run.
    """

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


class Replacement(NamedTuple):
    """Words of a follow-up that may replace a part of the last question, and the word before them,
    without "the". `features` say where they stand.
    """

    text: str
    word_before: str
    has_article: bool
    features: dict[str, float]


class Completion(NamedTuple):
    """A possible meaning of a follow-up: `text`, made in the way `kind`. `features`, each about 0
    to 1, say by name what the question looks like in itself, and how the added words fit those
    that they replace, which is `replaced_name` if it has a name.
    """

    text: str
    kind: str
    features: Mapping[str, float] = {}
    replaced_name: str = ""


def understand(question: str, turn: PreviousTurn | None) -> Rewrite:
    """The question, completed from the last turn."""
    question = question.strip()
    if turn is None or not question or len(question) + len(turn.question) > _LONGEST:
        return Rewrite(question)
    options = completions(question, turn)
    chances = probabilities(options)
    talk = talk_chance(options, chances)
    if talk >= TALK:
        return Rewrite(question, is_talk=True)
    choice = chosen(options, chances)
    follows = 1 - chances[0] / (1 - talk)
    if choice > 0:
        return Rewrite(
            options[choice].text,
            follows=follows,
            others=_others(options, chances, choice),
            renames=any(word[0].isupper() for word in options[choice].replaced_name.split()),
            keeps_subject=options[choice].kind != "replaced",
        )
    note = ""
    if follows >= UNCLEAR and not _stands_alone(question):
        quoted = (f'"{question[pointer.start : pointer.end]}"' for pointer in pointers(question))
        subject = next(quoted, "the question")
        note = f"it is not clear whether {subject} refers to the last question; asked as typed"
    return Rewrite(question, note, follows, keeps_subject=not _is_clause(words(question)))


def _stands_alone(question: str) -> bool:
    """Whether a question begins like a whole one, and no word of it stands for something said
    before, or compares with it.
    """
    lowercase = [word.lower for word in words(question)]
    is_whole = lowercase[:1] and lowercase[0] in QUESTION_WORDS | AUXILIARIES
    return bool(is_whole) and not pointers(question) and _BACKWARD.isdisjoint(lowercase)


def _others(
    options: Sequence[Completion], chances: Sequence[float], choice: int
) -> tuple[tuple[str, float], ...]:
    rows = [
        row
        for row, chance in enumerate(chances)
        if row not in (0, choice)
        and chance >= _UNLIKELY
        and _is_beside(options[row], options[choice])
    ]
    alternatives = sorted(rows, key=lambda row: -chances[row])[:_OTHERS]
    return tuple(
        (options[row].text, math.sqrt((chances[row] + _SMOOTH) / (chances[choice] + _SMOOTH)))
        for row in alternatives
    )


def _is_beside(other: Completion, likeliest_meaning: Completion) -> bool:
    """Whether it may be asked where the best one has no answer: never about a name that the best
    one replaces.
    """
    words_left = {word.lower for word in words(likeliest_meaning.replaced_name)} - {
        w.lower for w in words(likeliest_meaning.text)
    }
    return other.kind != "talk" and words_left.isdisjoint(word.lower for word in words(other.text))


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


def _names(tagged: Sequence[TaggedWord]) -> frozenset[str]:
    """The words that look like names, without "I" and other words that say nothing."""
    return frozenset(word.lower for word in tagged if word.is_name and not word.is_empty)


def pointers(text: str) -> list[TaggedWord]:
    """The words that stand for something said before; not "there" in "is there a lift"."""
    tagged = words(text)
    found = [
        word
        for row, word in enumerate(tagged)
        if word.lower in _POINTERS
        and not (word.lower == "there" and row and tagged[row - 1].lower in BE)
    ]
    things = [word for word in found if word.lower != "then"]  # "when is it deleted then?"
    opening = [word for word in tagged if word.lower not in _LINKS][:1]
    return things or [word for word in found if opening and word.start > opening[0].start]


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


def has_own_subject(question: str, turn: PreviousTurn) -> bool:
    """Whether a question asks by itself, points to nothing, and has a name that the last one has
    not: nothing is added to it.
    """
    tagged = words(question)
    names = _names(tagged[1:]) - _names(words(turn.question))
    asks_more = any(not word.is_empty and not word.is_name for word in tagged)
    return bool(names) and asks_more and _is_clause(tagged) and not pointers(question)


def completions(
    question: str, turn: PreviousTurn, known: Set[str] | None = None
) -> list[Completion]:
    """The possible meanings of the question, first as typed; each text once, but talk, too, has
    that of the question. Talk has no word that is not among `known`, by default those of the model:
    "thanks" is talk, "heating?" is a topic.
    """
    completed = [] if has_own_subject(question, turn) else _completed(question, turn)
    said = {f"says {word.lower}": 1.0 for word in words(question)}
    repeated = _sentence(turn.question).lower()
    different_options = (option for option in completed if option.text.lower() != repeated)
    options = [Completion(question, "typed", said), *different_options]
    by_text = {option.text.lower(): option for option in reversed(options)}
    distinct = [option for option in options if by_text[option.text.lower()] is option][:_MOST]
    said_in_talk = _talk_words() if known is None else known
    if all(word.is_empty or word.lower in said_in_talk for word in words(question)):
        distinct.insert(1, Completion(question, "talk", said))
    typed = _typed_features(question, turn)
    featured = []
    for option in distinct:
        of_question = {f"{option.kind} {name}".strip(): value for name, value in typed.items()}
        of_fit = {f"{option.kind}: {name}": value for name, value in option.features.items()}
        featured.append(option._replace(features=of_question | of_fit))
    return featured


def _completed(question: str, turn: PreviousTurn) -> Iterator[Completion]:
    base = turn.question.strip().rstrip("?.! ")
    typed = _SAME.sub("", question.rstrip("?.! ")).strip()
    tagged = words(typed)
    answer = _short_answer(turn.answer)
    parts = list(_parts(base))

    if pointers(typed):
        for part in parts:
            if _ends_in_a_verb(part, base):
                continue
            name = part.name.removesuffix("'s").removesuffix("\u2019s")
            fit = _name_features(name, typed, base) | part.features
            yield Completion(_sentence(_put(typed, name)), "named", fit)

        if answer:
            fit = _name_features(answer, typed, base) | {"sole": 1.0}
            yield Completion(_sentence(_put(typed, answer)), "answered", fit)

    for replacement in _replacements(typed, tagged):
        yield from _replaced(base, replacement, parts)

    lead = _lead(tagged)
    is_clause = _is_clause(tagged)
    if not is_clause:
        fragment = typed[tagged[lead].start :] if lead < len(tagged) else ""
        yield from _continued(base, typed, tagged[: lead + 1])
        if tagged and not fragment:
            yield from _asked_again(base, typed, tagged)

    topic = _topic(base, tagged[1:] if is_clause else tagged)
    if topic and any(word.lower not in _LINKS for word in tagged):
        is_sole, count = float(len(runs(base)) == 1), len(topic.split())
        fit = {"sole": is_sole, "words": min(8, count) / 8}
        fit["sole, points"] = is_sole * bool(pointers(question))
        yield Completion(_sentence(f"{typed} ({topic})"), "topic", fit)


def _ends_in_a_verb(part: QuestionPart, base: str) -> bool:
    """Whether the part is a name and the verb after "did" ("What did Ann Ray lead?"), which is no
    one's name.
    """
    first_word, last_word = part.text.split()[0], part.text.split()[-1]
    is_mixed = _is_name(first_word) and not _is_name(last_word)
    is_last = part.start + len(part.text) == len(base)
    return is_mixed and is_last and part.word_before in _DO


def _lead(tagged: Sequence[TaggedWord]) -> int:
    """The row of the first content word."""
    return next((row for row, word in enumerate(tagged) if not word.is_empty), len(tagged))


def _replacements(typed: str, tagged: Sequence[TaggedWord]) -> Iterator[Replacement]:
    """What may replace a part of the last question: all from the first content word on, or the last
    run of content words ("no sorry, Plum Lane"), without "one" at the end. Of a clause only what
    may be all that follows its auxiliary ("does the Tuna too?").
    """
    content = runs(typed)
    if not content:
        return

    content_end = content[-1][-1]
    if _is_clause(tagged):
        opening = next(word.lower for word in tagged if word.lower not in _LINKS)
        following = [word.lower for word in tagged if word.start > content_end.start]
        is_one_part = len(content) == 1 and len(content[0]) <= _LONGEST_PART
        if opening not in AUXILIARIES or not is_one_part or not _TRAILING.issuperset(following):
            return

    content_words = [word for run in content for word in run]
    begin = next((word for word in content_words if word.lower not in _OPENING), content_words[0])
    ends = [word.end for word in tagged if word.lower not in _TRAILING]
    stretches = [
        (begin, max([content_end.end, *ends]), False),
        (content[-1][0], content_end.end, True),
    ]

    rows = {word.start: row for row, word in enumerate(tagged)}
    proposed: dict[str, Replacement] = {}
    for begin, end, is_tail in stretches:
        text = typed[begin.start : end]
        if "," in text or (is_tail and "," not in typed[: begin.start]):
            continue

        article, word_before = _before(tagged, rows[begin.start])
        has_article = bool(article) or word_before in ARTICLES
        for suffix in ("", " one", " ones"):
            if text.lower().endswith(suffix):
                shortened = text[: len(text) - len(suffix)]
                features = {"tail": float(is_tail), "one": float(bool(suffix))}
                replacement = Replacement(shortened, word_before, has_article, features)
                proposed.setdefault(shortened, replacement)
    yield from proposed.values()


def _replaced(
    base: str, replacement: Replacement, parts: Sequence[QuestionPart]
) -> Iterator[Completion]:
    """The last question with a replacement in the place of each part, but never with a name in
    part, nor with a name beside another, nor with one word twice.
    """
    new_words = replacement.text.lower().split()
    has_names = bool(_names(words(base)[1:])) and any(map(_is_name, replacement.text.split()))
    for part in parts:
        is_doubled_left = part.left and part.left.lower == new_words[0]
        is_doubled_right = part.right and part.right.lower == new_words[-1]
        if is_doubled_left or is_doubled_right:
            continue

        has_two_names = has_names and not part.has_name
        if has_two_names or _cuts_a_name(part, replacement.text):
            continue

        text = base[: part.start] + replacement.text + base[part.start + len(part.text) :]
        yield Completion(
            text=_sentence(text),
            kind="replaced",
            features=_replaced_features(part, replacement) | part.features | replacement.features,
            replaced_name=part.text if part.has_name else "",
        )


def _cuts_a_name(part: QuestionPart, replacement: str) -> bool:
    """Whether a part of a name would be left beside the replacement, as in "Alder Payroll" for
    "Alder" after "Brightline Payroll", or a name before another. A number or letter may take the
    place of another one: "Form B12". Two things of one kind do not share what stands before it:
    "the Ridge trail" after "the south trail".
    """
    old_words = part.text.split()
    new_words = replacement.split()
    if part.left is not None and old_words[-1].lower() == new_words[-1].lower():
        return True

    has_name_left = part.left is not None and part.left.is_name
    has_name_right = part.right is not None and part.right.is_name
    if _is_code(part.text) and _is_code(replacement):
        has_name_left = False

    goes_on_left = has_name_left and (_is_name(old_words[0]) or _is_name(new_words[0]))
    goes_on_right = has_name_right and (_is_name(old_words[-1]) or _is_name(new_words[-1]))
    return goes_on_left or goes_on_right


def _is_code(text: str) -> bool:
    """Whether it is one word with a digit, or one letter."""
    return " " not in text and (len(text) == 1 or any(map(str.isdigit, text)))


def _topic(base: str, tagged: Sequence[TaggedWord]) -> str:
    """The last two runs of content words of the last question, or of the brackets at its end, so
    that they do not pile up over turns: what a question is about stands at its end. Without its
    names if the new question has its own.
    """
    topic = base[base.rfind("(") + 1 : -1] if base.endswith(")") else base
    has_name = bool(_names(tagged))
    kept = [
        topic[run[0].start : run[-1].end]
        if not has_name
        else " ".join(topic[word.start : word.end] for word in run if not word.is_name)
        for run in runs(topic)[-_TOPIC_RUNS:]
    ]
    return " ".join(filter(None, kept))


def _is_clause(tagged: Sequence[TaggedWord]) -> bool:
    """Whether the words ask by themselves: an auxiliary first, or a question word and an auxiliary
    or a verb ("who decides on it?").
    """
    after_links = [word for word in tagged if word.lower not in _LINKS]
    if not after_links:
        return False
    opening, *following = after_links
    if opening.lower in AUXILIARIES:
        return True
    lowercase = {word.lower for word in after_links}
    if not AUXILIARIES.isdisjoint(lowercase) and not QUESTION_WORDS.isdisjoint(lowercase):
        return True
    is_lead = [word.lower for word in after_links[:2]] in (*_LEADS, ["what", "if"])
    return (
        opening.lower in QUESTION_WORDS and not is_lead and not all(w.is_empty for w in following)
    )


def _short_answer(answer: str | None) -> str:
    text = " ".join((answer or "").split()).rstrip(".")
    return text if 0 < len(text.split()) <= _LONGEST_ANSWER and "," not in text else ""


def _parts(base: str) -> Iterator[QuestionPart]:
    """Runs of content words and short parts of them."""
    tagged, all_runs = words(base), runs(base)
    rows = {word.start: row for row, word in enumerate(tagged)}
    by_verb = next((word.lower for word in tagged if word.lower in AUXILIARIES), "none")
    by_verb = "be" if by_verb in BE else "do" if by_verb in _DO else by_verb
    for run in all_runs:
        _, auxiliary = _before(tagged, rows[run[0].start])

        for first_word, last_word in combinations_with_replacement(range(len(run)), 2):
            if last_word - first_word < _LONGEST_PART or last_word - first_word == len(run) - 1:
                start, text = (
                    run[first_word].start,
                    base[run[first_word].start : run[last_word].end],
                )

                article, word_before = _before(tagged, rows[start])
                words_after, rivals = len(run) - 1 - last_word, len(all_runs) - 1

                features = {
                    "left before": min(3, first_word) / 3,
                    "left after": min(3, words_after) / 3,
                    "whole": float(not first_word and not words_after),
                    "all after auxiliary": float(auxiliary in AUXILIARIES and not words_after),
                    "before one word after auxiliary": float(
                        auxiliary in AUXILIARIES and not first_word and words_after == 1
                    ),
                    "after preposition": float(word_before in PREPOSITIONS),
                    "place": start / len(base),
                    f"after {word_before}": float(word_before in QUESTION_WORDS | {"many", "much"}),
                    f"ends, {by_verb}": float(run[last_word].end == len(base)),
                    "sole": float(not rivals),
                    "rivals": min(4, rivals) / 4,
                }
                yield QuestionPart(
                    text=text,
                    start=start,
                    name=article + text,
                    word_before=word_before,
                    features=features,
                    left=run[first_word - 1] if first_word else None,
                    right=run[last_word + 1] if words_after else None,
                )


def _before(tagged: Sequence[TaggedWord], row: int) -> tuple[str, str]:
    """("the " if that is before the word in this row, the word before it)"""
    words_before = ["", "", *(word.lower for word in tagged[:row])]
    return ("the ", words_before[-2]) if words_before[-1] == "the" else ("", words_before[-1])


def _continued(base: str, typed: str, lead: Sequence[TaggedWord]) -> Iterator[Completion]:
    """The last question continued by the new words, from their first preposition on."""
    preposition = next((word for word in lead if word.lower in PREPOSITIONS), None)
    opening = [word.lower for word in lead if word.lower not in _LINKS][:2]
    if preposition is None or opening in _LEADS:
        return
    added = typed[preposition.start :]
    if any(word.lower in QUESTION_WORDS - _CONDITIONS for word in words(added)[:1]):
        return
    names, tagged = _names(words(base)[1:]), _names(words(added))
    is_again = preposition.lower in {word.lower for word in words(base)}
    if names and tagged and is_again:  # two names of one kind
        return
    fit = {
        "again": float(is_again),
        "two names": float(bool(names and tagged)),
        f"with {preposition.lower}": 1.0,
    }
    yield Completion(_sentence(f"{base} {added}"), "continued", fit)


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
        previous_word = next(
            (other for other in reversed(words(text)) if other.end < word.start), None
        )
        is_place = word.lower == "there" and (
            previous_word is None or previous_word.lower not in PREPOSITIONS
        )
        next_word = next((other for other in words(text) if other.start > word.start), None)
        owns = word.lower in _OWNING and next_word is not None and not next_word.is_empty
        owner = ("'" if name.endswith("s") else "'s") if owns else ""
        text = text[: word.start] + "in " * is_place + name + owner + text[word.end :]
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
        "own name": float(bool(_names(tagged[1:]) - _names(words(turn.question)))),
        "runs": min(3, len(runs(question))) / 3,
        "bare": float(_is_bare(tagged)),
        "bare words": min(6, len(tagged)) / 6 * _is_bare(tagged),
        "inner": float(_points_inside(question, tagged)),
        **{f"begins {beginning}": 1.0 for beginning in _beginnings(tagged)},
        **{f"points {_POINTERS[word.lower]}": 1.0 for word in pointers(question)},
    }


def _is_bare(tagged: Sequence[TaggedWord]) -> bool:
    """Whether it is no sentence and leads to none: "parking fee", not "and the fee?"."""
    return (
        bool(tagged) and not tagged[0].is_empty and AUXILIARIES.isdisjoint(w.lower for w in tagged)
    )


def _points_inside(question: str, tagged: Sequence[TaggedWord]) -> bool:
    """Whether a thing is named before the first pronoun: "must guests pay when they leave?"."""
    starts = {word.start for word in pointers(question)}
    pointer = next((row for row, word in enumerate(tagged) if word.start in starts), 0)
    if pointer < 2 or tagged[pointer - 1].lower not in _JOINS:
        return False
    words_before = tagged[: pointer - 1]
    return any(word.lower in AUXILIARIES for word in words_before) and any(
        not word.is_empty for word in words_before
    )


def _beginnings(tagged: Sequence[TaggedWord]) -> list[str]:
    """The first word, and the first two if both are function words."""
    beginning = [word.lower for word in tagged[:2]]
    both = (
        [" ".join(beginning)]
        if len(tagged) > 1 and tagged[0].is_empty and tagged[1].is_empty
        else []
    )
    return beginning[:1] + both


def _replaced_features(part: QuestionPart, replacement: Replacement) -> dict[str, float]:
    """How a replacement fits the part that it replaces."""
    old_words = part.text.split()
    new_words = replacement.text.split()
    old_shape = _shape(old_words[-1])
    new_shape = _shape(new_words[-1])

    has_name = any(map(_is_name, new_words))
    is_unnamed = part.has_name and not has_name
    word_before = replacement.word_before
    is_same_preposition = word_before in PREPOSITIONS and word_before == part.word_before
    return {
        "alike": _likeness(old_words[-1], new_words[-1]),
        "same shape": float(old_shape == new_shape),
        "same first shape": float(_shape(old_words[0]) == _shape(new_words[0])),
        "both numbers": float(old_shape == "0" == new_shape),
        "same length": float(len(old_words) == len(new_words)),
        "same preposition": float(is_same_preposition),
        "named": float(part.has_name),
        "named, other": float(is_unnamed and not replacement.has_article),
        "named, a thing": float(is_unnamed and replacement.has_article),
        "a thing": float(not part.has_name and replacement.has_article),
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
    """The index of the completion to ask, if the question is no talk: as typed, first of the
    options, unless it probably refers to the last turn. A fragment ("and in May?") is completed
    sooner than what may be a question of its own, and one that reads like a question is preferred
    to one with a topic in brackets.
    """
    limit = _limit(options[0].text)
    completed = [row for row, option in enumerate(options) if option.kind not in ("typed", "talk")]
    follows = sum(chances[row] for row in completed)
    if follows < limit * (follows + chances[0]):
        return 0
    weights = [_TOPIC if option.kind == "topic" else 1.0 for option in options]
    return max(completed, key=lambda row: weights[row] * chances[row])


def _limit(question: str) -> float:
    tagged = words(question)
    is_fragment = not _is_clause(tagged) and (len(tagged) == 1 or not _is_bare(tagged))
    return UNSURE_FRAGMENT if is_fragment else UNSURE


def talk_chance(options: Sequence[Completion], chances: Sequence[float]) -> float:
    """The probability that the question is talk."""
    return sum(p for option, p in zip(options, chances, strict=True) if option.kind == "talk")


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
def _talk_words() -> Set[str]:
    """The words that the model has seen in talk."""
    said = "talk: says "
    return frozenset(name.removeprefix(said) for name in _weights() if name.startswith(said))


@functools.cache
def _weights() -> Mapping[str, float]:
    weights: dict[str, float] = json.loads(MODEL.read_text(encoding="utf-8"))
    return weights

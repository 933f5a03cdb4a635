"""Finds noun phrases in an English question by their form, as antecedents of a later "it" or
"he"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(r"\w(?:[\w'\u2019./-]*\w)?|[^\w\s]")
AUXILIARIES = frozenset(
    (
        "is are was were be been am do does did has have had will would can could shall should "
        "may might must "
        "isn't aren't wasn't weren't don't doesn't didn't won't"
    ).split()
)
_BE = frozenset("is are was were be been isn't aren't wasn't weren't has have had".split())
PREPOSITIONS = frozenset(
    (
        "in on at by from with without between of to for about after before during under over "
        "into since until among "
        "against near through towards within as because if when where while than"
    ).split()
)
QUESTION_WORDS = frozenset("who whom whose what which when where why how".split())
SPEAKERS = frozenset("i me my mine myself you your yours we our ours".split())  # "us" may be the US
"""Speaker and listener; a later "it" or "they" never refers to them."""
PRONOUNS = frozenset("it its he him his she her hers they them their theirs".split())
_STOPS = (
    AUXILIARIES
    | PREPOSITIONS
    | QUESTION_WORDS
    | PRONOUNS
    | SPEAKERS
    | frozenset("and or but not the a an that this these those".split())
)
_INSIDE_NAMES = frozenset("of for on".split())
_PARTICIPLES = frozenset(
    (
        "made held built sold bought begun left sent set put born known written found done gone "
        "taken given broken chosen drawn "
        "won lost paid told said brought led met read shot struck torn thrown hit cut drafted "
        "cancelled over"
    ).split()
)
_ADVERBS = frozenset(
    "first last ever again finally ago still already also yet then now really".split()
)


@dataclass(frozen=True, slots=True)
class Phrase:
    """A noun phrase as written in the question, and the word before it in lower case."""

    text: str
    start: int
    before: str

    @property
    def named(self) -> bool:
        """Whether it is a name without "the"."""
        return not self.text.lower().startswith("the ")


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    start: int

    @property
    def lower(self) -> str:
        return self.text.lower().replace("\u2019", "'")

    @property
    def name(self) -> bool:
        return self.text[0].isupper() and self.lower not in _STOPS


def phrases(question: str) -> list[Phrase]:
    """Names and phrases with "the", in order, each once."""
    by_key: dict[str, Phrase] = {}
    for phrase in _phrases([_Token(m.group(), m.start()) for m in _TOKEN.finditer(question)]):
        by_key.setdefault(phrase.text.lower(), phrase)
    return list(by_key.values())


def _phrases(tokens: list[_Token]) -> Iterator[Phrase]:
    position = 0
    while position < len(tokens):
        definite = tokens[position].lower == "the"
        first = position + definite
        last = _end(tokens, first, definite)
        before = tokens[position - 1].lower if position else ""
        phrase_words = _without_verb([token.text for token in tokens[first:last]], before)
        if phrase_words and (
            position or definite or tokens[position].text.isupper()
        ):  # a capital at the start of a sentence does not make a name
            yield Phrase(
                " ".join(["the"] * definite + phrase_words), tokens[position].start, before
            )
        position = max(last, position + 1)


def _end(tokens: list[_Token], position: int, definite: bool) -> int:
    """The end of the phrase that starts at `position`: a name continues, and after "the" any word
    that can be part of a noun phrase."""
    first = position
    while position < len(tokens):
        token = tokens[position]
        plain = definite and token.text[0].isalnum() and token.lower not in _STOPS
        if not (
            token.name
            or plain
            or (position > first and _joins(tokens[position - 1 : position + 2]))
        ):
            break
        position += 1
    return position


def _joins(around: list[_Token]) -> bool:
    """Whether the middle word belongs to a name, as in "Plan of Action"."""
    return (
        len(around) == 3 and around[0].name and around[1].lower in _INSIDE_NAMES and around[2].name
    )


def _without_verb(words: list[str], before: str) -> list[str]:
    """After an auxiliary the last plain word is the verb: "did the talks begin", "was the deal
    signed"."""
    if (
        before in AUXILIARIES
        and words
        and words[-1].islower()
        and (before not in _BE or _participle(words[-1]))
    ):
        words = words[:-1]
    while words and (words[-1] in _ADVERBS or words[-1].endswith("ly")):
        words = words[:-1]
    return words


def _participle(word: str) -> bool:
    return word.endswith("ed") or word in _PARTICIPLES

"""Turns a sentence into a question that it answers, as a person asks it: "The lease ends on 31 May
2028." into "When does the lease end?". Only sentences of a few plain shapes become questions.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from rag.meaning.words import MONTH, PRONOUNS, YEAR

LONGEST_SENTENCE = 200
"""Characters of a sentence that may become a question."""


class SentenceQuestion(NamedTuple):
    """A question; `rank` is 0 for one that people often ask, and higher for others."""

    question: str
    rank: int


def question_for(sentence: str) -> SentenceQuestion | None:
    """A question that a sentence answers, or None."""
    if len(sentence) > LONGEST_SENTENCE:
        return None
    for shape in _SHAPES:
        match = shape.pattern.match(sentence)
        if match and not (match["thing"] and is_vague(match["thing"])):
            return SentenceQuestion(shape.question(match), shape.rank)
    return None


_VAGUE = PRONOUNS | frozenset(
    "who which that this these those there all both some none other others one first second third "
    "rest same following above above-mentioned result total answer whole part case way point "
    "example reason not will may shall must does do always also never only normally often we us "
    "our above below everything everyone everybody nothing nobody someone something anything "
    "further additional latter former previous next last".split()
)
_POINTING = frozenset("this that these those such some other another".split())


def is_vague(words: str) -> bool:
    """Whether a subject, or a question without its first word, says nothing outside its text."""
    word, *other_words = words.lower().split()
    return word in _POINTING or not _VAGUE.isdisjoint(other_words or [word])


def inside_question(thing: str) -> str:
    """A subject within a question: "The lease" becomes "the lease"; a name stays as it is."""
    word, _, other_words = thing.partition(" ")
    if word in ("Our", "Your"):
        word = "The"
    is_name = word not in _ARTICLES and (not other_words or other_words[0].isupper())
    return f"{word if is_name else word.lower()} {other_words}".strip()


def as_asked(words: str) -> str:
    """What a document says to "you", as its reader says it."""
    for pattern, replacement in _PERSONS:
        words = pattern.sub(replacement, words)
    return words


_ARTICLES = ("The", "A", "An", "Each", "Every", "Our", "Your")
_PERSONS = tuple(
    (re.compile(rf"\b{words}\b"), replacement)
    for words, replacement in (
        ("you are", "I am"),
        ("you were", "I was"),
        ("your", "my"),
        ("yourself", "myself"),
        ("yours", "mine"),
        ("you", "I"),
    )
)


def _do_or_does(thing: str) -> str:
    """ "do" for a plural, otherwise "does"."""
    return "do" if thing.split()[0] not in _ARTICLES or re.search(r"[^s']s$", thing) else "does"


_WORD = r"[a-z][a-z'’-]+"
_NOUN = rf"(?!(?:to|and|or|but|if|than|as|is|are|was|were|has|have|be|been|can|could)\b){_WORD}"
"""A word of a subject; a verb or a joining word would make it more than one."""
_THING = rf"(?:{'|'.join(_ARTICLES)}) (?:{_NOUN} ){{0,3}}?{_NOUN}"
"""An article and at most four words without capitals."""
_THINGS = rf"(?:[A-Z][a-z'’-]+ (?:{_NOUN} ){{0,2}}?)?[A-Za-z][a-z'’-]*[a-z]s"
"""A plural at the beginning of a sentence: "Expense claims"."""
_MASS = r"[A-Z][a-z]{3,}"
"""A word without an article at the beginning of a sentence: "Damage"."""
_SUBJECT = rf"(?P<thing>{_THING}|{_THINGS})"
_NAME = r"(?:The )?(?:[A-Z][\w&'’-]* ){0,3}[A-Z][\w&'’-]+"
_PERSON = r"(?:(?:Dr|Mr|Mrs|Ms|Prof)\.? )?[A-Z][a-z'’-]+(?: [A-Z][a-z'’.-]*){1,2}"
_ROLE = (
    r"(?:chair|chairman|chairwoman|treasurer|secretary|director|manager|editor|president|head|owner"
    r"|landlord|tenant|author|conductor|captain|leader|officer|coordinator|administrator|contact)"
)

_PLURAL = r"(?:[a-z]+ )?(?!pounds|euros|dollars)[a-z]{3,}s"
"""What is counted; after a figure, as "three duties" only announces what follows."""
_NUMBER = r"(?:\d+|two|three|four|five|six|seven|eight|nine|ten|twelve|fourteen|twenty|thirty)"
_ABOUT = r"(?:(?:about|at least|at most|up to|usually|currently|now|only) )?"
_MONEY = r"(?:(?:US\$|[$€£¥]) ?\d[\d,.]*|\d[\d,.]* ?(?:euros?|pounds|dollars|EUR|GBP|USD|kr)\b)"
_LENGTH = (
    rf"{_NUMBER}(?: (?:working|calendar|business|full))?[ -](?:minute|hour|day|week|month|year)s?"
)
_DAY = r"(?:(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day,? )"
_DATE = rf"(?:{_DAY}?(?:\d{{1,2}} )?(?i:{MONTH}) (?:\d{{1,2}},? )?{YEAR}|{YEAR})"
_TIME = r"(?:\d{1,2}(?:[:.]\d\d)? ?(?:am|pm|a\.m\.|p\.m\.)|\d{1,2}:\d\d|midnight|noon)"
_END = r"(?=[ .,;:]|$)(?! (?:old|ago)\b)"

_DONE = (
    r"(?:[a-z]+ed|built|held|born|written|made|sent|begun|sold|bought|found|sung|won|cut|shown|paid"
    r"|drawn)"
)
"""A past participle."""
_HAPPENS = {
    "ends": "end",
    "expires": "expire",
    "starts": "start",
    "begins": "begin",
    "opens": "open",
    "closes": "close",
    "arrives": "arrive",
    "leaves": "leave",
    "meets": "meet",
    "takes place": "take place",
}
_GETS = {"gets": "get", "has": "have", "receives": "receive", "needs": "need", "earns": "earn"}
_BY_PEOPLE = {
    "approved": "approve",
    "signed": "sign",
    "paid": "pay",
    "reviewed": "review",
    "appointed": "appoint",
    "elected": "elect",
    "chosen": "choose",
    "decided": "decide",
    "checked": "check",
    "maintained": "maintain",
    "funded": "fund",
    "organised": "organise",
    "issued": "issue",
}
_REGULARLY = (
    r"(?:every (?:[a-z]+|\d+ [a-z]+)|once an? [a-z]+|twice an? [a-z]+|daily|weekly|monthly|annually"
    r"|yearly|quarterly)"
)
_MUST = (
    "submit|provide|file|pay|include|contain|give|keep|obtain|bring|wear|show|state|consider|meet"
)
_HAPPENING = (
    rf"(?:is|are|was|were|has been|have been) (?:not )?{_DONE}|(?:do|does|did) not [a-z]+"
    r"|don['’]t [a-z]+|doesn['’]t [a-z]+|cannot [a-z]+|can['’]t [a-z]+|fails?|exceeds?|expires?"
    r"|ends?|dies?|leaves?|breaks?|refuses?|objects?|resigns?|cancels?|withdraws?|loses?|lose"
    r"|miss|misses|forgets?|damages?|moves?|changes?|stops?|arrives?|disagrees?|violates?|becomes?"
)
"""What happens to somebody or something. Not a state, a wish or an opinion of the reader:
advice follows "If you prefer e-mail", and nobody asks what happens then.
"""
_ACT = rf"(?![a-z]+ly )[a-z]+ (?:the|an?|your|our) {_WORD}(?: {_WORD}){{0,7}}?"
"""A verb and what it is done to: "reset the router"."""


class _Shape(NamedTuple):
    """How often people ask such a question, a sentence with its subject, and the question."""

    rank: int
    pattern: re.Pattern[str]
    question: Callable[[re.Match[str]], str]


def _subject(match: re.Match[str]) -> str:
    """The subject, which is no name."""
    thing = inside_question(match["thing"])
    return thing if " " in thing else thing.lower()


_SHAPES = (
    _Shape(
        0,
        re.compile(rf"{_SUBJECT} (?P<is>is|are) {_ABOUT}{_MONEY}{_END}"),
        lambda m: f"How much {m['is']} {_subject(m)}?",
    ),
    _Shape(
        0,
        re.compile(rf"{_SUBJECT} costs? {_ABOUT}{_MONEY}{_END}"),
        lambda m: f"How much {_do_or_does(m['thing'])} {_subject(m)} cost?",
    ),
    _Shape(
        0,
        re.compile(
            rf"(?P<thing>{_THING}) (?P<act>{'|'.join(_HAPPENS)}) (?:on|at|in) (?:the )?"
            rf"(?:{_DATE}|{_TIME}){_END}"
        ),
        lambda m: f"When does {_subject(m)} {_HAPPENS[m['act']]}?",
    ),
    _Shape(
        0,
        re.compile(rf"{_SUBJECT} pays? {_ABOUT}{_MONEY}{_END}"),
        lambda m: f"How much {_do_or_does(m['thing'])} {_subject(m)} pay?",
    ),
    _Shape(
        0,
        re.compile(
            rf"(?P<thing>{_THING}|{_THINGS}|{_MASS}) (?P<must>must|should) be (?P<act>{_DONE})"
            rf"(?: [a-z]+ [a-z]+)? within "
            rf"{_ABOUT}{_LENGTH}{_END}"
        ),
        lambda m: f"How soon {m['must']} {_subject(m)} be {m['act']}?",
    ),
    _Shape(
        0,
        re.compile(rf"{_SUBJECT} (?P<is>is|are) (?P<act>{_DONE}) within {_ABOUT}{_LENGTH}{_END}"),
        lambda m: f"How soon {m['is']} {_subject(m)} {m['act']}?",
    ),
    _Shape(
        0,
        re.compile(
            rf"{_SUBJECT} (?P<act>{'|'.join(_GETS.values())}|{'|'.join(_GETS)}) {_ABOUT}"
            rf"(?:{_NUMBER} (?=days|weeks|months|hours)|\d[\d,]* )"
            rf"(?P<what>(?:days|weeks|months|hours)(?: of [a-z]+(?: leave)?)?|{_PLURAL}){_END}"
        ),
        lambda m: (
            f"How many {m['what']} {_do_or_does(m['thing'])} {_subject(m)} "
            f"{_GETS.get(m['act'], m['act'])}?"
        ),
    ),
    _Shape(
        0,
        re.compile(
            rf"(?P<thing>The (?:[a-z-]+ ){{0,2}}?{_ROLE}(?: of [a-z ]{{3,30}})?) is (?:now )?"
            rf"{_PERSON}{_END}"
        ),
        lambda m: f"Who is {_subject(m)}?",
    ),
    _Shape(
        1,
        re.compile(
            rf"(?P<thing>{_THING}|{_NAME}) (?P<was>was|were) (?P<act>{_DONE})"
            rf"(?: (?:in|at|by) [A-Z][\w'’ -]{{2,30}}?)? (?:on|in) {_DATE}{_END}"
        ),
        lambda m: f"When {m['was']} {inside_question(m['thing'])} {m['act']}?",
    ),
    _Shape(
        1,
        re.compile(rf"(?P<thing>{_THING}) (?:is|lasts|takes) {_ABOUT}{_LENGTH}{_END}"),
        lambda m: f"How long is {_subject(m)}?",
    ),
    _Shape(
        1,
        re.compile(rf"{_SUBJECT} (?:shall|must) (?P<act>{_MUST}) .{{15,}}"),
        lambda m: f"What must {_subject(m)} {m['act']}?",
    ),
    _Shape(
        1,
        re.compile(rf"{_SUBJECT} (?P<act>include|contain|cover|require|offer)s? .{{15,}}"),
        lambda m: f"What {_do_or_does(m['thing'])} {_subject(m)} {m['act']}?",
    ),
    _Shape(
        1,
        re.compile(
            rf"{_SUBJECT} (?:must|shall|should) be (?P<act>{'|'.join(_BY_PEOPLE)}) by "
            "(?:the |an? )?[A-Za-z]"
        ),
        lambda m: f"Who must {_BY_PEOPLE[m['act']]} {_subject(m)}?",
    ),
    _Shape(
        1,
        re.compile(
            rf"{_SUBJECT} (?:is|are) (?P<act>{'|'.join(_BY_PEOPLE)}) by (?:the |an? )?[A-Za-z]"
        ),
        lambda m: f"Who {_BY_PEOPLE[m['act']]}s {_subject(m)}?",
    ),
    _Shape(
        1,
        re.compile(
            rf"(?P<thing>{_THING}|{_THINGS}|{_NAME}) (?:is|are) responsible for "
            r"(?P<act>[a-z][a-z'’ -]{5,50})[.,;]"
        ),
        lambda m: f"Who is responsible for {m['act']}?",
    ),
    _Shape(
        1,
        re.compile(rf"{_SUBJECT} (?P<is>is|are) (?P<act>{_DONE}) {_REGULARLY}{_END}"),
        lambda m: f"How often {m['is']} {_subject(m)} {m['act']}?",
    ),
    _Shape(
        1,
        re.compile(
            rf"{_SUBJECT} (?P<is>is|are) (?P<act>located|kept|held|stored|displayed) "
            r"(?:in|at|on|behind|under|next to) .{4,}"
        ),
        lambda m: f"Where {m['is']} {_subject(m)} {m['act']}?",
    ),
    _Shape(
        1,
        re.compile(
            r"(?P<thing>)(?:Anyone|Anybody|Everyone|Everybody|Whoever) .{5,90}? (?P<may>may|can) "
            r"(?P<act>[a-z][a-z'’ -]{3,50})\."
        ),
        lambda m: f"Who {m['may']} {m['act']}?",
    ),
    _Shape(
        1,
        re.compile(r"Only (?P<thing>[a-z][a-z'’ -]{3,40}) may (?P<act>[a-z][a-z'’ -]{3,50})\."),
        lambda m: f"Who may {m['act']}?",
    ),
    _Shape(
        1,
        re.compile(
            r"(?:If|When) (?P<event>(?:you|"
            rf"(?P<thing>(?:the|an?|your) (?:{_NOUN} ){{0,3}}?{_NOUN})) "
            rf"(?:{_HAPPENING})(?: [a-z'’ -]{{1,50}})?), (?!you (?:can|may|might)\b).{{15,}}"
        ),
        lambda m: f"What happens if {as_asked(m['event'])}?",
    ),
    _Shape(
        1,
        re.compile(rf"To (?P<thing>{_ACT}), (?:[a-z]+|you) .{{10,}}"),
        lambda m: f"How do I {as_asked(m['thing'])}?",
    ),
    _Shape(
        1,
        re.compile(rf"You (?:can|may) (?P<thing>{_ACT}) (?:by|using|with|from|through) .{{5,}}"),
        lambda m: f"How can I {as_asked(m['thing'])}?",
    ),
    _Shape(
        2,
        re.compile(
            r"(?P<thing>(?:The )?(?:[A-Z]{3,6}|(?:[A-Z][a-z]+ ){1,2}[A-Z][a-z]+)) is (?:an?|the) "
            r"[a-z]+ .{20,}"
        ),
        lambda m: f"What is {inside_question(m['thing'])}?",
    ),
)

"""Resolves follow-up questions: "and when did it end?" after "When was the JCPOA signed?" means
"When did the JCPOA end?".

Only unambiguous follow-ups are resolved; all others are asked as typed, with a note. No model is
involved.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from rag.meaning.noun_phrases import AUXILIARIES, PREPOSITIONS, QUESTION_WORDS, Phrase, phrases

_LEAD = re.compile(r"^(?:(?:and|but|so|then|also|ok|okay|well)\b[\s,]*)+", re.IGNORECASE)
_ADVERBIAL = (
    r"(?:since |until |for )?(?:when|where|why|how long|how)|(?:by|with|to|from|for) "
    r"whom|in (?:what|which) \w+"
)
_ALONE = re.compile(rf"^(?:{_ADVERBIAL})(?: exactly)?$", re.IGNORECASE)
_ASKED = re.compile(rf"^(?:{_ADVERBIAL}) (?=(?:{'|'.join(sorted(AUXILIARIES))})\b)", re.IGNORECASE)
_ABOUT = re.compile(r"^(?:what|how) about |^(?:in|for|with|by|from|at|of) ", re.IGNORECASE)
_YEAR = re.compile(r"\b(?:1[5-9]|20)\d\d\b")
_PRONOUN = re.compile(
    r"\b(?:it|its|he|him|his|she|her|hers|they|them|their)\b(?!['\u2019])", re.IGNORECASE
)
_EMPTY_IT = re.compile(
    r"\bit(?: (?:is|was|be))? (?:(?:takes?|took)(?! (?:place|part|off|effect|over)\b)|true|"
    r"possible|necessary|clear|likely|rain\w*|snow\w*)\b",
    re.IGNORECASE,
)
_OWNER = re.compile(r"['\u2019]s$")
_GROUPS = {"it": "thing", "its": "thing", "they": "people", "them": "people", "their": "people"}
_OWNING = frozenset("its his hers their".split())
_AFTER_OBJECT = PREPOSITIONS | frozenset("again first last and or now today".split())
_TITLES = (
    "President|Minister|Mr|Mrs|Ms|Dr|Ambassador|Secretary|Senator|Envoy|envoy|Ayatollah|General|"
    "Chancellor|King|Queen|Professor"
)


@dataclass(frozen=True, slots=True)
class PreviousTurn:
    """The last question as understood, its answer, and the passages that were read."""

    question: str
    answer: str | None = None
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """The question to ask, and a note if a part of it was not resolved."""

    question: str
    note: str = ""


def understand(question: str, last: PreviousTurn | None) -> Rewrite:
    """The question, completed from the last turn."""
    question = question.strip()
    if last is None:
        return Rewrite(question)
    core = _LEAD.sub("", question)
    filled = _elliptic(core.rstrip(" ?.!"), last, led=core != question)
    if filled:
        return Rewrite(filled)
    if _ALONE.match(core.rstrip(" ?.!")):
        return Rewrite(question, "this does not fit the last question; asked as typed")
    if core != question and not {word.lower().strip("?,.") for word in core.split()} & (
        AUXILIARIES | QUESTION_WORDS
    ):
        return Rewrite(question, "the follow-up is ambiguous; asked as typed")
    return _with_names(question, core, last)


# Questions without a verb


def _elliptic(bare: str, last: PreviousTurn, led: bool) -> str:
    """ "and where?", "what about Oman?", "and in 2018?" as whole questions; "" for other questions,
    and if there is no unambiguous reading."""
    asked = _ASKED.match(last.question)
    if _ALONE.match(bare):
        return _sentence(f"{bare} {last.question[asked.end() :]}") if asked else ""
    instead, prefixed = _ABOUT.subn("", bare)
    if not (led or prefixed) or (bare.split()[:1] == instead.split()[:1] and not led):
        return ""
    if _YEAR.fullmatch(instead):
        years = set(_YEAR.findall(last.question))
        return _YEAR.sub(instead, last.question) if len(years) == 1 else ""
    return _other_name(instead, last.question)


def _other_name(name: str, question: str) -> str:
    """The question with its only name replaced by another; "" if it has none or several."""
    alone = [phrase.text for phrase in phrases(f"about {name}")] == [name]
    names = [
        phrase for phrase in phrases(question) if phrase.named or phrase.text.split()[-1].isupper()
    ]
    if not alone or len(names) != 1:
        return ""
    return re.sub(rf"(?<![\w-]){re.escape(names[0].text)}(?!\w)", lambda _: name, question)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("?" if text[-1].isalnum() else "")


# Pronouns


def _with_names(question: str, core: str, last: PreviousTurn) -> Rewrite:
    found = [match for match in _PRONOUN.finditer(core) if not _EMPTY_IT.match(core, match.start())]
    if not found or _has_own(core, found[0]):
        return Rewrite(question)
    groups = {_group(match.group()) for match in found}
    meant = _candidates(groups.pop(), last) if len(groups) == 1 else []
    if len(meant) != 1:
        return Rewrite(question, _open(found[0].group(), meant))
    return Rewrite(_sentence(_PRONOUN.sub(lambda match: _put(core, match, meant[0]), core)))


def _group(pronoun: str) -> str:
    return _GROUPS.get(pronoun.lower(), "person")


def _open(word: str, meant: list[str]) -> str:
    could = f" could be {' or '.join(meant)}" if meant else " could mean several things, or none"
    return f'"{word}"{could}; asked as typed'


def _has_own(question: str, pronoun: re.Match[str]) -> bool:
    """Whether the question itself names what its pronoun refers to, as "Iran" in "When did Iran say
    it would stop?".

    If the pronoun is the object of the verb, as in "When did the US leave it?", it does not refer
    to the subject.
    """
    after = question[pronoun.end() :].split()
    is_object = (
        not after or not after[0][0].isalnum() or after[0].lower().strip("?,") in _AFTER_OBJECT
    )
    own = [phrase for phrase in phrases(question) if phrase.start < pronoun.start()]
    return bool(own) and not (is_object and pronoun.group().lower() not in _OWNING)


def _candidates(group: str, last: PreviousTurn) -> list[str]:
    topics = _topics(last.question)
    if group == "thing":  # "Imogen's salary" names the owner, not the thing
        topics = [
            topic
            for topic in topics
            if not re.search(rf"{re.escape(topic.text)}['\u2019]s\b", last.question)
        ]
    persons = [topic.text for topic in topics if _is_person(topic, last.evidence)]
    answer = _answered(last)
    if group == "thing":
        things = [topic.text for topic in topics if topic.text not in persons]
        return things + [name for name in answer if _asks_which(last.question, things)]
    if group == "person":
        whole = [name for name in answer if " and " not in name and "," not in name]
        return list(dict.fromkeys([*persons, *(whole if _asks_who(last.question) else [])]))
    several = [name for name in answer if " and " in name and _asks_who(last.question)]
    return several + [topic.text for topic in topics if _is_plural(topic.text)]


def _topics(question: str) -> list[Phrase]:
    """The topics of a question: its noun phrases, without those after a preposition if there are
    others."""
    found = [replace(phrase, text=_OWNER.sub("", phrase.text)) for phrase in phrases(question)]
    return [
        phrase for phrase in found if phrase.before not in PREPOSITIONS | {"and", "or"}
    ] or found


def _answered(last: PreviousTurn) -> list[str]:
    """The last answer, if it is a name."""
    return (
        [last.answer] if last.answer and last.answer[0].isupper() and len(last.answer) <= 60 else []
    )


def _asks_who(question: str) -> bool:
    return question.lower().startswith(("who ", "whom ", "whose "))


def _asks_which(question: str, things: list[str]) -> bool:
    """Whether the question asks for a thing other than those it names, as "Which country hosted
    it?" does and "What is its capital?" does not."""
    first, second, *_ = [*question.lower().split(), "", ""]
    return first in ("which", "what") and not (things and second in AUXILIARIES)


def _is_plural(phrase: str) -> bool:
    last = phrase.split()[-1]
    return last.endswith("s") and not last.endswith("ss") and not last.isupper()


def _is_person(topic: Phrase, evidence: str) -> bool:
    """A first and a family name, or a family name that the passages give with a title or a first
    name."""
    words = topic.text.split()
    if not topic.named or any(
        (len(word) > 1 and word.isupper()) or not word.replace("-", "").isalpha() for word in words
    ):
        return False
    if len(words) > 1:
        return len(words) <= 4
    return (
        re.search(rf"\b(?:{_TITLES})\.? (?:[A-Z]\w+ )?{re.escape(topic.text)}\b", evidence)
        is not None
    )


def _put(question: str, pronoun: re.Match[str], name: str) -> str:
    word = pronoun.group().lower()
    if word not in _OWNING and not (word == "her" and _before_noun(question[pronoun.end() :])):
        return name
    return name + ("'" if name.endswith("s") else "'s")


def _before_noun(after: str) -> bool:
    following = after.split()[:1]
    return bool(following) and following[0].strip(
        "?.,"
    ).lower() not in _AFTER_OBJECT | QUESTION_WORDS | {""}

"""Yes or no, only where a sentence says the question's own statement or denies it."""

from __future__ import annotations

import itertools
import re

from rag.english.sentences import split_sentences
from rag.english.text import content_words

_WORD = re.compile(r"[a-z0-9%]+(?:['’.,-][a-z0-9]+)*")
_AUXILIARIES = frozenset(
    "is are was were do does did has have had can could will would should may might must be been "
    "being".split()
)
_ARTICLES = frozenset("a an the any its their his her this these".split())
_SKIPPED = _AUXILIARIES | _ARTICLES | frozenset("ever really there it".split())
_NEGATIONS = frozenset("not never n't no nor neither without cannot none nobody nothing".split())
_BESIDE = frozenset(
    "also still already now then again always often once later first finally formally officially "
    "too indeed both all".split()
)
_NOT_QUITE = frozenset(
    "always often all both entirely fully completely wholly totally exactly necessarily usually "
    "generally normally only "
    "exclusively merely just simply solely mainly strictly automatically".split()
)
"""After a negation: "not always free" is neither free nor not free."""
_NO_LONGER = frozenset(
    "former ex deputy vice acting assistant interim honorary designate associate would-be alleged".split()  # noqa: E501
)
"""Before what somebody is: a former owner is none."""
_STATES = frozenset("is are can may do does must should will".split())
"""Of what holds in general, perhaps within limits."""
_DOING, _HAVING = frozenset(("do", "does", "did")), frozenset(("has", "have", "had"))
_BEING = frozenset("is are was were be been being".split())
_PLACING = frozenset(
    "of in on at to for from by with than like unlike except but other against without near under "
    "over".split()
)
_HEDGES = re.compile(
    r"\b(?:(?<!\d )may(?! \d)|might|could|would|should"
    r"|if|whether|unless|allegedly|reportedly|claim\w*|alleg\w*|said|says|say|"
    r"deni\w*|deny|denies|reject\w*|"
    r"accus\w*|suspect\w*|believ\w*|propos\w*|plan\w*"
    r"|threat\w*|expect\w*|almost|nearly|hardly|barely|rarely|refus\w*|fail\w*|"
    r"suggest\w*|rumou?r\w*|argu\w*|question\w*|doubt\w*"
    r"|according|promis\w*|likely|unlikely|perhaps|possibly|only|until|except|"
    r"partly|partially|supposedly|seemingly|apparently|will|shall|wants?|wanted|hop\w*|unlike)\b"
)
_TURNS = frozenset(
    "but while whereas although though whose which who that instead then before after".split()
)
_ENDS = re.compile(
    r"\s*(?:$|[^\w\s]|(?:and|or|in|on|at|by|since|for"
    r"|with|from|during|under|as|when|while|because|today|here|there|"
    rf"{'|'.join(sorted(_BESIDE))}|\w+ly)\b)"
)
"""What may follow the statement: another word may be what its last one is about, as in "pays for
water damage".
"""
_LIMIT = re.compile(r"\s*(?:on|for|during|from|with|under|when|while|at|between|after|before)\b")
"""What may follow the statement and narrow it: "closed on Mondays"."""
_SAID_BELOW = re.compile(r"(yes|no)\b(?! (?:one|longer|more)\b)", re.IGNORECASE)
_NEGATED = re.compile(r"n['’]t\b|\b(?:not|never|no)\b", re.IGNORECASE)
_SAID = re.compile(r"^(yes|no)\b[,.:;!–—-]", re.IGNORECASE)


def says(question: str, sentence: str) -> bool | None:
    """True or False if the sentence holds all the question's words but for articles and
    auxiliaries, in the question's order, with nothing between them that could turn them:
    auxiliaries, adverbs, a word between an article and its noun.

    True without any negation, False with one at the verb; None where neither is certain. A question
    that is itself negated is left alone.
    """
    asked, told = _words(question), _words(sentence)
    said = _SAID.match(sentence)
    if said:
        told = told[1:]
    if (
        _NEGATIONS & set(asked)
        or _HEDGES.search(_lower_without(sentence, question))
        or sentence.rstrip().endswith("?")
    ):
        return None
    places = _covers(asked[1:], told)
    if places is None:
        return None
    rest = _after(sentence, places[-1] + bool(said))
    if not _ENDS.match(rest) or (asked[0] in _STATES and _LIMIT.match(rest)):
        return None
    if (_TURNS & set(told[places[0] : places[-1]])) - set(asked) or not _plain(asked, told, places):
        return None
    negated = [at for at, word in enumerate(told) if word in _NEGATIONS]
    if said:
        return None if (said[1].lower() == "yes") == bool(negated) else not negated
    if not negated:
        return True
    if _NOT_QUITE.intersection(told[negated[0] + 1 : negated[0] + 2]):
        return None
    return False if len(negated) == 1 and places[0] < negated[0] < places[-1] else None


def says_below(question: str, text: str, context: str) -> bool | None:
    """What stands right below the question, where the text asks it: "Is it waterproof? Yes." What
    the question names beyond that must be what the document is about, in its `context`."""
    asked = content_words(question)
    sentences = [text[start:end] for start, end in split_sentences(text)]
    for asks, tells in itertools.pairwise(sentences):
        words, said = content_words(asks), _SAID_BELOW.match(tells)
        alike = words and words <= asked <= words | content_words(context)
        if said and alike and asks.endswith("?") and not _NEGATED.search(f"{asks} {question}"):
            return said[1].lower() == "yes"
    return None


def _plain(asked: list[str], told: list[str], places: list[int]) -> bool:
    """Whether the words covered stand together, their subject being that of the sentence."""
    begin = places[0]
    while begin and told[begin - 1] in _ARTICLES:
        begin -= 1
    if begin and told[begin - 1] in _PLACING and told[begin - 1] not in asked:
        return False
    helps = _helping(asked[0])
    for before, after in itertools.pairwise(places):
        gap = told[before + 1 : after]
        if (
            gap
            and gap[-1] not in _NEGATIONS | _AUXILIARIES
            and len(gap) >= 2
            and gap[-2] in _ARTICLES
        ):
            if gap[-1] in _NO_LONGER:
                return False
            gap = gap[:-2]  # one word more about the noun
        if any(
            word not in helps | _ARTICLES | _BESIDE | _NEGATIONS and not word.endswith("ly")
            for word in gap
        ):
            return False
    return True


def _helping(auxiliary: str) -> frozenset[str]:
    """The auxiliaries with which a statement answers a question that begins with this one."""
    if auxiliary in _DOING:
        return _DOING | _HAVING
    if auxiliary in _BEING:
        return _BEING
    return _HAVING | frozenset(("been",)) if auxiliary in _HAVING else frozenset((auxiliary, "be"))


def _words(text: str) -> list[str]:
    return _WORD.findall(_spelt(text))


def _after(sentence: str, number: int) -> str:
    """What follows a word of the sentence."""
    spelt = _spelt(sentence)
    return spelt[list(_WORD.finditer(spelt))[number].end() :]


def _spelt(text: str) -> str:
    return re.sub(r"n['’]t\b", " not", text.lower())


def _lower_without(sentence: str, question: str) -> str:
    """The sentence in lower case without the question's own words, which hedge nothing."""
    asked = set(_words(question))
    return " ".join(word for word in _words(sentence) if word not in asked)


def _covers(asked: list[str], told: list[str]) -> list[int] | None:
    """The places in `told` of the content words asked, in the same order; None if one is missing or
    there are fewer than two.
    """
    places: list[int] = []
    for word in asked:
        if word in _SKIPPED:
            continue
        start = places[-1] + 1 if places else 0
        at = next((place for place in range(start, len(told)) if _same(word, told[place])), None)
        if at is None:
            return None
        places.append(at)
    return places if len(places) >= 2 else None


def _same(one: str, other: str) -> bool:
    """The same word but for its ending; irregular forms do not count, so that nothing is said where
    it is not sure.
    """
    return one == other or (one.isalpha() and other.isalpha() and _stem(one) == _stem(other))


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)]
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word

"""What a span says, and whether two spans say the same, contradict each other, or neither.

The same is said only where it is sure: an answer that gathers different facts is worse than two answers. A date includes a more
precise one, a quantity is converted, a name includes its title or first names; a list is its set of parts.
"""

from __future__ import annotations

import enum
import math
import re
from dataclasses import dataclass

from rag.chunking.sentences import enclosing_sentence
from rag.composing.text import compatible, normalize
from rag.composing.values.dates import Dated, agree, contrary, only_date
from rag.composing.values.numbers import Quantity, quantity
from rag.composing.values.units import base
from rag.types import Span

NUMERIC = frozenset(("number", "money", "percentage", "duration"))
_LEAD = re.compile(r"^(?:(?:in|on|at|to|by|from|as|about|around|approximately|roughly|an?|the)\s+)+", re.IGNORECASE)
_NEGATION = re.compile(
    r"\b(?:not(?! only)|never|no(?! (?:fewer|less|more|later|earlier) than)|neither|nor|without|denied|denies|cannot)\b|n['’]t\b"
)
_BREAK = re.compile(r"[,;:()–—]|\b(?:but|while|whereas|although|though|and|because|which|who|instead)\b")
_LIST = re.compile(r",\s*(?:and|or|&)?\s*|\s+(?:and|or|&|as well as)\s+|\s*;\s*")
_MODIFIERS = frozenset(
    "north south east west northern southern eastern western central new old upper lower great greater little inner outer "
    "saint san santa los las anti non ex de la el le sub inter trans neo junior senior "
    "young red white black royal lake mount fort port".split()
)
_NAME_PARTS = frozenset("bin ibn bint al el van von der den de la di da".split())
_SUFFIXES = frozenset("jr sr ii iii iv v vi vii viii ix x".split())


class Relation(enum.Enum):
    SAME = "same"
    """They say the same, perhaps one more precisely."""
    COMPATIBLE = "compatible"
    """One may hold beside the other."""
    CONTRARY = "contrary"
    """Both are answers of one kind, and only one can hold."""
    UNRELATED = "unrelated"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a span says. `key` is its normalised text, `negated` whether its clause denies it, `kind` what the question wants."""

    text: str
    key: str
    kind: str
    negated: bool
    date: Dated | None
    quantity: Quantity | None
    parts: frozenset[str]


def meaning(span: Span, kind: str) -> Meaning:
    """The meaning of a span as an answer to a question that wants a `kind` (`rag.composing.questions.wanted`)."""
    text = span.hit.passage.text
    start, end = enclosing_sentence(text, span.start, span.end)
    return read(span.text, kind, text[start : span.start], text[span.end : end])


def read(text: str, kind: str, before: str = "", after: str = "") -> Meaning:
    """The meaning of words between what stands `before` and `after` them in their sentence."""
    bare = _LEAD.sub("", text)
    date = None if kind in NUMERIC else only_date(text)
    amount = None if date else quantity(text, after)
    parts = frozenset() if date or amount else frozenset(normalize(_LEAD.sub("", part)) for part in _LIST.split(bare)) - {""}
    clause = _BREAK.split(before)[-1]
    return Meaning(bare, normalize(bare) or text, kind, bool(_NEGATION.search(f"{clause} {text}".lower())), date, amount, parts)


def relation(one: Meaning, other: Meaning) -> Relation:
    """How two answers to the same question stand to each other."""
    if one.negated != other.negated:
        return Relation.CONTRARY if one.key == other.key else Relation.UNRELATED
    if one.key == other.key and (one.date is None) == (other.date is None):
        return _quantities(one, other) if one.quantity and other.quantity else Relation.SAME
    if one.date and other.date:
        return _dates(one.date, other.date)
    if one.quantity and other.quantity:
        return _quantities(one, other)
    if one.date or other.date or one.quantity or other.quantity:
        return Relation.COMPATIBLE if compatible(one.key, other.key) else Relation.UNRELATED
    return _words(one, other)


def _dates(one: Dated, other: Dated) -> Relation:
    if agree(one, other):
        return Relation.SAME
    return Relation.CONTRARY if contrary(one, other) else Relation.COMPATIBLE


def _quantities(one: Meaning, other: Meaning) -> Relation:
    first, second = one.quantity, other.quantity
    if first is None or second is None:
        return Relation.SAME
    low, unit = base(first.number, first.unit, first.kind)
    low_other, unit_other = base(second.number, second.unit, second.kind)
    named = unit is not None and unit_other is not None
    if named and not _same_unit(unit or "", unit_other or ""):
        return Relation.UNRELATED
    high = base(first.upper, first.unit, first.kind)[0] if first.upper is not None else low
    high_other = base(second.upper, second.unit, second.kind)[0] if second.upper is not None else low_other
    if not _near(low, low_other, first, second) or not _near(high, high_other, first, second):
        overlap = low <= high_other and low_other <= high
        return Relation.COMPATIBLE if overlap or _bounded(first, low, second, low_other) else Relation.CONTRARY
    strict = {first.bound, second.bound} - {"", "about"}
    counted = first.kind == second.kind == "number"  # "19,000" and "19,000 centrifuges"; but not "10" and "10 percent"
    if (strict and first.bound != second.bound) or ((unit is None) != (unit_other is None) and not counted):
        return Relation.COMPATIBLE
    rests = {frozenset(normalize(found.rest).split()) for found in (first, second)}
    return Relation.SAME if len(rests) == 1 or frozenset() in rests else Relation.COMPATIBLE


def _same_unit(one: str, other: str) -> bool:
    """The same unit, or counted things of which one is told more closely: "member", "permanent member"."""
    return one == other or f" {one}".endswith(f" {other}") or f" {other}".endswith(f" {one}")


def _near(one: float, other: float, first: Quantity, second: Quantity) -> bool:
    """Equal or, where one is only about right, within half of its last figure that is not zero."""
    if math.isclose(one, other, rel_tol=1e-9):
        return True
    if first.kind in ("quantity", "duration") and first.unit != second.unit:
        return math.isclose(one, other, rel_tol=0.01)
    return False


def _bounded(first: Quantity, low: float, second: Quantity, low_other: float) -> bool:
    """Whether "more than 100" and "150" may both hold."""
    above = {"more than", "at least"}
    below = {"less than", "at most"}
    return any(
        (a.bound in above and (x <= y or b.bound in above)) or (a.bound in below and (x >= y or b.bound in below))
        for a, x, b, y in ((first, low, second, low_other), (second, low_other, first, low))
    )


def _words(one: Meaning, other: Meaning) -> Relation:
    if one.parts == other.parts or _acronym(one.text, other.text) or _acronym(other.text, one.text):
        return Relation.SAME
    short, long = sorted((one, other), key=lambda m: (len(m.key), m.key, m.text))
    if _includes(long, short):
        return Relation.SAME
    if compatible(one.key, other.key) or one.parts & other.parts or set(short.key.split()) <= set(long.key.split()):
        return Relation.COMPATIBLE
    if len(one.parts) == len(other.parts) == 1 and _is_name(one) and _is_name(other):
        return Relation.CONTRARY
    return Relation.UNRELATED


def _is_name(found: Meaning) -> bool:
    """Whether the words are a name and little else."""
    words = re.findall(r"[^\W\d_][\w'’.-]*", found.text)
    return (
        bool(words)
        and len(words) <= 6
        and all(w[0].isupper() or w in ("of", "the", "and", "for") or w in _NAME_PARTS for w in words)
    )


def _acronym(short: str, long: str) -> bool:
    """Whether `short` is made of the first letters of `long`: IAEA, International Atomic Energy Agency."""
    letters = "".join(word[0] for word in re.findall(r"\w+", re.sub(r"\([^)]*\)", "", long)) if word[0].isupper())
    plain = short.replace(".", "").strip()
    return 3 <= len(plain) <= 8 and plain.isupper() and letters == plain


def _includes(long: Meaning, short: Meaning) -> bool:
    """Whether the longer words name what the shorter do: with a title, first names, an apposition, or whose it is."""
    if not _is_name(short) or len(short.parts) != 1:
        return False
    at = long.text.find(short.text)
    if at < 0:
        return False
    before, after = long.text[:at], long.text[at + len(short.text) :]
    if not _tail_is_apposition(after, long.kind, len(short.text.split())):
        return False
    return not before.strip() or _head_is_name(before, long.kind, short.text.split())


def _tail_is_apposition(after: str, kind: str, words: int) -> bool:
    if not after.strip(" .,"):
        return True
    if kind == "place":
        return bool(re.fullmatch(r"(?:, | in )[A-Z][\w' ’-]+", after)) and not re.search(r"\band\b", after)
    if re.fullmatch(r" \([^)]*\)|, (?:the |an? )?[a-z][^,]*(?: of [A-Z][^,]*)?", after):
        return not re.match(r", (?:and|or|but|not|nor|with)\b", after)
    patronymic = after.split()[0].lower() in ("bin", "ibn", "bint") and words >= 1
    return kind == "person" and (patronymic or (words >= 2 and bool(re.fullmatch(r" of (?:the )?[A-Z]\w+", after))))


def _head_is_name(before: str, kind: str, short: list[str]) -> bool:
    head = before.split()
    if not before.endswith(" ") or re.search(r"[,;]|\b(?:and|or|of|for|by|with|against|not|than|near|to)\s*$", before):
        return False
    if len(short) >= 2 and head[-1].endswith(("'s", "’s")):
        return True
    if kind != "person" or short[-1].lower().strip(".") in _SUFFIXES:
        return False
    if any(word.lower().strip(".") in _MODIFIERS for word in head):
        return False
    return len(short) >= 2 or all(word[0].isupper() or word == "of" or word in _NAME_PARTS for word in head)

"""What a span says, and whether two spans say the same, contradict each other, or neither.

The same is said only where it is sure: an answer that gathers different facts is worse than two
answers. A date includes a more precise one, a quantity is converted, a name includes its title or
first names; a list is its set of parts.
"""

from __future__ import annotations

import enum
import math
import re
from dataclasses import dataclass, replace

from rag.english.dates import Dated, agree, contrary, only_date
from rag.english.number_words import CODE, SIGN
from rag.english.quantities import Quantity, bound_before, quantity
from rag.english.relative_dates import is_relative
from rag.english.sentences import enclosing_sentence
from rag.english.text import compatible, normalize
from rag.english.units import base
from rag.types import Span

NUMERIC = frozenset(("number", "money", "percentage", "duration"))
_LEAD = re.compile(
    r"^(?:(?:in|on|at|to|by|from|as|about|around|approximately|roughly|an?|the)\s+)+", re.IGNORECASE
)
_THAN = r"(?! (?:fewer|less|more|later|earlier|greater|higher|lower) than)"
_NEGATION = re.compile(
    rf"\b(?:not(?! only| until| exceed| over| above| under| "
    rf"below){_THAN}|never{_THAN}|no(?!\.?\s*\d){_THAN}|neither|nor|nobody|"
    r"none|without|denied|denies|cannot|fail(?:s|ed)? to|rather than|instead of)\b|n['’]t\b"
)
_VERBS = "did|does|do|has|have|had|is|are|was|were|will|wo|would|could|can|ca|may|should|must"
_DENIED_AFTER = re.compile(
    rf"^\s*(?:(?:{_VERBS})(?:\s+(?:not|never)\b(?! only| "
    rf"until)|n['’]t\b)|never\b|(?:failed|refused|declined) to\b)"
)
"""Right after a subject, which it denies: "Iran did not sign"."""
_BREAK = re.compile(
    r"[,;:()–—]|\b(?:but|while|whereas|although|though|and|because|which|who|instead(?! of))\b"
)
_MONEY_SIGN = re.compile(rf"(?:{SIGN}|\b{CODE})\s?$")
_DATE_BOUND = re.compile(r"\b(before|after|until|till|since|by)\s+(?:the )?$", re.IGNORECASE)
_ERA = re.compile(r"\s*(?:BC|BCE|B\.C\.)")
_INITIALS = re.compile(r"\b(?:(?:[A-Z]\.){2,}|[ap]\.\s?m\.?)")
_SYMBOLED = re.compile(r"(?<=[A-Za-z])(?:\+\+|#)")
_LIST = re.compile(r",\s*(?:and|or|&)?\s*|\s+(?:and|or|&|as well as)\s+|\s*;\s*")
_MODIFIERS = frozenset(
    "north south east west northern southern eastern western central new old upper lower great "
    "greater little inner outer "
    "saint san santa los las anti non ex de la el le sub inter trans neo junior senior "
    "young red white black royal lake mount fort port".split()
)
_NAME_PARTS = frozenset("bin ibn bint al el van von der den de la di da".split())
_TITLES = frozenset(
    "mr mrs ms miss dr prof sir dame lord lady professor doctor captain judge".split()
)
_FATHERS = frozenset(("bin", "ibn", "bint", "ben"))
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
    """What a span says. `key` is its normalised text, `negated` whether its clause denies it,
    `kind` what the question wants.
    """

    text: str
    key: str
    kind: str
    negated: bool
    date: Dated | None
    quantity: Quantity | None
    parts: frozenset[str]
    told_from: str = ""
    """Of a day told from another, as "on Tuesday" is, the document that tells it."""

    @property
    def said(self) -> tuple[object, ...]:
        """What two equal wordings have in common if they say the same."""
        return self.key, self.negated, self.date, self.quantity, self.told_from


def meaning(span: Span, kind: str) -> Meaning:
    """The meaning of a span as an answer to a question that wants a `kind`
    (`rag.english.answer_types.wanted`).
    """
    text = span.hit.passage.text
    start, end = enclosing_sentence(text, span.start, span.end)
    found = read(span.text, kind, text[start : span.start], text[span.end : end])
    return (
        replace(found, told_from=span.hit.passage.document_id) if is_relative(span.text) else found
    )


def read(text: str, kind: str, before: str = "", after: str = "") -> Meaning:
    """The meaning of words between what stands `before` and `after` them in their sentence."""
    bare = _LEAD.sub("", text)
    date = None if kind in NUMERIC or _ERA.match(after) else _bounded_date(text, before)
    amount = None if date else _amount(text, before, after)
    parts = (
        frozenset()
        if date or amount
        else frozenset(_key(_LEAD.sub("", part)) for part in _LIST.split(bare)) - {""}
    )
    clause = _BREAK.split(before)[-1]
    denied = bool(_NEGATION.search(f"{clause} {text}".lower()) or _DENIED_AFTER.match(after))
    return Meaning(bare, _key(bare) or text, kind, denied, date, amount, parts)


def _key(text: str) -> str:
    """Normalised, with "U.S." as "US", "a.m." as "am", and "C++" apart from "C"."""
    text = _INITIALS.sub(lambda match: re.sub(r"[.\s]", "", match[0]), text)
    return normalize(_SYMBOLED.sub(lambda match: " sharp" if match[0] == "#" else " plus", text))


def _bounded_date(text: str, before: str) -> Dated | None:
    """The date, with a word right before it that bounds it: "before 2015"."""
    date, bound = only_date(text), _DATE_BOUND.search(before)
    return (
        replace(date, qualifiers=date.qualifiers | {bound[1].lower()}) if date and bound else date
    )


def _amount(text: str, before: str, after: str) -> Quantity | None:
    """The quantity, with a sign of money or a bound that stands right before it."""
    sign = _MONEY_SIGN.search(before)
    found = quantity(f"{sign[0].strip()}{text}" if sign else text, after)
    bound = (
        bound_before(before[: sign.start()] if sign else before)
        if found and not found.bound
        else ""
    )
    return replace(found, bound=bound) if found and bound else found


def relation(one: Meaning, other: Meaning) -> Relation:
    """How two answers to the same question stand to each other."""
    if one.negated != other.negated:
        return Relation.CONTRARY if one.key == other.key else Relation.UNRELATED
    if one.told_from and other.told_from and one.told_from != other.told_from:
        return Relation.COMPATIBLE
    valued = [(m.date is None, m.quantity is None) for m in (one, other)]
    if one.key == other.key and valued[0] == valued[1] == (True, True):
        return Relation.SAME
    if one.date and other.date:
        return _dates(one.date, other.date)
    if one.quantity and other.quantity:
        return _quantities(one, other)
    if one.date or other.date or one.quantity or other.quantity:
        return Relation.COMPATIBLE if compatible(one.key, other.key) else Relation.UNRELATED
    return _words(one, other)


def say_the_same(one: Meaning, other: Meaning) -> bool:
    return relation(one, other) is Relation.SAME


def _dates(one: Dated, other: Dated) -> Relation:
    if agree(one, other):
        return Relation.SAME
    return Relation.CONTRARY if contrary(one, other) else Relation.COMPATIBLE


def _quantities(one: Meaning, other: Meaning) -> Relation:
    first, second = one.quantity, other.quantity
    if first is None or second is None:
        return Relation.SAME
    both = first.unit is not None and second.unit is not None
    (low, high, unit), (low_other, high_other, unit_other) = (
        _range(found, both) for found in (first, second)
    )
    if both and not _same_unit(unit or "", unit_other or ""):
        return Relation.UNRELATED
    if not _near(low, low_other, first, second) or not _near(high, high_other, first, second):
        overlap = low <= high_other and low_other <= high
        return (
            Relation.COMPATIBLE
            if overlap or _bounded(first, low, second, low_other)
            else Relation.CONTRARY
        )
    strict = {first.bound, second.bound} - {"", "about"}
    counted = (
        first.kind == second.kind == "number"
    )  # "19,000" and "19,000 centrifuges"; but not "10" and "10 percent"
    bare = (unit is None) != (unit_other is None) and not counted
    if (strict and first.bound != second.bound) or bare or first.per != second.per:
        return Relation.COMPATIBLE
    rests = {frozenset(normalize(found.rest).split()) for found in (first, second)}
    return Relation.SAME if len(rests) == 1 or frozenset() in rests else Relation.COMPATIBLE


def _range(found: Quantity, in_base: bool) -> tuple[float, float, str | None]:
    """(lower end, upper end, unit), in the base unit of its dimension if the other has a unit to
    compare with.
    """
    unit, kind = found.unit, found.kind
    low, named = base(found.number, unit, kind) if in_base else (found.number, unit)
    upper = found.number if found.upper is None else found.upper
    return low, base(upper, unit, kind)[0] if in_base else upper, named


def _same_unit(one: str, other: str) -> bool:
    """The same unit, or counted things of which one is told more closely: "member", "permanent
    member".
    """
    return one == other or f" {one}".endswith(f" {other}") or f" {other}".endswith(f" {one}")


def _near(one: float, other: float, first: Quantity, second: Quantity) -> bool:
    """Equal or, where one is only about right, within half of its last figure that is not zero."""
    if math.isclose(one, other, rel_tol=1e-12):
        return True
    if first.kind not in ("quantity", "duration") or first.unit == second.unit:
        return False
    if (
        "degree_" in f"{first.unit} {second.unit}"
    ):  # from absolute zero on, one in a hundred would be three degrees
        return math.isclose(one, other, abs_tol=0.6)
    return math.isclose(one, other, rel_tol=0.01)


def _bounded(first: Quantity, low: float, second: Quantity, low_other: float) -> bool:
    """Whether "more than 100" and "150" may both hold."""
    above = {"more than", "at least"}
    below = {"less than", "at most"}
    return any(
        (a.bound in above and (x <= y or b.bound in above))
        or (a.bound in below and (x >= y or b.bound in below))
        for a, x, b, y in ((first, low, second, low_other), (second, low_other, first, low))
    )


def _words(one: Meaning, other: Meaning) -> Relation:
    if one.parts == other.parts or _acronym(one.text, other.text) or _acronym(other.text, one.text):
        return Relation.SAME
    short, long = sorted((one, other), key=lambda m: (len(m.key), m.key, m.text))
    if _includes(long, short):
        return Relation.SAME
    if (
        compatible(one.key, other.key)
        or one.parts & other.parts
        or set(short.key.split()) <= set(long.key.split())
    ):
        return Relation.COMPATIBLE
    if len(one.parts) == len(other.parts) == 1 and _is_name(one) and _is_name(other):
        return Relation.COMPATIBLE if _may_be_one(one.text, other.text) else Relation.CONTRARY
    return Relation.UNRELATED


def _may_be_one(one: str, other: str) -> bool:
    """Whether both have the same last name, and one of them only a title or fitting initials before
    it: "J. Beckmann".
    """
    (*first, last), (*second, last_other) = one.split(), other.split()
    if last != last_other or not first or not second:
        return False
    initials = [
        [name.strip(".") for name in names if name.lower().strip(".") not in _TITLES]
        for names in (first, second)
    ]
    if not all(initials):
        return True
    pairs = list(zip(*initials, strict=False))
    return all(a.startswith(b) or b.startswith(a) for a, b in pairs) and any(
        len(a) == 1 or len(b) == 1 for a, b in pairs
    )


def _is_name(found: Meaning) -> bool:
    """Whether the words are a name and little else."""
    words = re.findall(r"[^\W\d_][\w'’.-]*", found.text)
    return (
        bool(words)
        and len(words) <= 6
        and all(
            w[0].isupper() or w in ("of", "the", "and", "for") or w in _NAME_PARTS for w in words
        )
    )


def _acronym(short: str, long: str) -> bool:
    """Whether `short` is made of the first letters of `long`: IAEA, International Atomic Energy
    Agency.
    """
    letters = "".join(
        word[0] for word in re.findall(r"\w+", re.sub(r"\([^)]*\)", "", long)) if word[0].isupper()
    )
    plain = short.replace(".", "").strip()
    return 2 <= len(plain) <= 8 and plain.isupper() and letters == plain


def _includes(long: Meaning, short: Meaning) -> bool:
    """Whether the longer words name what the shorter do: with a title, first names, an apposition,
    or whose it is.
    """
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
        return bool(re.fullmatch(r"(?:, | in )[A-Z][\w' ’-]+", after)) and not re.search(
            r"\band\b", after
        )
    if re.fullmatch(r" \([^)]*\)|, (?:the |an? )?[a-z][^,]*(?: of [A-Z][^,]*)?", after):
        return not re.match(r", (?:and|or|but|not|nor|with)\b", after)
    patronymic = after.split()[0].lower() in _FATHERS and words >= 1
    return kind == "person" and (
        patronymic or (words >= 2 and bool(re.fullmatch(r" of (?:the )?[A-Z]\w+", after)))
    )


def _head_is_name(before: str, kind: str, short: list[str]) -> bool:
    head = before.split()
    if head[-1].lower() in _FATHERS:
        return False
    if not before.endswith(" ") or re.search(
        r"[,;]|\b(?:and|or|of|for|by|with|against|not|than|near|to)\s*$", before
    ):
        return False
    if len(short) >= 2 and head[-1].endswith(("'s", "’s")):
        return True
    if kind != "person" or short[-1].lower().strip(".") in _SUFFIXES:
        return False
    if any(word.lower().strip(".") in _MODIFIERS for word in head):
        return False
    return len(short) >= 2 or all(
        word[0].isupper() or word == "of" or word in _NAME_PARTS for word in head
    )

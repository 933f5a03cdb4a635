"""A claim beside what documents say, without a model: values, names, negations, and words in
common.

What is compared is meaning, not spelling: "14 July 2015" and "2015-07-14", "1.5 million" and
"1,500,000", "two tonnes" and "2,000 kg" are the same. Nothing here decides a verdict alone; the
differences are shown, and weighed with the reader's verdict.
"""

from __future__ import annotations

import difflib
import functools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rag.english.dates import Dated, agree, contrary, dates, includes, only_date
from rag.english.number_words import CODE, NUMBER, SIGN, digits
from rag.english.quantities import Quantity, bound_before, quantity
from rag.english.sentences import split_sentences
from rag.english.text import content_words
from rag.english.units import base

_FIGURE = re.compile(
    rf"(?<![\w.,])(?<![A-Za-z]-)(?:{CODE} ?|{SIGN})?(?P<number>{NUMBER})", re.IGNORECASE
)
_DATE_BOUND = re.compile(
    r"\b(before|after|until|till|since|by|early|late|mid|around|about)[\s-]+(?:in |the )?$",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_]+(?:['’.,-][^\W_]+)*")
_NAME_WORD = re.compile(r"[A-Z][\w'’.-]*\w|[A-Z]")
_NOT_NAMES = frozenset(
    "the a an in on at by from after before during since when while if as for with under "
    "although because until there no all some most many several both each one two three it he "
    "she they this that these those its his her their we i you and but or however moreover then "
    "monday tuesday wednesday thursday friday saturday sunday january february march april may "
    "june july august september october november december mr mrs ms dr".split()
)
_DENIALS = frozenset(
    "not never no nor neither without cannot nobody nothing denied denies refused failed lacks".split()  # noqa: E501
)
_PRONOUNS = frozenset("he she it they his her its their".split())
_LIMITS = re.compile(
    r"\b(?:limit|cap|ban|bar|forbid|forbade|prohibit|restrict|prevent|stop|refus|reject|exclud|"
    r"only|except|unless|void|expir|against)\w*\b"
)
"""Words that deny in another way: where one side has them, a denial on the other may agree."""
_CLAUSE = re.compile(r"[,;:()]\s|\s(?:but|so|because|although|though|while|whereas|which|who)\s")
_ALMOST = 0.85
"""From this likeness on two sentences differ in a word or two."""
_QUOTED_WORDS = 3
"""Fewer words are no quotation of a sentence."""
_FILLERS = frozenset("a an the also then thus therefore however moreover indeed".split())
_TURNING = _DENIALS | frozenset(
    "if whether unless would could might may claimed claims alleged allegedly supposedly "
    "reportedly rumour rumours rumoured false wrong untrue myth except".split()
)
"""Words that may turn what the rest of their sentence says."""
_SAME_NAMES = (
    frozenset(("us", "usa", "american", "americans", "states")),
    frozenset(("uk", "british", "britain", "kingdom")),
    frozenset(("dutch", "netherlands")),
    frozenset(("swiss", "switzerland")),
    frozenset(("french", "france")),
    frozenset(("greek", "greece")),
    frozenset(("spanish", "spain")),
    frozenset(("turkish", "turkey", "türkiye")),
    frozenset(("danish", "denmark")),
)
"""Names of a country that do not begin alike."""
_DENIAL_WORD = re.compile(r"n['’]t\b|\b[a-z]+\b")
_UP, _DOWN = frozenset(("more than", "at least")), frozenset(("less than", "at most"))
_LONGEST = 400
"""Characters of a piece that values are read from; longer texts are read in pieces."""
_MOST_SWAPPED = 5
"""Words of a stretch that counts as put in another's place."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A value in a text: `text` its words; `date` or `quantity` what it says; `numbers` its
    figures as they are written."""

    text: str
    date: Dated | None = None
    quantity: Quantity | None = None
    numbers: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class ValueComparison:
    """What a claim says differently from the evidence.

    `differs`: pairs (the claim's words, the evidence's words) that cannot both hold. `missing`:
    values of the claim that the evidence does not have; `unnamed`: its names. `values` and
    `names` count those of the claim. `denied`: one of the two denies what the other says.
    `coverage`: the share of the claim's content words in the evidence, [0, 1]. `likeness`: the
    share of the claim's words that the evidence has in the same order, [0, 1]. `quoted`: a
    sentence or clause of the evidence says it word for word.
    """

    differs: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()
    values: int = 0
    names: int = 0
    denied: bool = False
    coverage: float = 0.0
    likeness: float = 0.0
    quoted: bool = False


def compare(claim: str, evidence: str, context: str = "") -> ValueComparison:
    """The claim beside the evidence, a sentence or a few; `context` (title and headings) may
    hold names and years it leaves out."""
    told, given = figures(claim), figures(evidence)
    beside = figures(context)
    missing = [one for one in told if not any(matches(one, other) for other in (*given, *beside))]
    differs = [pair for one in missing if (pair := _contrary(one, given, told))]
    known = _words(f"{evidence} {context}")
    named = names(claim)
    unnamed = [name for name in named if not _is_named(name, known, evidence)]
    if unnamed and claim.removeprefix("The ").startswith(unnamed[0]) and _PRONOUNS & known:
        unnamed = unnamed[1:]  # the evidence may mean it
    ours, theirs = _ordered(claim), _ordered(evidence)
    matcher = difflib.SequenceMatcher(None, ours, theirs, autojunk=False)
    kept = sum(block.size for block in matcher.get_matching_blocks())
    likeness = kept / len(ours) if ours else 0.0
    differs += [
        pair
        for pair in _swapped(claim, evidence, ours, theirs)
        if likeness >= 0.5 and pair[0] in unnamed
    ]
    denied = _is_denied(claim, evidence, likeness >= _ALMOST)
    wanted = content_words(claim)
    coverage = len(wanted & content_words(f"{evidence} {context}")) / len(wanted) if wanted else 0.0
    return ValueComparison(
        tuple(dict.fromkeys(differs)),
        tuple(one.text for one in missing),
        tuple(unnamed),
        len(told),
        len(named),
        denied,
        coverage,
        likeness,
        likeness == 1.0 and is_quoted(claim, evidence),
    )


def is_quoted(claim: str, evidence: str) -> bool:
    """Whether the evidence has the claim's words in one run, but for articles and the like, and
    nothing before the run in its sentence that may turn what they say."""
    ours = _told(claim)
    if len(ours) < _QUOTED_WORDS:
        return False
    for start, end in split_sentences(evidence) or [(0, len(evidence))]:
        theirs = _told(evidence[start:end])
        for at in range(len(theirs) - len(ours) + 1):
            if theirs[at : at + len(ours)] == ours:
                around = {*theirs[:at], *theirs[at + len(ours) :]}
                return not around & _TURNING
    return False


def _told(text: str) -> list[str]:
    return [word for word in _ordered(text) if word not in _FILLERS]


@functools.lru_cache(4096)
def figures(text: str) -> tuple[Figure, ...]:
    """The dates and quantities of a text, in order."""
    return tuple(one for piece in _pieces(text) for one in _figures(piece))


def _pieces(text: str) -> list[str]:
    """The text in pieces that values can be read from, cut at spaces."""
    found = []
    while len(text) > _LONGEST:
        cut = text.rfind(" ", 0, _LONGEST)
        cut = cut if cut > 0 else _LONGEST
        found.append(text[:cut])
        text = text[cut:]
    return [*found, text]


def _figures(text: str) -> list[Figure]:
    found: list[tuple[int, Figure]] = []
    blanked = text
    for date in dates(text):
        words = text[date.start : date.end]
        said = only_date(words)
        if said is None or date.precision == "decade":
            continue
        bound = _DATE_BOUND.search(text[: date.start])
        if bound:
            said = Dated(said.isos, said.precision, said.qualifiers | {bound[1].lower()})
        numbers = tuple(float(number) for number in re.findall(r"\d+", words))
        counted = (
            quantity(words, text[date.end : date.end + 40]) if date.precision == "year" else None
        )
        found.append(
            (
                date.start,
                Figure(words, said, counted if counted and counted.unit else None, numbers),
            )
        )
        blanked = f"{blanked[: date.start]}{' ' * (date.end - date.start)}{blanked[date.end :]}"
    spelt = digits(blanked)
    for match in _FIGURE.finditer(spelt):
        said_as = quantity(match[0], spelt[match.end() :])
        bound_word = bound_before(spelt[: match.start()])
        if said_as and bound_word and not said_as.bound:
            said_as = replace(said_as, bound=bound_word)
        number = float(match["number"].replace(",", ""))
        written = match[0].replace(match["number"], _grouped(match["number"], number))
        words = f"{written}{_unit_words(spelt[match.end() :], said_as)}"
        found.append((match.start(), Figure(words, None, said_as, (number,))))
    return [one for _, one in sorted(found, key=lambda item: item[0])]


def _grouped(written: str, number: float) -> str:
    """A long number with commas, as number words come without."""
    return f"{number:,.0f}" if written.isdigit() and len(written) > 4 else written


def _unit_words(after: str, said: Quantity | None) -> str:
    """The unit as it is written behind a number."""
    if said is None or said.unit is None or said.kind == "money":
        return ""
    found = re.match(r"\s?(?:%|[A-Za-z°µ²³/-]+)", after)
    return found[0] if found else ""


def matches(one: Figure, other: Figure) -> bool:
    """Whether the second says what the first does, or more precisely."""
    if one.date and other.date:
        return _is_same_date(one.date, other.date) and _bounds_agree(one.date, other.date)
    if one.quantity and other.quantity:
        return _same_amount(one.quantity, other.quantity)
    return bool(one.numbers) and len(one.numbers) == 1 and one.numbers == other.numbers


def _is_same_date(claimed: Dated, told: Dated) -> bool:
    """Whether `told` is the date that is claimed, or within it; a day without a year may be of
    any."""
    mine, other = _unbound(claimed), _unbound(told)
    if "--" in (mine.iso[:2], other.iso[:2]):
        return agree(mine, other)
    return mine.isos == other.isos or includes(mine, other)


def _unbound(date: Dated) -> Dated:
    return Dated(date.isos, date.precision, frozenset())


def _bounds_agree(one: Dated, other: Dated) -> bool:
    """ "before 2015" is not "after 2015"; "in 2015" and "early 2015" go together."""
    early, late = {"before", "until", "till", "by"}, {"after", "since"}
    return not (one.qualifiers & early and other.qualifiers & late) and not (
        one.qualifiers & late and other.qualifiers & early
    )


def _same_amount(one: Quantity, other: Quantity) -> bool:
    if one.kind == other.kind == "number" and _ends(one) == _ends(other):
        return not (one.bound in _UP and other.bound in _DOWN) and not (
            one.bound in _DOWN and other.bound in _UP
        )
    comparable = _comparable(one, other)
    if not comparable:
        return _ends(one)[0] == _ends(other)[0] and (one.unit is None or other.unit is None)
    (low, high), (low_other, high_other) = comparable
    return (
        _close(low, low_other, one, other) and _close(high, high_other, one, other)
    ) or _bounded(one, low, other, low_other)


def _ends(found: Quantity) -> tuple[float, float]:
    return found.number, found.number if found.upper is None else found.upper


def _comparable(
    one: Quantity, other: Quantity
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Both as (least, greatest) in one unit; None if they count different things."""
    if one.unit is None or other.unit is None:
        return (
            (_ends(one), _ends(other))
            if one.unit == other.unit or one.kind == other.kind == "number"
            else None
        )
    made = []
    units = []
    for found in (one, other):
        ends = [base(number, found.unit, found.kind) for number in _ends(found)]
        units.append(ends[0][1] or "")
        made.append((ends[0][0], ends[1][0]))
    same = (
        units[0] == units[1]
        or f" {units[0]}".endswith(f" {units[1]}")
        or f" {units[1]}".endswith(f" {units[0]}")
    )
    return (
        (made[0], made[1])
        if same and (one.per == other.per or not one.per or not other.per)
        else None
    )


def _close(one: float, other: float, first: Quantity, second: Quantity) -> bool:
    if math.isclose(one, other, rel_tol=1e-9):
        return True
    rough = "about" in (first.bound, second.bound) or first.unit != second.unit
    return (
        math.isclose(one, other, rel_tol=0.05 if "about" in (first.bound, second.bound) else 0.01)
        if rough
        else False
    )


def _bounded(one: Quantity, low: float, other: Quantity, low_other: float) -> bool:
    """Whether a claim of "more than 100" holds of 150; two bounds must be the same."""
    if other.bound in _UP | _DOWN:
        return False
    return (one.bound in _UP and low_other > low) or (one.bound in _DOWN and low_other < low)


def _contrary(
    one: Figure, given: Sequence[Figure], told: Sequence[Figure]
) -> tuple[str, str] | None:
    """(the claim's words, the evidence's) for a value of the evidence that is of the same kind
    and that the claim does not have."""
    for other in given:
        if any(matches(mine, other) for mine in told):
            continue
        if one.date and other.date:
            mine, theirs = _unbound(one.date), _unbound(other.date)
            against = (contrary(mine, theirs) or agree(mine, theirs)) and not includes(theirs, mine)
        else:
            against = _another_amount(one.quantity, other.quantity)
        if against:
            return one.text, other.text
    return None


def _another_amount(one: Quantity | None, other: Quantity | None) -> bool:
    """Whether both are amounts of the same unit, and not the same amount."""
    if one is None or other is None or one.unit is None or not _comparable(one, other):
        return False
    return not _same_amount(one, other) and not _same_amount(other, one)


def names(text: str) -> list[str]:
    """The names of a text: runs of capitalised words, the first word of the text only if it goes
    on as a name or is an acronym."""
    found: list[list[str]] = []
    ended = -2
    for match in _WORD.finditer(text):
        word = match[0]
        if not _NAME_WORD.fullmatch(word) or word.lower() in _NOT_NAMES:
            continue
        if found and text[ended : match.start()].strip() in ("", "&") and ended >= 0:
            found[-1].append(word)
        else:
            found.append([word])
        ended = match.end()
    joined = [" ".join(words) for words in found]
    return [name for name in dict.fromkeys(joined) if len(name) > 1]


def _words(text: str) -> frozenset[str]:
    return frozenset(_fold(word) for word in _WORD.findall(text))


def _fold(word: str) -> str:
    word = re.sub(r"['’]s?$", "", word.lower())
    return re.sub(r"[.]", "", word)


_DEMONYM = re.compile(r"(?:ian|ish|ese|ean|can|n|i|s)$")


def _is_named(name: str, known: frozenset[str], evidence: str) -> bool:
    """Whether the evidence has the name: its last word, an inflection such as "Iranian" for
    "Iran", or its initials."""
    words = [_fold(word) for word in name.split()]
    if all(word in known for word in words) or words[-1] in known:
        return True
    if any(words[-1] in same and known & same for same in _SAME_NAMES):
        return True
    stem = _DEMONYM.sub("", words[-1])
    if len(stem) >= 3 and any(other.startswith(stem) for other in known):
        return True
    initials = "".join(word[0] for word in name.split() if word[0].isupper()).lower()
    if len(initials) >= 2 and initials in known:
        return True
    plain = name.replace(".", "")
    return (
        plain.isupper()
        and plain.isalpha()
        and 2 <= len(plain) <= 8
        and bool(_spelt_out(plain, evidence))
    )


def _spelt_out(acronym: str, text: str) -> bool:
    capitals = "".join(word[0] for word in _WORD.findall(text) if word[0].isupper())
    return acronym in capitals


def _ordered(text: str) -> list[str]:
    return [_fold(word) for word in _WORD.findall(digits(text) if len(text) <= _LONGEST else text)]


def _swapped(
    claim: str, evidence: str, ours: Sequence[str], theirs: Sequence[str]
) -> list[tuple[str, str]]:
    """Names of the claim in whose place, between words that both have, the evidence has others.

    `ours` and `theirs` are the words of both as they are compared.
    """
    mine, other = _WORD.findall(claim), _WORD.findall(evidence)
    if len(mine) != len(ours) or len(other) != len(theirs):  # number words were joined
        return []
    found = []
    matcher = difflib.SequenceMatcher(None, ours, theirs, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "replace" and b - a <= _MOST_SWAPPED and d - c <= _MOST_SWAPPED:
            told, given = names(" ".join(mine[a:b])), names(" ".join(other[c:d]))
            if told and given:
                found.append((told[-1], given[-1]))
    return found


def _is_denied(claim: str, evidence: str, alike: bool) -> bool:
    """Whether one of the two denies what the other says, as far as the clause of the evidence shows
    that has most of the claim's words. `alike`: they are almost the same words, so that a denial
    cannot be put in another way."""
    wanted = content_words(claim)
    clauses = [evidence] if _CLAUSE.search(claim) else _CLAUSE.split(evidence)
    nearest = max(clauses, key=lambda one: len(wanted & content_words(one)))
    if _denials(claim) % 2 == _denials(nearest) % 2:
        return False
    plain = claim if _denials(nearest) else nearest
    return alike or not _LIMITS.search(plain.lower())


_NO_DENIAL = re.compile(r"\bno (?:more|less|fewer|later|earlier) than\b|\bnot (?:only|until)\b")


def _denials(text: str) -> int:
    words = _DENIAL_WORD.findall(_NO_DENIAL.sub(" ", text.lower()))
    return sum(word in _DENIALS or word.endswith(("n't", "n’t")) for word in words)

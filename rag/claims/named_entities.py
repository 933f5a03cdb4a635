"""Named entities of a claim: runs of capitalised words, and whether the evidence has them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from rag.claims.words import WORD, fold

_NAME_WORD = re.compile(r"[A-Z][\w'’.-]*\w|[A-Z]")
_NOT_NAMES = frozenset(
    "the a an in on at by from after before during since when while if as for with under "
    "although because until there no all some most many several both each one two three it he "
    "she they this that these those its his her their we i you and but or however moreover then "
    "monday tuesday wednesday thursday friday saturday sunday january february march april may "
    "june july august september october november december mr mrs ms dr".split()
)
_SAME_COUNTRY = (
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
"""Names for one country that begin differently."""
_DEMONYM = re.compile(r"(?:ian|ish|ese|ean|can|n|i|s)$")
_SHORTEST_STEM = 3
_ACRONYM_LETTERS = range(2, 9)
_MOST_SWAPPED = 5
"""Maximum number of words in a stretch that counts as replaced by another."""


def names(text: str) -> list[str]:
    """The names of a text in order, each once: runs of capitalised words other than function
    words, months and days."""
    found: list[list[str]] = []
    end = -1
    for match in WORD.finditer(text):
        word = match[0]
        if not _NAME_WORD.fullmatch(word) or word.lower() in _NOT_NAMES:
            continue
        if found and text[end : match.start()].strip() in ("", "&"):
            found[-1].append(word)
        else:
            found.append([word])
        end = match.end()
    joined = [" ".join(words) for words in found]
    return [name for name in dict.fromkeys(joined) if len(name) > 1]


def is_named(name: str, known: frozenset[str], evidence: str) -> bool:
    """Whether the evidence, whose words are `known`, has the name: its last word, an inflection
    such as "Iranian" for "Iran", its initials, or an acronym written out."""
    last = fold(name.split()[-1])
    return (
        last in known
        or any(last in same and known & same for same in _SAME_COUNTRY)
        or _has_inflection(last, known)
        or _has_initials(name, known)
        or _has_written_out(name.replace(".", ""), evidence)
    )


def _has_inflection(word: str, known: frozenset[str]) -> bool:
    stem = _DEMONYM.sub("", word)
    return len(stem) >= _SHORTEST_STEM and any(other.startswith(stem) for other in known)


def _has_initials(name: str, known: frozenset[str]) -> bool:
    initials = "".join(word[0] for word in name.split() if word[0].isupper()).lower()
    return len(initials) >= _ACRONYM_LETTERS.start and initials in known


def _has_written_out(acronym: str, text: str) -> bool:
    if not (acronym.isupper() and acronym.isalpha() and len(acronym) in _ACRONYM_LETTERS):
        return False
    return acronym in "".join(word[0] for word in WORD.findall(text) if word[0].isupper())


def swapped_names(
    claim: str, evidence: str, ours: Sequence[str], theirs: Sequence[str]
) -> list[tuple[str, str]]:
    """Pairs (name in the claim, name in the evidence) at the same place between words that both
    have. `ours` and `theirs` are the `word_list` of both."""
    mine, other = WORD.findall(claim), WORD.findall(evidence)
    if len(mine) != len(ours) or len(other) != len(theirs):  # number words were joined
        return []
    found = []
    matcher = difflib.SequenceMatcher(None, ours, theirs, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "replace" and b - a <= _MOST_SWAPPED and d - c <= _MOST_SWAPPED:
            claimed, given = names(" ".join(mine[a:b])), names(" ".join(other[c:d]))
            if claimed and given:
                found.append((claimed[-1], given[-1]))
    return found

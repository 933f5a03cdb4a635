"""Named entities: runs of capitalised words, and whether the evidence has them."""

from __future__ import annotations

from collections.abc import Sequence

from rag.meaning.words import FUNCTION_WORDS, MONTHS, WEEKDAYS, WORD, fold

_NOT_NAMES = FUNCTION_WORDS.union(
    (*MONTHS, *WEEKDAYS),
    "all although and but each his however i many moreover most mr mrs ms dr no one or several "
    "some their then there three two we you both its her four five six seven eight nine ten "
    "only what who new".split(),
)
_COUNTRIES = (
    "us usa american americans states,uk british britain kingdom,dutch netherlands,swiss "
    "switzerland,french france,greek greece,spanish spain,turkish turkey türkiye,danish denmark"
)
_SAME_COUNTRY = [frozenset(words.split()) for words in _COUNTRIES.split(",")]
"""Names for one country that begin differently."""
_COMMON_ENDINGS = ("ly", "ing", "s", "ever", "body", "one", "ed")
_DEMONYMS = ("ian", "ish", "ese", "ean", "can", "n", "i", "s")
"""Endings of the words for people of a country; the first that fits counts."""
_SHORTEST_STEM = 3
_ACRONYM_LETTERS = range(2, 9)
_MOST_SWAPPED = 5
"""Maximum number of words in a stretch that counts as replaced by another."""


def names(text: str) -> list[str]:
    """The names of a text in order, each once: runs of capitalised words other than function
    words, months and days.
    """
    runs: list[list[str]] = []
    end = -1
    for match in WORD.finditer(text):
        word = match[0]
        is_capital = "A" <= word[0] <= "Z" and "," not in word
        if not is_capital or word.lower() in _NOT_NAMES:
            continue
        if runs and text[end : match.start()].strip() in ("", "&"):
            runs[-1].append(word)
        else:
            runs.append([word])
        end = match.end()
    if runs and text.startswith(runs[0][0]) and _is_common(runs[0]):
        runs = runs[1:]
    return [name for name in dict.fromkeys(map(" ".join, runs)) if len(name) > 1]


def _is_common(run: list[str]) -> bool:
    """Whether the word that a sentence opens with may be no name, such as "Normally" or "Posts"."""
    (word, *further) = run
    return not further and word[1:].islower() and word.endswith(_COMMON_ENDINGS)


def is_named(name: str, words: frozenset[str], evidence: str) -> bool:
    """Whether the evidence, which consists of these words, has the name: its last word, an
    inflection such as "Iranian" for "Iran", its initials, or an acronym written out.
    """
    surname = fold(name.split()[-1])
    return (
        surname in words
        or any(surname in country and words & country for country in _SAME_COUNTRY)
        or _has_inflection(surname, words)
        or _has_initials(name, words)
        or _has_written_out(name.replace(".", ""), evidence)
    )


def _has_inflection(word: str, words: frozenset[str]) -> bool:
    ending = next(filter(word.endswith, _DEMONYMS), "")
    stem = word.removesuffix(ending)
    return len(stem) >= _SHORTEST_STEM and any(form.startswith(stem) for form in words)


def _has_initials(name: str, words: frozenset[str]) -> bool:
    initials = "".join(word[0] for word in name.split() if word[0].isupper()).lower()
    return len(initials) >= _ACRONYM_LETTERS.start and initials in words


def _has_written_out(acronym: str, text: str) -> bool:
    if not (acronym.isupper() and acronym.isalpha() and len(acronym) in _ACRONYM_LETTERS):
        return False
    return acronym in "".join(word[0] for word in WORD.findall(text) if word[0].isupper())


def swapped_names(
    claim: str, evidence: str, steps: Sequence[tuple[str, int, int, int, int]]
) -> list[tuple[str, str]]:
    """Pairs (name in the claim, name in the evidence) at the same place between words that both
    have. `steps` are the opcodes of difflib from one `word_list` to the other.
    """
    mine, other = WORD.findall(claim), WORD.findall(evidence)
    if [(len(mine), len(other))] != [(b, d) for _, _, b, _, d in steps[-1:]]:
        return []  # number words were joined
    pairs = []
    for kind, a, b, c, d in steps:
        if kind == "replace" and b - a <= _MOST_SWAPPED and d - c <= _MOST_SWAPPED:
            claimed, stated = names(" ".join(mine[a:b])), names(" ".join(other[c:d]))
            if claimed and stated:
                pairs.append((claimed[-1], stated[-1]))
    return pairs

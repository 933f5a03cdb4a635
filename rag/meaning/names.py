"""Named entities: runs of capitalised words, and whether the evidence has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
    run_end = -1
    for match in WORD.finditer(text):
        word = match[0]
        is_capitalised = "A" <= word[0] <= "Z" and "," not in word
        if not is_capitalised or word.lower() in _NOT_NAMES:
            continue
        gap = text[run_end : match.start()].strip()
        if runs and gap in ("", "&"):
            runs[-1].append(word)
        else:
            runs.append([word])
        run_end = match.end()

    if runs and text.startswith(runs[0][0]) and _is_common(runs[0]):
        runs = runs[1:]
    distinct = dict.fromkeys(" ".join(run) for run in runs)
    return [name for name in distinct if len(name) > 1]


def _is_common(run: list[str]) -> bool:
    """Whether the word that a sentence opens with may be no name, such as "Normally" or "Posts"."""
    if len(run) > 1:
        return False
    word = run[0]
    return word[1:].islower() and word.endswith(_COMMON_ENDINGS)


def is_named(name: str, words: frozenset[str], evidence: str) -> bool:
    """Whether the evidence, which consists of these words, has the name: its last word, an
    inflection such as "Iranian" for "Iran", its initials, or an acronym written out.
    """
    surname = fold(name.split()[-1])
    return (
        surname in words
        or _has_country(surname, words)
        or _has_inflection(surname, words)
        or _has_initials(name, words)
        or _has_written_out(name.replace(".", ""), evidence)
    )


def _has_country(surname: str, words: frozenset[str]) -> bool:
    """Whether the words have another name of the country, such as "Dutch" for "Netherlands"."""
    for country_names in _SAME_COUNTRY:
        if surname in country_names:
            return not words.isdisjoint(country_names)
    return False


def _has_inflection(word: str, words: frozenset[str]) -> bool:
    """Whether another word begins with the stem of this one."""
    endings = [ending for ending in _DEMONYMS if word.endswith(ending)]
    stem = word.removesuffix(endings[0]) if endings else word
    if len(stem) < _SHORTEST_STEM:
        return False
    return any(form.startswith(stem) for form in words)


def _has_initials(name: str, words: frozenset[str]) -> bool:
    """Whether the words have the initials of a name."""
    initials = _capital_initials(name.split()).lower()
    return len(initials) >= _ACRONYM_LETTERS.start and initials in words


def _has_written_out(acronym: str, text: str) -> bool:
    """Whether words of the text have the letters of an acronym as their initials."""
    is_acronym = acronym.isupper() and acronym.isalpha() and len(acronym) in _ACRONYM_LETTERS
    if not is_acronym:
        return False
    return acronym in _capital_initials(WORD.findall(text))


def _capital_initials(words: Iterable[str]) -> str:
    return "".join(word[0] for word in words if word[0].isupper())


def swapped_names(
    claim: str, evidence: str, steps: Sequence[tuple[str, int, int, int, int]]
) -> list[tuple[str, str]]:
    """Pairs (name in the claim, name in the evidence) at the same place between words that both
    have. `steps` are the opcodes of difflib from one `word_list` to the other.
    """
    claim_words = WORD.findall(claim)
    evidence_words = WORD.findall(evidence)
    if not steps:
        return []
    _, _, claim_end, _, evidence_end = steps[-1]
    if (claim_end, evidence_end) != (len(claim_words), len(evidence_words)):
        return []  # number words were joined

    pairs = []
    for kind, claim_start, claim_end, evidence_start, evidence_end in steps:
        is_short = (
            claim_end - claim_start <= _MOST_SWAPPED
            and evidence_end - evidence_start <= _MOST_SWAPPED
        )
        if kind != "replace" or not is_short:
            continue
        claimed = names(" ".join(claim_words[claim_start:claim_end]))
        stated = names(" ".join(evidence_words[evidence_start:evidence_end]))
        if claimed and stated:
            pairs.append((claimed[-1], stated[-1]))
    return pairs

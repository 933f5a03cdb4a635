"""The numbers and codes that a question names: "error E7", "section 9", "the X-300", "form 27B".

An answer about another code is wrong, however like it is. So what a document says counts only if it
names the code too. Numbers that are values ("over 12 kg", "in 2023", "2 people") are no codes.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag.answering.candidate import Candidate
from rag.answering.question_parts import VERBS, compared
from rag.answering.reading import Reading
from rag.meaning.dates import all_dates
from rag.meaning.identifiers import file_name
from rag.meaning.quantities import named_unit
from rag.meaning.words import (
    ARTICLES,
    AUXILIARIES,
    MONTHS,
    PREPOSITIONS,
    QUESTION_WORDS,
    SHORT_NAMES,
    SPEAKERS,
    STOP_WORDS,
    WEEKDAYS,
    YEARS,
)
from rag.types import Document, Passage

LONGEST_QUESTION = 500
"""Characters; a longer question is not looked at."""
_WORD = re.compile(r"[A-Za-z0-9§#$€£][\w'’.,:/§#%-]*|[?!,;:§#%]")
_NUMBER = re.compile(r"(?P<digits>\d{1,6}(?:\.\d{1,4}){0,3}|\d{1,4}/\d{2,6})(?P<letter>[A-Z]?)")
_CODE = re.compile(
    r"(?=[A-Za-z0-9-]*\d)(?:[A-Za-z]{1,6}-?\d{1,6}(?:\.\d{1,3}){0,2}[A-Za-z]?|\d{1,4}[A-Z])"
)
_PERIOD = re.compile(r"(?i)[qh]\d|fy\d+|[a-z]{2,}-?(?:19|20)\d\d|(?:19|20)\d\ds?")
_DOTTED = re.compile(r"\d+(?:\.\d+){2,3}")
_NUMBERS = frozenset("no nr nos number numbers § §§ #".split())
"""What stands before a number that names something, besides the name of its kind."""
_VALUES = frozenset(
    "about above age aged almost another approximately around below exactly exceed first last "
    "least limit most nearly next only past per plus price reach roughly speed temperature top "
    "total turn until versus vs weigh weight".split()
)
"""Words before a number that is a value."""
_COUNTED = frozenset(
    "% people children men women percent per degrees hundred thousand million billion".split()
)
"""Words after a number that is a value, although no unit's name or a plural."""
_JOINING = re.compile(r"(?:\s|,|-|\u2013|&|\b(?:and|or|to|until)\b|\d+[A-Za-z]?|\b[A-Z]\b)+")
_ROMAN = dict(enumerate("I II III IV V VI VII VIII IX X XI XII".split(), start=1))
_ORDINALS = tuple(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()
)
_STEM = 4
"""Letters of a kind's name that are compared."""
OF_ANOTHER = 0.2
"""Share of its probability that remains to an answer from a document without the code."""


@dataclass(frozen=True, slots=True)
class Code:
    """A code and the name of its kind: "E7" alone, or "9" of "section 9". `said` is how it was
    typed.
    """

    name: str
    kind: str
    said: str

    @property
    def family(self) -> str:
        """What codes of one kind have in common."""
        return self.kind or re.sub(r"\d.*", "", self.name).lower() or "number"


def asked_codes(question: str) -> tuple[Code, ...]:
    """The codes that a question names, each once."""
    if len(question) > LONGEST_QUESTION or not any(letter.isdigit() for letter in question):
        capital = re.search(r"[a-z] [A-Z]\b", question)
        if len(question) > LONGEST_QUESTION or capital is None:
            return ()
    return tuple(dict.fromkeys(_codes(_WORD.findall(question))))


def _codes(words: Sequence[str]) -> Iterator[Code]:
    words = [word.rstrip(".,:;?!'’") or word for word in words]
    for at, word in enumerate(words):
        before = words[at - 1] if at else ""
        following = words[at + 1] if at + 1 < len(words) else ""
        if _is_value(before, following):
            continue
        kind = _kind(words, at)
        number = _NUMBER.fullmatch(word)
        is_letter = at > 1 and len(word) == 1 and word.isupper() and word != "I"
        if kind and (is_letter or (number and not YEARS.fullmatch(word))):
            yield Code(word, kind, f"{before} {word}")
        elif _is_code(word) or (_DOTTED.fullmatch(word) and not all_dates(word)):
            yield Code(word, "", word)
        elif before in _NUMBERS or before.rstrip("0123456789") in ("§", "#"):
            if number:
                yield Code(word, "§", f"{before} {word}")
        elif before.lower() in ARTICLES and re.fullmatch(r"\d{3}", word) and _ends(following):
            yield Code(word, "number", word)


def _ends(following: str) -> bool:
    """Whether a number before this word stands alone, without a noun after it."""
    return not following.isalpha() or following.lower() in _FOLLOWING


def _is_value(before: str, following: str) -> bool:
    """Whether a number between these words is a value, or a part of a date."""
    before, following = before.lower(), following.lower()
    dates = {*MONTHS, *WEEKDAYS, *SHORT_NAMES}
    if {before, following} & dates or before in _VALUES or following in _COUNTED:
        return True
    if following in ("to", "-") and before != "from":
        return False
    is_word = following.isalpha() and following not in _FOLLOWING
    return is_word and (named_unit(following) is not None or following.endswith("s"))


_FOLLOWING = (
    AUXILIARIES | PREPOSITIONS | QUESTION_WORDS | VERBS | SPEAKERS | frozenset("and or".split())
)
"""Words that may follow a code, although they end in an s."""


def _kind(words: Sequence[str], at: int) -> str:
    """The name of the kind of thing that a number names: the noun right before it."""
    if not at:
        return ""
    before = words[at - 1].lower()
    if before in ("number", "no", "nr") and at > 1:
        before = words[at - 2].lower()
    is_noun = before.isalpha() and len(before) > 1
    is_other = before in STOP_WORDS | PREPOSITIONS | VERBS | SPEAKERS | _VALUES | _NUMBERS
    return before if is_noun and not is_other else ""


def _is_code(word: str) -> bool:
    """Whether a word mixes letters and digits, and is no amount or period."""
    if not _CODE.fullmatch(word) or _PERIOD.fullmatch(word):
        return False
    unit = re.sub(r"^\d+", "", word)
    return unit == word or named_unit(unit) is None


def is_named(code: Code, text: str, above: str = "") -> bool:
    """Whether a text names the code; `above` are the title and headings over it."""
    if not code.kind:
        return bool(_pattern(code.name).search(text) or _pattern(code.name).search(above))
    return _is_numbered(code, text) or _is_numbered(code, above)


@functools.lru_cache(1024)
def _pattern(name: str) -> re.Pattern[str]:
    """A code, however it is divided and with leading zeros; "v3" is also "version 3"."""
    parts = [part.lstrip("0") or "0" for part in re.findall(r"[A-Za-z]+|\d+", name)]
    if parts[0].lower() == "v" and len(parts) > 1:
        parts[0] = "v(?:ersion)?"
    divided = r"[\s._-]?0*".join(parts)
    return re.compile(rf"(?i)(?<![A-Za-z0-9]){divided}(?![A-Za-z0-9])")


def _is_numbered(code: Code, text: str) -> bool:
    """Whether a number of this kind is named: after the name of the kind, as the number of a
    heading or an item, or bare, which may be its number. A letter is never bare.
    """
    stem = code.kind[:_STEM]
    is_number = code.name[0].isdigit()
    for match in _token(code.name).finditer(text):
        before, after = text[max(0, match.start() - 60) : match.start()], text[match.end() :][:20]
        if _follows_kind(before, stem):
            return True
        is_first = not before or before.endswith("\n")
        if is_first and re.match(r"[.):]|\s+[A-Z]|\s*$|\s*\n", after):
            return True
        next_word = re.match(r"\s?([A-Za-z%°€$£]*)", after)
        counted = next_word[1].lower() if next_word else ""
        is_amount = bool(re.search(r"[$€£]\s?$", before)) or counted in _COUNTED
        is_counted = is_amount or (counted and named_unit(counted) is not None)
        if is_number and not is_counted and not counted.endswith("s"):
            return True
    is_joined = re.search(rf"(?i)\b{re.escape(code.kind)}0*{re.escape(code.name)}\b", text)
    return bool(is_joined) or _is_in_range(code, text, stem) or _is_spelled(code, text, stem)


@functools.lru_cache(1024)
def _token(name: str) -> re.Pattern[str]:
    """The number as a word of its own, or the beginning of a longer one: 3 of 3.2."""
    return re.compile(rf"(?<![\w.,/-])(?<!\d:)v?0*{re.escape(name)}(?!\w|[,/:]\d)")


def _follows_kind(before: str, stem: str) -> bool:
    """Whether a number comes after the name of its kind, or after other numbers that do."""
    words = list(re.finditer(r"[A-Za-z]+|§+|#", before))
    while words:
        last = words[-1]
        if not _JOINING.fullmatch(before[last.end() :] or " ") and not re.fullmatch(
            r"[\s.:|(\d,\u2013-]*", before[last.end() :]
        ):
            return False
        word = last[0].lower()
        if word in _NUMBERS or word.startswith(stem) or (len(word) > 2 and stem.startswith(word)):
            return True
        is_joining = word in ("and", "or", "to", "until") or len(word) == 1
        if not is_joining:
            return False
        words.pop()
        before = before[: last.start()]
    return False


def _is_in_range(code: Code, text: str, stem: str) -> bool:
    """Whether a range such as "plots 50 to 64" has the number."""
    if not code.name.isdigit():
        return False
    pattern = rf"(?i)\b{re.escape(stem)}[a-z]* (\d+)(?: to |\s?[-\u2013]\s?)(\d+)"
    ranges = re.findall(pattern, text)
    return any(int(least) <= int(code.name) <= int(most) for least, most in ranges)


def _is_spelled(code: Code, text: str, stem: str) -> bool:
    """Whether the number is written as "II" or "second" beside the name of its kind."""
    number = int(code.name) if code.name.isdigit() else 0
    if number not in _ROMAN:
        return False
    kind = rf"{re.escape(stem)}[a-z]*"
    roman = rf"(?:(?i:\b{kind}) {_ROMAN[number]}\b)"
    ordinal = rf"(?:(?i:\b(?:{_ORDINALS[number - 1]}|{number}(?:st|nd|rd|th)) {kind}))"
    return bool(re.search(f"{roman}|{ordinal}", text))


def names_sibling(code: Code, text: str) -> bool:
    """Whether a text names another code of the family, and not this one: "E6" for "E7"."""
    if is_named(code, text):
        return False
    if code.kind:
        pattern = rf"(?i)\b{re.escape(code.kind)}s?:? (?:\d{{1,6}}[A-Za-z]?|[A-Z])\b(?![:.,]\d)"
        return bool(re.search(pattern, text))
    letters = re.match(r"[A-Za-z]*", code.name)
    prefix = letters[0] if letters else ""
    return bool(prefix and re.search(rf"\b{prefix}[-_ ]?\d+(?:\.\d+)*[A-Za-z]?\b", text))


# Candidates


def of_another(reading: Reading, candidates: Sequence[Candidate]) -> list[bool]:
    """For each candidate, whether it is about another code than the question: from a document that
    lacks it, or in words that name another one instead.
    """
    codes = asked_codes(reading.question)
    if not codes:
        return [False] * len(candidates)
    names = {place.document_id for one in candidates for place in one.places}
    lacking = {name for name in names if not _has_codes(reading, codes, name)}
    return [
        candidate.form != "catalogue"
        and (
            candidate.places[0].document_id in lacking or _is_of_sibling(reading, codes, candidate)
        )
        for candidate in candidates
    ]


def _is_of_sibling(reading: Reading, codes: Sequence[Code], candidate: Candidate) -> bool:
    """Whether the words of a candidate name another code of the family of each of the codes."""
    texts = [
        reading.text(place.document_id, (place.start, place.end)) for place in candidate.places
    ]
    if candidate.span:
        texts.append(candidate.span.best.sentence_text)
    words = "\n".join(texts)
    return all(names_sibling(code, words) for code in codes)


def missing_code(reading: Reading) -> str:
    """The first code of the question that no document which was found names, or ""."""
    names = {hit.passage.document_id for hit in reading.hits}
    for code in asked_codes(reading.question):
        if not any(_names(reading, code, name) for name in names):
            return code.said
    return ""


def _has_codes(reading: Reading, codes: Sequence[Code], document_id: str) -> bool:
    """Whether a document names a code of each family, or any if the question compares them."""
    families: dict[str, bool] = {}
    for code in codes:
        is_found = _names(reading, code, document_id)
        families[code.family] = families.get(code.family, False) or is_found
    if len(families) > 1 and compared(reading.question):
        return any(families.values())
    return all(families.values())


def _names(reading: Reading, code: Code, document_id: str) -> bool:
    """Whether a document has the code: in its name or title, its text, or on a page of that number;
    bare numbers count in the passages that were found.
    """
    document = reading.documents.get(document_id)
    if document is None:
        return True
    passages = [hit.passage for hit in reading.hits if hit.passage.document_id == document_id]
    if code.kind == "page" and _has_page(document, passages, code):
        return True
    name = f"{file_name(document_id).replace('_', ' ')}\n{document.title}"
    if not code.kind:
        return is_named(code, document.text, name)
    return is_named(code, name) or any(
        is_named(code, passage.text, passage.context) for passage in passages
    )


def _has_page(document: Document, passages: Sequence[Passage], code: Code) -> bool:
    pages = {document.page(passage.start) for passage in passages}
    return code.name.isdigit() and int(code.name) in pages

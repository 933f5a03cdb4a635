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
from rag.answering.question_parts import LONGEST_QUESTION, VERBS, compared_sides
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

_WORD = re.compile(r"[A-Za-z0-9§#$€£][\w'’.,:/§#%-]*|[?!,;:§#%]")
_NUMBER = re.compile(r"(?P<digits>\d{1,6}(?:\.\d{1,4}){0,3}|\d{1,4}/\d{2,6})(?P<letter>[A-Z]?)")
_CODE = re.compile(
    r"(?=[A-Za-z0-9-]*\d)(?:[A-Za-z]{1,6}-?\d{1,6}(?:\.\d{1,3}){0,2}[A-Za-z]?|\d{1,4}[A-Z])"
)
_PERIOD = re.compile(r"(?i)[qh]\d|fy\d+|[a-z]{2,}-?(?:19|20)\d\d|(?:19|20)\d\ds?")
_PART_OF_YEAR = re.compile(r"(?i)[1-4][qh]|\d{1,2}m")
"""A period if a year comes after it: "9M 2023"."""
_THREE_DIGITS = re.compile(r"\d{3}")
_LONE_CAPITAL = re.compile(r"[a-z] [A-Z]\b")
"""A letter that may be a code: "annex B"."""
_DOTTED = re.compile(r"\d+(?:\.\d+){2,3}")
_NUMBERS = frozenset("no nr nos number numbers § §§ #".split())
"""Words before a number that names something, besides the name of its kind."""
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
_OF_DATES = frozenset({*MONTHS, *WEEKDAYS, *SHORT_NAMES})
_JOINING = re.compile(r"(?:\s|,|-|\u2013|&|\b(?:and|or|to|until)\b|\d++[A-Za-z]?|\b[A-Z]\b)+")
"""What may be between the numbers of a list: "sections 3, 4 and 5"."""
_SEPARATING = re.compile(r"[\s.:|(\d,\u2013-]*")
"""What may be between the name of a kind and its number: "Line: 12", "Sec. 9"."""
_ROMAN = dict(enumerate("I II III IV V VI VII VIII IX X XI XII".split(), start=1))
_ORDINALS = tuple(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()
)
_STEM = 4
"""Letters of a kind's name that are compared."""
_CONTEXT_BEFORE = 60
_CONTEXT_AFTER = 20
"""Characters around a number in a text that are looked at."""
OF_ANOTHER = 0.2
"""Share of its probability that remains to an answer from a document without the code."""


@dataclass(frozen=True, slots=True)
class Code:
    """A code and the name of its kind: "E7" alone, or "9" of "section 9". `wording` is how it was
    typed.
    """

    name: str
    kind: str
    wording: str

    @property
    def family(self) -> str:
        """What codes of one kind have in common."""
        letters = re.sub(r"\d.*", "", self.name).lower()
        return self.kind or letters or "number"


def asked_codes(question: str) -> tuple[Code, ...]:
    """The codes that a question names, each once."""
    if len(question) > LONGEST_QUESTION:
        return ()

    has_digit = any(letter.isdigit() for letter in question)
    if not has_digit and not _LONE_CAPITAL.search(question):
        return ()

    codes = _codes(_WORD.findall(question))
    return tuple(dict.fromkeys(codes))


def _codes(tokens: Sequence[str]) -> Iterator[Code]:
    words = [token.rstrip(".,:;?!'’") or token for token in tokens]
    for index in range(len(words)):
        code = _code_at(words, index)
        if code is not None:
            yield code


def _code_at(words: Sequence[str], index: int) -> Code | None:
    """The code that a word is, with the words around it."""
    word = words[index]
    previous_word = words[index - 1] if index else ""
    next_word = words[index + 1] if index + 1 < len(words) else ""
    is_period = _PART_OF_YEAR.fullmatch(word) and YEARS.fullmatch(next_word)
    if is_period or _is_value(previous_word, next_word):
        return None

    kind = _kind(words, index)
    is_number = _NUMBER.fullmatch(word) is not None
    is_year = YEARS.fullmatch(word) is not None
    is_letter = index > 1 and len(word) == 1 and word.isupper() and word != "I"
    if kind and (is_letter or (is_number and not is_year)):
        return Code(word, kind, f"{previous_word} {word}")

    is_dotted = _DOTTED.fullmatch(word) is not None
    if _is_code(word) or (is_dotted and not all_dates(word)):
        return Code(word, "", word)

    if previous_word in _NUMBERS or previous_word.rstrip("0123456789") in ("§", "#"):
        return Code(word, "§", f"{previous_word} {word}") if is_number else None

    has_article = previous_word.lower() in ARTICLES
    if has_article and _THREE_DIGITS.fullmatch(word) and _is_alone(next_word):
        return Code(word, "number", word)
    return None


def _is_alone(next_word: str) -> bool:
    """Whether a number before this word is alone, without a noun after it."""
    return not next_word.isalpha() or next_word.lower() in _FOLLOWING


def _is_value(previous_word: str, next_word: str) -> bool:
    """Whether a number between these words is a value, or a part of a date."""
    previous_word, next_word = previous_word.lower(), next_word.lower()
    if previous_word in _OF_DATES or next_word in _OF_DATES:
        return True
    if previous_word in _VALUES or next_word in _COUNTED:
        return True

    if next_word in ("to", "-") and previous_word != "from":
        return False

    may_be_counted = next_word.isalpha() and next_word not in _FOLLOWING
    return may_be_counted and (named_unit(next_word) is not None or next_word.endswith("s"))


_FOLLOWING = (
    AUXILIARIES | PREPOSITIONS | QUESTION_WORDS | VERBS | SPEAKERS | frozenset("and or".split())
)
"""Words that may follow a code, although they end in an s."""
_NO_KINDS = STOP_WORDS | PREPOSITIONS | VERBS | SPEAKERS | _VALUES | _NUMBERS
"""Words before a number that are no name of its kind."""


def _kind(words: Sequence[str], index: int) -> str:
    """The name of the kind of thing that a number names: the noun right before it."""
    if not index:
        return ""

    previous_word = words[index - 1].lower()
    if previous_word in ("number", "no", "nr") and index > 1:
        previous_word = words[index - 2].lower()

    is_word = previous_word.isalpha() and len(previous_word) > 1
    is_noun = is_word and previous_word not in _NO_KINDS
    return previous_word if is_noun else ""


def _is_code(word: str) -> bool:
    """Whether a word has letters and digits, and is neither an amount nor a period."""
    if not _CODE.fullmatch(word) or _PERIOD.fullmatch(word):
        return False
    unit = re.sub(r"^\d+", "", word)
    has_amount = unit != word and named_unit(unit) is not None
    return not has_amount


def is_named(code: Code, text: str, context: str = "") -> bool:
    """Whether a text names the code; `context` are the title and headings over it."""
    if code.kind:
        return _is_numbered(code, text) or _is_numbered(code, context)
    pattern = _pattern(code.name)
    return bool(pattern.search(text) or pattern.search(context))


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
    may_be_bare = code.name[0].isdigit()
    for match in _token(code.name).finditer(text):
        context_start = max(0, match.start() - _CONTEXT_BEFORE)
        context_end = match.end() + _CONTEXT_AFTER
        text_before = text[context_start : match.start()]
        text_after = text[match.end() : context_end]
        if _follows_kind(text_before, stem) or _numbers_line(text_before, text_after):
            return True
        if may_be_bare and not _is_amount(text_before, text_after):
            return True

    kind_and_name = rf"(?i)\b{re.escape(code.kind)}0*{re.escape(code.name)}\b"
    if re.search(kind_and_name, text):
        return True
    return _is_in_range(code, text, stem) or _is_spelled(code, text, stem)


def _numbers_line(text_before: str, text_after: str) -> bool:
    """Whether a token between these texts is the number of a heading or an item."""
    begins_line = not text_before or text_before.endswith("\n")
    return begins_line and re.match(r"[.):]|\s+[A-Z]|\s*$|\s*\n", text_after) is not None


def _is_amount(text_before: str, text_after: str) -> bool:
    """Whether a number between these texts is of money, of a unit or of things that are counted."""
    if re.search(r"[$€£]\s?$", text_before):
        return True

    match = re.match(r"\s?([A-Za-z%°€$£]*)", text_after)
    next_word = match[1].lower() if match else ""
    if next_word in _COUNTED or next_word.endswith("s"):
        return True
    return bool(next_word) and named_unit(next_word) is not None


@functools.lru_cache(1024)
def _token(name: str) -> re.Pattern[str]:
    """The number as a word of its own, or the beginning of a longer one: 3 of 3.2."""
    return re.compile(rf"(?<![\w.,/-])(?<!\d:)v?0*{re.escape(name)}(?!\w|[,/:]\d)")


def _follows_kind(text_before: str, stem: str) -> bool:
    """Whether a number comes after the name of its kind, or after other numbers that do."""
    words = list(re.finditer(r"[A-Za-z]+|§+|#", text_before))
    end = len(text_before)
    for match in reversed(words):
        separator = text_before[match.end() : end]
        if not _JOINING.fullmatch(separator or " ") and not _SEPARATING.fullmatch(separator):
            return False

        word = match[0].lower()
        is_short_kind = len(word) > 2 and stem.startswith(word)
        if word in _NUMBERS or word.startswith(stem) or is_short_kind:
            return True

        is_joining = word in ("and", "or", "to", "until") or len(word) == 1
        if not is_joining:
            return False
        end = match.start()

    return False


def _is_in_range(code: Code, text: str, stem: str) -> bool:
    """Whether a range such as "plots 50 to 64" has the number."""
    if not code.name.isdigit():
        return False

    number = int(code.name)
    pattern = rf"(?i)\b{re.escape(stem)}[a-z]* (\d+)(?: to |\s?[-\u2013]\s?)(\d+)"
    ranges = re.findall(pattern, text)
    return any(
        int(lower_bound) <= number <= int(upper_bound) for lower_bound, upper_bound in ranges
    )


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

    match = re.match(r"[A-Za-z]+", code.name)
    if match is None:
        return False
    pattern = rf"\b{match[0]}[-_ ]?\d+(?:\.\d+)*[A-Za-z]?\b"
    return bool(re.search(pattern, text))


# Candidates


def of_another(reading: Reading, candidates: Sequence[Candidate]) -> list[bool]:
    """For each candidate, whether it is about another code than the question: from a document that
    lacks it, or in words that name another one instead.
    """
    codes = asked_codes(reading.question)
    if not codes:
        return [False] * len(candidates)

    documents = {place.document_id for candidate in candidates for place in candidate.places}
    documents_without = {name for name in documents if not _has_codes(reading, codes, name)}

    def is_of_another(candidate: Candidate) -> bool:
        if candidate.form == "catalogue":
            return False
        if candidate.places[0].document_id in documents_without:
            return True
        return _is_of_sibling(reading, codes, candidate)

    return [is_of_another(candidate) for candidate in candidates]


def _is_of_sibling(reading: Reading, codes: Sequence[Code], candidate: Candidate) -> bool:
    """Whether the words of a candidate name another code of the family of each of the codes."""
    texts = []
    for place in candidate.places:
        offsets = place.start, place.end
        texts.append(reading.text(place.document_id, offsets))
    if candidate.span:
        texts.append(candidate.span.best.sentence_text)

    quoted_text = "\n".join(texts)
    return all(names_sibling(code, quoted_text) for code in codes)


def missing_code(reading: Reading) -> str:
    """The first code of the question that no document which was found names, or ""."""
    documents = {hit.passage.document_id for hit in reading.hits}
    for code in asked_codes(reading.question):
        if not any(_has_code(reading, code, name) for name in documents):
            return code.wording
    return ""


def _has_codes(reading: Reading, codes: Sequence[Code], document_id: str) -> bool:
    """Whether a document names a code of each family, or any if the question compares them."""
    families = {code.family for code in codes}
    families_found = {code.family for code in codes if _has_code(reading, code, document_id)}
    if len(families) > 1 and compared_sides(reading.question):
        return bool(families_found)
    return families_found == families


def _has_code(reading: Reading, code: Code, document_id: str) -> bool:
    """Whether a document has the code: in its name or title, its text, or on a page of that number;
    bare numbers count in the passages that were found.
    """
    document = reading.documents.get(document_id)
    if document is None:
        return True

    passages = [hit.passage for hit in reading.hits if hit.passage.document_id == document_id]
    if code.kind == "page" and _has_page(document, passages, code):
        return True

    name = file_name(document_id).replace("_", " ")
    name_and_title = f"{name}\n{document.title}"
    if not code.kind:
        return is_named(code, document.text, name_and_title)
    if is_named(code, name_and_title):
        return True
    return any(is_named(code, passage.text, passage.context) for passage in passages)


def _has_page(document: Document, passages: Sequence[Passage], code: Code) -> bool:
    pages = {document.page(passage.start) for passage in passages}
    return code.name.isdigit() and int(code.name) in pages

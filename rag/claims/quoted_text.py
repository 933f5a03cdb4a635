"""Text as quotations are compared: without what typesetting, extraction or an editor changes.

White space, hyphenation, ligatures, quotation marks, dashes, Markdown's emphasis, list bullets and
citation marks do not count; letters, digits, capitals and other punctuation do.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from rag.meaning.words import WORD

_DASHES = "-\u00ad‐‑‒–—―−"
_IGNORED = _DASHES + "\"'“”„‟«»‹›‘’‚‛`´ʼ*_~|•·[]\u200b\u200c\u200d\u2060\ufeff\x00"
_TABLE = {ord(sign): "\0" for sign in _IGNORED} | {
    code: "\0" for code in range(0x3001) if chr(code).isspace()
}
_APOSTROPHE = "\x01"
_MINUS = "\x02"
_KEPT = {"apostrophe": _APOSTROPHE, "minus": _MINUS}
"""What replaces the signs that count, by the groups of `_IN_CONTEXT`."""
_IN_CONTEXT = re.compile(
    r"(?m)(?P<mark>\[\^?\d{1,3}(?:[,–-] ?\d{1,3})*\]|^[ \t]*+>[> \t]*+)"
    r"|(?P<apostrophe>(?<=[^\W_])['’ʼ‘](?=[^\W_]))"
    rf"|(?P<minus>(?<![{_DASHES}])[{_DASHES}]++(?=\s*+\d))"
)
ELLIPSIS = re.compile(
    r"[\[(]\s{0,3}(?:…|\.(?:\s?\.){2,3})\s{0,3}[\])]|…(?:\s?\.)?|\.(?:[ \u00a0]?\.){2,3}"
)
_BRACKETED = re.compile(r"\[(?![\s.…]*+\])([^\[\]\n]{0,200})\]")
"""An editor's words; `[…]` is an ellipsis, as "…" is."""
_EDGES = ".,;:… \x01\x02"
_TOKEN = re.compile(
    rf"(?:\[[^\W\d_]{{1,3}}\])?[^\W_]+(?:(?:['’.,/]|[{_DASHES}]\s?)[^\W_]+)*(?:\[[^\W\d_]{{1,3}}\])?"
)
"""A word, also with an editor's letters, as in "[w]orks" and "continue[s]"."""
LONGEST_CHANGE = 60
"""Maximum number of characters that an editor's [brackets] replace."""
_SHORTEST_LITERAL = 4
"""Characters outside the brackets by which such a quotation is found."""


def canonical(text: str) -> tuple[str, Sequence[int]]:
    """(the characters that count, the offset of each in `text`)."""
    signs = _IN_CONTEXT.sub(_same_length, text).translate(_TABLE)
    if signs.isascii():
        offsets = [offset for offset, sign in enumerate(signs) if sign != "\0"]
        return signs.replace("\0", ""), offsets

    characters: list[str] = []
    offsets = []
    for offset, sign in enumerate(signs):
        if sign == "\0":
            continue
        is_ascii = sign <= "\x7f"
        decomposed = sign if is_ascii else unicodedata.normalize("NFKD", sign)
        characters.append(decomposed)
        offsets += [offset] * len(decomposed)
    return "".join(characters), offsets


def _same_length(match: re.Match[str]) -> str:
    """What counts of a match of `_IN_CONTEXT`, filled up with ignored characters."""
    sign = _KEPT.get(str(match.lastgroup), "")
    return sign.ljust(len(match[0]), "\0")


@dataclass(frozen=True, slots=True)
class Token:
    """A word, `text[start:end]`; `word` is its canonical form in lower case."""

    word: str
    start: int
    end: int


def tokens(text: str) -> list[Token]:
    """The words of a text, in order."""
    found = []
    for match in _TOKEN.finditer(text):
        found.append(Token(_word(match[0]), match.start(), match.end()))
    return found


def _word(text: str) -> str:
    """The canonical form of a word in lower case."""
    if text.isascii() and text.isalnum():
        return text.lower()
    characters, _ = canonical(text)
    return characters.casefold()


@dataclass(frozen=True, slots=True)
class Match:
    """`text[start:end]` matches a quoted text; `changes` are pairs (the editor's words in brackets,
    the document's words that they replace).
    """

    start: int
    end: int
    changes: tuple[tuple[str, str], ...] = ()


class QuotedText:
    """A quotation, or a part of one between two ellipses: `text`, in the words of the writer.

    An editor's [brackets] may replace words of the document. The literals around them are its own.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        parts = _BRACKETED.split(text)
        self._changes = [part.strip() for part in parts[1::2]]

        self._literals = []
        for part in parts[::2]:
            characters, _ = canonical(part)
            self._literals.append(characters)
        self._literals[0] = self._literals[0].lstrip(_EDGES)
        self._literals[-1] = self._literals[-1].rstrip(_EDGES)

    @cached_property
    def canonical_text(self) -> str:
        """Its canonical characters, editor's changes included."""
        characters, _ = canonical(self.text)
        return characters.strip(_EDGES)

    @cached_property
    def tokens(self) -> list[Token]:
        return tokens(self.text)

    def part(self, start: int, end: int) -> QuotedText:
        """Its words [start, end)."""
        words = self.tokens[start:end]
        if not words:
            return QuotedText("")
        return QuotedText(self.text[words[0].start : words[-1].end])

    def matches(self, place: CanonicalText) -> Iterator[Match]:
        """Where a text has the quoted text word for word, in order."""
        if not self.canonical_text:
            return
        yield from place.occurrences(self.canonical_text)

        longest_literal = max(map(len, self._literals))
        if not self._changes or longest_literal < _SHORTEST_LITERAL:
            return
        for match in self._pattern.finditer(place.characters):
            edited = self._with_bracketed_words(place, match)
            if edited:
                yield edited

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """The literals from the first that is not empty on; groups are what brackets replace."""
        opening, *further = self._literals[self._lead :]
        parts = [f"(?i:{re.escape(opening[0])}){re.escape(opening[1:])}"]
        for literal in further:
            parts.append(rf"(?>(.{{0,{LONGEST_CHANGE}}}?){re.escape(literal)})")
        return re.compile("".join(parts), re.DOTALL)

    @property
    def _lead(self) -> int:
        """Number of brackets before the first literal."""
        return next(index for index, literal in enumerate(self._literals) if literal)

    def _with_bracketed_words(self, place: CanonicalText, match: re.Match[str]) -> Match | None:
        """The match, extended over words that brackets begin or end; None if it ends within a
        word.
        """
        start, end = place.offsets_of(match.start(), match.end())
        start, end = place.widened(
            start, end, at_start=not self._literals[0], at_end=not self._literals[-1]
        )
        if not place.is_whole(start, end):
            return None

        leading_gaps = [(match.start(), match.start())] * self._lead
        gaps = [*leading_gaps, *match.regs[1:]]
        changes = []
        for editors_words, (first_index, last_index) in zip(self._changes, gaps, strict=True):
            gap_start = start
            if first_index > match.start():
                _, gap_start = place.offsets_of(first_index - 1, first_index)
            gap_end = end
            if last_index < match.end():
                gap_end, _ = place.offsets_of(last_index, last_index + 1)
            replaced = place.text[gap_start:gap_end].strip()
            if _is_change(editors_words, replaced):
                changes.append((editors_words, replaced))
        return Match(start, end, tuple(changes))


def _is_change(editors_words: str, replaced: str) -> bool:
    """Whether the brackets change the words: not if they are a remark, such as "[sic]" or "[3]"."""
    words = editors_words.lower()
    is_remark = words.isdigit() or words in ("", "sic", "sic!")
    if is_remark and not replaced:
        return False
    return words != replaced.lower()


class CanonicalText:
    """A text with its canonical characters, in which quoted texts are looked for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.characters, self._offsets = canonical(text)

    @cached_property
    def tokens(self) -> list[Token]:
        return tokens(self.text)

    def occurrences(self, characters: str) -> Iterator[Match]:
        """Where the text has these characters as whole words; the first in any case."""
        initial = characters[0].lower()
        further = characters[1:]
        position = self.characters.find(further, 1)
        while position >= 1:
            has_initial = self.characters[position - 1].lower() == initial
            if has_initial:
                start, end = self.offsets_of(position - 1, position + len(further))
                if self.is_whole(start, end):
                    yield Match(start, end)
            position = self.characters.find(further, position + 1)

    def offsets_of(self, first_index: int, last_index: int) -> tuple[int, int]:
        """(start, end) in `text` of characters [first_index, last_index), with combining marks."""
        start = self._offsets[first_index]
        end = self._offsets[last_index - 1] + 1
        while end < len(self.text) and unicodedata.combining(self.text[end]):
            end += 1
        return start, end

    def widened(self, start: int, end: int, at_start: bool, at_end: bool) -> tuple[int, int]:
        """[start, end) with the rest of the words at these ends."""
        while at_start and start > 0 and self.text[start - 1].isalnum():
            start -= 1
        while at_end and end < len(self.text) and self.text[end].isalnum():
            end += 1
        return start, end

    def is_whole(self, start: int, end: int) -> bool:
        """Whether neither end is inside a word."""
        return not self._is_in_word(start) and not self._is_in_word(end)

    def _is_in_word(self, offset: int) -> bool:
        """Whether the characters before and after an offset belong to one word."""
        if not 0 < offset < len(self.text):
            return False
        return self.text[offset - 1].isalnum() and self.text[offset].isalnum()


def parts_between_ellipses(text: str) -> list[str]:
    """The parts of a quotation between ellipses, without empty ones."""
    parts = ELLIPSIS.split(text)
    return [part.strip() for part in parts if WORD.search(part)]

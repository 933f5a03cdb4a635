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
_APOSTROPHE, _MINUS = "\x01", "\x02"
_IN_CONTEXT = re.compile(
    r"(?m)(?P<mark>\[\^?\d{1,3}(?:[,–-] ?\d{1,3})*\]|^[ \t]*+>[> \t]*+)"
    r"|(?P<apostrophe>(?<=[^\W_])['’ʼ‘](?=[^\W_]))"
    rf"|(?P<minus>(?<![{_DASHES}])[{_DASHES}]++(?=\s*+\d))"
)
ELLIPSIS = re.compile(
    r"[\[(]\s{0,3}(?:…|\.(?:\s?\.){2,3})\s{0,3}[\])]|…(?:\s?\.)?|\.(?:[ \u00a0]?\.){2,3}"
)
_BRACKETED = re.compile(r"\[([^\[\]\n]{0,200})\]")
_EDGES = ".,;:… \x01\x02"
_TOKEN = re.compile(rf"[^\W_]+(?:(?:['’.,/]|[{_DASHES}]\s?)[^\W_]+)*")
_LONGEST_CHANGE = 60
"""Maximum number of characters that an editor's [brackets] replace."""
_SHORTEST_LITERAL = 4
"""Characters outside the brackets by which such a quotation is found."""


def canonical(text: str) -> tuple[str, Sequence[int]]:
    """(the characters that count, the offset of each in `text`)."""
    flat = _IN_CONTEXT.sub(_same_length, text).translate(_TABLE)
    if flat.isascii():
        return flat.replace("\0", ""), [offset for offset, sign in enumerate(flat) if sign != "\0"]
    letters, offsets = list[str](), list[int]()
    for offset, sign in enumerate(flat):
        if sign != "\0":
            plain = unicodedata.normalize("NFKD", sign) if sign > "\x7f" else sign
            letters.append(plain)
            offsets += [offset] * len(plain)
    return "".join(letters), offsets


def _same_length(match: re.Match[str]) -> str:
    sign = {"apostrophe": _APOSTROPHE, "minus": _MINUS}.get(str(match.lastgroup), "")
    return sign.ljust(len(match[0]), "\0")


@dataclass(frozen=True, slots=True)
class Token:
    """A word, `text[start:end]`; `word` is its canonical form in lower case."""

    word: str
    start: int
    end: int


def tokens(text: str) -> list[Token]:
    return [Token(_word(match[0]), match.start(), match.end()) for match in _TOKEN.finditer(text)]


def _word(text: str) -> str:
    return text.lower() if text.isascii() and text.isalnum() else canonical(text)[0].casefold()


@dataclass(frozen=True, slots=True)
class Match:
    """`text[start:end]` matches a fragment; `changes` are pairs (the editor's words in brackets,
    the document's words that they replace).
    """

    start: int
    end: int
    changes: tuple[tuple[str, str], ...] = ()


class Fragment:
    """A quotation, or a part of one between two ellipses: `text`, in the words of the writer."""

    def __init__(self, text: str) -> None:
        self.text = text
        pieces = _BRACKETED.split(text)
        self._literals = [canonical(piece)[0] for piece in pieces[::2]]
        self._changes = [piece.strip() for piece in pieces[1::2]]
        self._literals[0] = self._literals[0].lstrip(_EDGES)
        self._literals[-1] = self._literals[-1].rstrip(_EDGES)

    @cached_property
    def plain(self) -> str:
        """Its canonical characters, editor's changes included."""
        return canonical(self.text)[0].strip(_EDGES)

    @cached_property
    def tokens(self) -> list[Token]:
        return tokens(self.text)

    def part(self, first: int, last: int) -> Fragment:
        """Its words [first, last)."""
        words = self.tokens[first:last]
        return Fragment(self.text[words[0].start : words[-1].end] if words else "")

    def matches(self, place: CanonicalText) -> Iterator[Match]:
        """Where a text has the fragment word for word, in order."""
        if not self.plain:
            return
        yield from place.occurrences(self.plain)
        if self._changes and max(map(len, self._literals)) >= _SHORTEST_LITERAL:
            for match in self._pattern.finditer(place.characters):
                if edited := self._edited(place, match):
                    yield edited

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """The literals from the first that is not empty on; groups are what brackets replace."""
        first, *further = self._literals[self._lead :]
        gaps = (rf"(?>(.{{0,{_LONGEST_CHANGE}}}?){re.escape(literal)})" for literal in further)
        opening = f"(?i:{re.escape(first[0])}){re.escape(first[1:])}"
        return re.compile("".join([opening, *gaps]), re.DOTALL)

    @property
    def _lead(self) -> int:
        """Number of brackets before the first literal."""
        return next(index for index, literal in enumerate(self._literals) if literal)

    def _edited(self, place: CanonicalText, match: re.Match[str]) -> Match | None:
        """The match, extended over words that brackets begin or end."""
        start, end = place.offsets_of(*match.span())
        start, end = place.widened(start, end, not self._literals[0], not self._literals[-1])
        if not place.is_whole(start, end):
            return None
        gaps = [(match.start(), match.start())] * self._lead + list(match.regs[1:])
        changes = []
        for editor, (first, last) in zip(self._changes, gaps, strict=True):
            begin = place.offsets_of(first - 1, first)[1] if first > match.start() else start
            stop = place.offsets_of(last, last + 1)[0] if last < match.end() else end
            changes.append((editor, place.text[begin:stop].strip()))
        return Match(start, end, tuple(pair for pair in changes if _is_change(*pair)))


def _is_change(editor: str, original: str) -> bool:
    if not original and (editor.isdigit() or editor.lower() in ("", "sic", "sic!")):
        return False
    return editor.lower() != original.lower()


class CanonicalText:
    """A text with its canonical characters, in which fragments are looked for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.characters, self._offsets = canonical(text)

    @cached_property
    def tokens(self) -> list[Token]:
        return tokens(self.text)

    def occurrences(self, characters: str) -> Iterator[Match]:
        """Where the text has these characters as whole words; the first in any case."""
        opening, following = characters[0].lower(), characters[1:]
        second = self.characters.find(following, 1)
        while second >= 1:
            start, end = self.offsets_of(second - 1, second + len(following))
            if self.characters[second - 1].lower() == opening and self.is_whole(start, end):
                yield Match(start, end)
            second = self.characters.find(following, second + 1)

    def offsets_of(self, first: int, last: int) -> tuple[int, int]:
        """(start, end) in `text` of the characters [first, last), with combining marks."""
        start, end = self._offsets[first], self._offsets[last - 1] + 1
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
        text = self.text
        is_inside = start > 0 and text[start - 1].isalnum() and text[start].isalnum()
        goes_on = end < len(text) and text[end].isalnum() and text[end - 1].isalnum()
        return not (is_inside or goes_on)


def fragments(text: str) -> list[str]:
    """The parts of a quotation between ellipses, without empty ones."""
    parts = ELLIPSIS.split(text)
    return [part.strip() for part in parts if WORD.search(part)]

"""Finds the quotations in a text: between quotation marks, or in Markdown block quotes.

Offsets refer to the text under check: `text[quotation.start:quotation.end]` is the quotation
without its marks.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import NamedTuple

from rag.claims.markup import cited_numbers
from rag.claims.split import ClaimSentence, blocks
from rag.meaning.sentences import Offsets, trim
from rag.meaning.words import WORD

FEWEST_WORDS = 4
"""Shorter ones are names, terms and scare quotes."""
_CLOSING = {"“": "”", "„": "“”", "«": "»", "»": "«", "‹": "›", "›": "‹", '"': '"'}
_MARK = re.compile(r"[“”„«»‹›\"]")
_SINGLE = re.compile(r"[‘’‚']")
_CLOSING_SINGLE = {"‘": "’", "‚": "‘’", "'": "'"}
"""Single marks; what is beside them shows whether they are apostrophes."""
_ELISION = re.compile(
    r"['‘](?:\d\ds?\b|n(?=['’\s])|(?:tis|twas|em|til|cause|round|bout|cos)\b)", re.IGNORECASE
)
"""An apostrophe at the start of a word, as in "the '90s"."""
_SENTENCE_END = re.compile(r"[.!?]\s")
_PARAGRAPH_END = re.compile(r"\n[ \t]*+(?=\n)")
_INLINE_CODE = re.compile(r"(?<!`)`[^`\n]++`(?!`)")
_BLOCK_QUOTE = re.compile(r"(?m)(?:^ {0,3}>[^\n]*+(?:\n|\Z))++")
_CALLOUT = re.compile(r" {0,3}>\s*\[!\w+\]")
"""`> [!NOTE]`: a box of the writer's own words."""
_ATTRIBUTION = re.compile(r"[ \t>]*(?:[—–―]|--)\s*\S[^\n]*+\Z")
_BESIDE = re.compile(r"(?m)\s{0,4}(?:[—–―(]|--|(?:\[\^?\d[^\]\n]{0,20}\]|【[^】\n]{1,40}】)\s*+$)")
"""The start of a line that names the source of the block quote above it."""
_REACH = 1000
"""Characters beside a quotation in which its citation is looked for."""
_QUOTE_SIGNS = "> \t\r\n"
_BEFORE_OPENING = "([{—–-―*_‘'“«„‹‚\">"
_DEEPEST = 20
"""Quotation marks that wait for their closing marks; inner ones beyond them are ignored."""


class _Mark(NamedTuple):
    """A quotation mark, `text[offset] == sign`."""

    sign: str
    offset: int


@dataclass(frozen=True, slots=True)
class Quotation:
    """`text[start:end]`; `[outer_start, outer_end)` includes its marks. `cited` are the numbers in
    the citation marks that belong to it; `around` are the writer's words in its sentence.
    """

    start: int
    end: int
    outer_start: int
    outer_end: int
    is_block: bool = False
    cited: tuple[int, ...] = ()
    around: str = ""


def find_quotations(text: str, sentences: Sequence[ClaimSentence]) -> list[Quotation]:
    """The outermost quotations of at least `FEWEST_WORDS` words, in order; none in code or in a
    list of sources. `sentences` are those of the text.
    """
    skipped = [(start, end) for start, end, kind in blocks(text) if kind in ("code", "source")]
    visible = _INLINE_CODE.sub(lambda code: " " * len(code[0]), _without(text, skipped))
    block_quotes = [match.span() for match in _BLOCK_QUOTE.finditer(visible)]

    quotations = list(_marked(text, _without(visible, block_quotes)))
    for start, end in block_quotes:
        if not _CALLOUT.match(text, start):
            quotations.append(_block_quote(text, start, end))

    long_enough = [
        quotation
        for quotation in sorted(quotations, key=attrgetter("start"))
        if _word_count(text, quotation.start, quotation.end) >= FEWEST_WORDS
    ]
    return list(_with_citations(text, long_enough, sentences))


def own_words(text: str, sentence: ClaimSentence, quotations: Sequence[Quotation]) -> int:
    """The number of words of a sentence outside the quotations."""
    count = 0
    position = sentence.start
    number = bisect_right(quotations, sentence.start, key=attrgetter("outer_start")) - 1
    for quotation in quotations[max(0, number) :]:
        if quotation.outer_start >= sentence.end:
            break
        count += _word_count(text, position, max(position, quotation.outer_start))
        position = max(position, quotation.outer_end)
    return count + _word_count(text, position, max(position, sentence.end))


def _word_count(text: str, start: int, end: int) -> int:
    return len(WORD.findall(text[start:end]))


def _without(text: str, spans: Sequence[Offsets]) -> str:
    """The text with each of these stretches replaced by blank lines of the same length."""
    parts: list[str] = []
    position = 0
    for start, end in spans:
        parts.append(text[position:start])
        parts.append("\n" * (end - start))
        position = end
    return "".join([*parts, text[position:]])


# Between quotation marks


def _marked(text: str, inline: str) -> Iterator[Quotation]:
    """The outermost quotations between marks. `inline` is the text without code and block
    quotes.
    """
    for start, end in _paragraphs(inline):
        for opening, closing, paragraph_end in _outermost(inline, start, end):
            for words_start, words_end in trim(text, opening + 1, closing):
                yield Quotation(
                    start=words_start,
                    end=words_end,
                    outer_start=opening,
                    outer_end=min(closing + 1, paragraph_end),
                )


def _paragraphs(text: str) -> Iterator[Offsets]:
    start = 0
    for gap in _PARAGRAPH_END.finditer(text):
        yield start, gap.start()
        start = gap.end()
    yield start, len(text)


def _outermost(text: str, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(opening mark, end of the quoted words, end of the paragraph) for each quotation of a
    paragraph that is in no other.
    """
    pairs, open_marks = _pairs(text, start, end)
    last_closing = max((closing for _, closing in pairs), default=-1)
    unclosed = [mark for mark in open_marks if mark.offset > last_closing]
    if unclosed:
        closing, end = _closed_later(text, unclosed[0], end)
        if closing is not None:
            pairs.append((unclosed[0].offset, closing))
    pairs += _single(text, start, end, sorted(pairs))

    position = -1
    for opening, closing in sorted(pairs):
        if opening > position:
            yield opening, closing, end
            position = closing


def _pairs(text: str, start: int, end: int) -> tuple[list[Offsets], list[_Mark]]:
    """The pairs of double marks in a paragraph, by their offsets, and the opening marks without a
    closing one.
    """
    pairs: list[Offsets] = []
    open_marks: list[_Mark] = []
    for match in _MARK.finditer(text, start, end):
        mark = _Mark(match[0], match.start())
        may_close = mark.sign != '"' or _closes(text, mark.offset)
        opening = _closed(open_marks, mark.sign) if may_close else None
        if opening is not None:
            pairs.append((opening, mark.offset))
            continue

        is_opening = mark.sign != "”" and (mark.sign not in '"»›' or _opens(text, mark.offset))
        if is_opening and len(open_marks) < _DEEPEST:
            open_marks.append(mark)
    return pairs, open_marks


def _closed_later(text: str, opening: _Mark, end: int) -> tuple[int | None, int]:
    """(end of the quoted words, end of the paragraph) for an opening mark whose paragraph ends at
    `end` without its closing mark; (None, `end`) if it opens no quotation.

    It opens one if the next paragraph begins with the same mark, as in speech of several
    paragraphs, or if the text's next mark is its closing one.
    """
    following = _MARK.search(text, end)
    if not following:
        return None, end
    if not text[end : following.start()].strip():
        return (end if following[0] == opening.sign else None), end
    if following[0] in _CLOSING[opening.sign].replace('"', ""):
        return following.start(), following.end()
    return None, end


def _closed(open_marks: list[_Mark], sign: str) -> int | None:
    """The offset of the opening mark that `sign` closes; inner unclosed ones are dropped."""
    for index in reversed(range(len(open_marks))):
        opening = open_marks[index]
        if sign in _CLOSING[opening.sign]:
            del open_marks[index:]
            return opening.offset
    return None


def _opens(text: str, offset: int) -> bool:
    """Whether a mark that may open or close a quotation opens one."""
    sign_before = text[offset - 1 : offset]
    sign_after = text[offset + 1 : offset + 2]
    return (not sign_before or sign_before.isspace() or sign_before in _BEFORE_OPENING) and bool(
        sign_after.strip()
    )


def _closes(text: str, offset: int) -> bool:
    """Whether a straight mark may close a quotation."""
    return not (text[offset - 1 : offset].isspace() or text[offset + 1 : offset + 2].isalnum())


# Between single marks, which look like apostrophes


def _single(text: str, start: int, end: int, doubles: Sequence[Offsets]) -> Iterator[Offsets]:
    """The quotations in single marks that cross no one in other marks, `doubles`."""
    starts = [opening for opening, _ in doubles]
    for opening, closing in _single_pairs(text, start, end):
        enclosing = doubles[max(0, bisect_right(starts, opening) - 1) :][:1]
        within = doubles[max(0, bisect_right(starts, closing) - 1) :][:1]
        crosses = any(
            (outer_opening < opening < outer_closing) != (outer_opening < closing < outer_closing)
            for outer_opening, outer_closing in (*enclosing, *within)
        )
        if not crosses:
            yield opening, closing


def _single_pairs(text: str, start: int, end: int) -> list[Offsets]:
    """The pairs of single marks, by their offsets.

    The first mark that can be no apostrophe closes one. After "s", as in "the tenants’ rooms", it
    may be one: then the last of these in the sentence counts, if no other mark closes it. Straight
    marks are a part of what is between curly ones.
    """
    last_curly = text.rfind("’", start, end)
    pairs: list[Offsets] = []
    opening: _Mark | None = None
    possessive: int | None = None
    has_ended = False
    for match in _SINGLE.finditer(text, start, end):
        mark = _Mark(match[0], match.start())
        closes = (
            opening and mark.sign in _CLOSING_SINGLE[opening.sign] and _closes(text, mark.offset)
        )
        if opening and closes and not _is_possessive(text, mark.offset):
            pairs.append((opening.offset, mark.offset))
            opening, possessive = None, None
        elif opening and closes:
            is_in_sentence = possessive is None or not (
                has_ended or _SENTENCE_END.search(text, possessive, mark.offset)
            )
            if is_in_sentence:
                possessive = mark.offset
            has_ended = not is_in_sentence
        elif _opens_single(text, mark) and not _is_within(opening, mark, last_curly):
            if opening and possessive is not None:
                pairs.append((opening.offset, possessive))
            opening, possessive = mark, None

    if opening and possessive is not None:
        pairs.append((opening.offset, possessive))
    return pairs


def _is_within(opening: _Mark | None, mark: _Mark, last_curly: int) -> bool:
    """Whether a straight mark is after an opening curly one and before a closing one."""
    is_other = opening is not None and opening.sign == "‘" and mark.sign == "'"
    return is_other and mark.offset < last_curly


def _opens_single(text: str, mark: _Mark) -> bool:
    return (
        mark.sign in _CLOSING_SINGLE
        and _opens(text, mark.offset)
        and not _ELISION.match(text, mark.offset)
    )


def _is_possessive(text: str, offset: int) -> bool:
    """Whether the mark may be the apostrophe of a plural: after "s" and before another word."""
    signs_after = text[offset + 1 : offset + 3]
    return (
        text[offset - 1 : offset] in ("s", "S")
        and signs_after[:1].isspace()
        and signs_after[1:].isalpha()
    )


# In block quotes


def _block_quote(text: str, start: int, end: int) -> Quotation:
    """The block quote without a last line that names its source."""
    stop = start + len(text[start:end].rstrip())
    line = max(start, text.rfind("\n", start, stop) + 1)
    if line > start and _ATTRIBUTION.match(text, line, stop):
        stop = line

    words_start = stop - len(text[start:stop].lstrip(_QUOTE_SIGNS))
    words_end = words_start + len(text[words_start:stop].rstrip(_QUOTE_SIGNS))
    return Quotation(words_start, words_end, outer_start=start, outer_end=end, is_block=True)


# What a quotation cites


def _with_citations(
    text: str, quotations: Sequence[Quotation], sentences: Sequence[ClaimSentence]
) -> Iterator[Quotation]:
    """Each quotation with the marks after it, else those of its sentence. A block quote has those
    of its last line or the line below, else those of the sentence that introduces it.
    """
    starts = [sentence.start for sentence in sentences]
    next_quotations = [quotation.outer_start for quotation in quotations[1:]] + [len(text)]
    for quotation, next_quotation in zip(quotations, next_quotations, strict=False):
        text_before = _before(text, quotation, starts)
        if quotation.is_block:
            text_before = text_before if text_before.rstrip().endswith(":") else ""
            text_after, sentence_rest = _beside(text, quotation), ""
        else:
            end = _sentence_end(text, quotation, starts)
            text_after = text[quotation.outer_end : min(end, next_quotation)]
            sentence_rest = text[quotation.outer_end : end]

        yield replace(
            quotation,
            cited=cited_numbers(text_after)
            or cited_numbers(text_before)
            or cited_numbers(sentence_rest),
            around=f"{_unquoted(text_before)} \n {_unquoted(text_after)}",
        )


def _before(text: str, quotation: Quotation, starts: Sequence[int]) -> str:
    """The text before a quotation in its sentence; the sentences begin at `starts`. A block quote
    has the sentence before it.
    """
    bisect = bisect_left if quotation.is_block else bisect_right
    sentence = bisect(starts, quotation.outer_start) - 1
    sentence_start = starts[sentence] if sentence >= 0 else 0
    start = max(0, quotation.outer_start - _REACH, sentence_start)
    return text[start : quotation.outer_start]


def _sentence_end(text: str, quotation: Quotation, starts: Sequence[int]) -> int:
    """Where the sentence of a quotation ends."""
    following = bisect_left(starts, max(quotation.outer_end, quotation.outer_start + 1))
    return min([*starts[following : following + 1], quotation.outer_end + _REACH, len(text)])


def _beside(text: str, quotation: Quotation) -> str:
    """The last line of a block quote if it names the source, and the line below if that does."""
    has_source = quotation.end < quotation.outer_end
    quoted = text[quotation.start : quotation.outer_end] if has_source else ""
    source = text[quotation.end : quotation.outer_end]
    marks = re.findall(r"\[\^?\d{1,3}\]\W*\Z", quoted)
    line_below = (
        text[quotation.outer_end : quotation.outer_end + 400].lstrip("\n").partition("\n")[0]
    )
    return " ".join([source, *marks[-1:], line_below if _BESIDE.match(line_below) else ""])


def _unquoted(words: str) -> str:
    """The last 1,000 characters without other quotations in straight or curly marks."""
    return re.sub(r"[“\"„«][^“”\"„«»]*+[”\"“»]", " ", words[-_REACH:])

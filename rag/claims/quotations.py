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
_SINGLE_MARK = re.compile(r"[‘’‚']")
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
_SOURCE_BESIDE = re.compile(
    r"(?m)\s{0,4}(?:[—–―(]|--|(?:\[\^?\d[^\]\n]{0,20}\]|【[^】\n]{1,40}】)\s*+$)"
)
"""The start of a line that names the source of the block quote above it."""
_REACH = 1000
"""Characters beside a quotation in which its citation is looked for."""
_REACH_BELOW = 400
"""Characters below a block quote in which its source is looked for."""
_QUOTE_SIGNS = "> \t\r\n"
_BEFORE_OPENING = "([{—–-―*_‘'“«„‹‚\">"
_DEEPEST = 20
"""Quotation marks that wait for their closing marks; inner ones beyond them are ignored."""


class _QuotationMark(NamedTuple):
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
    visible_text = _blank_out(text, skipped)
    visible_text = _INLINE_CODE.sub(lambda code: " " * len(code[0]), visible_text)
    block_quotes = [match.span() for match in _BLOCK_QUOTE.finditer(visible_text)]

    quotations = list(_quotations_in_marks(text, _blank_out(visible_text, block_quotes)))
    for start, end in block_quotes:
        if not _CALLOUT.match(text, start):
            quotations.append(_block_quote(text, start, end))
    quotations.sort(key=attrgetter("start"))

    long_enough = []
    for quotation in quotations:
        if _word_count(text, quotation.start, quotation.end) >= FEWEST_WORDS:
            long_enough.append(quotation)
    return list(_with_citations(text, long_enough, sentences))


def own_words(text: str, sentence: ClaimSentence, quotations: Sequence[Quotation]) -> int:
    """The number of words of a sentence outside the quotations."""
    starts_before = bisect_right(quotations, sentence.start, key=attrgetter("outer_start"))
    count = 0
    position = sentence.start
    for quotation in quotations[max(0, starts_before - 1) :]:
        if quotation.outer_start >= sentence.end:
            break
        if quotation.outer_start > position:
            count += _word_count(text, position, quotation.outer_start)
        position = max(position, quotation.outer_end)
    return count + _word_count(text, position, max(position, sentence.end))


def _word_count(text: str, start: int, end: int) -> int:
    return len(WORD.findall(text[start:end]))


def _blank_out(text: str, spans: Sequence[Offsets]) -> str:
    """The text with each of these stretches replaced by blank lines of the same length."""
    parts: list[str] = []
    position = 0
    for start, end in spans:
        parts.append(text[position:start])
        parts.append("\n" * (end - start))
        position = end
    return "".join([*parts, text[position:]])


# Between quotation marks


def _quotations_in_marks(text: str, inline: str) -> Iterator[Quotation]:
    """The outermost quotations between marks. `inline` is the text without code and block
    quotes.
    """
    for start, end in _paragraphs(inline):
        for opening, closing, paragraph_end in _outermost(inline, start, end):
            outer_end = min(closing + 1, paragraph_end)
            for words_start, words_end in trim(text, opening + 1, closing):
                yield Quotation(words_start, words_end, outer_start=opening, outer_end=outer_end)


def _paragraphs(text: str) -> Iterator[Offsets]:
    """The stretches of a text between blank lines."""
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
        opening_mark = unclosed[0]
        closing, end = _closed_later(text, opening_mark, end)
        if closing is not None:
            pairs.append((opening_mark.offset, closing))

    doubles = sorted(pairs)
    pairs += _spans_in_single_marks(text, start, end, doubles)
    last_closing = -1
    for opening, closing in sorted(pairs):
        if opening > last_closing:
            yield opening, closing, end
            last_closing = closing


def _pairs(text: str, start: int, end: int) -> tuple[list[Offsets], list[_QuotationMark]]:
    """The pairs of double marks in a paragraph, by their offsets, and the opening marks without a
    closing one.
    """
    pairs: list[Offsets] = []
    open_marks: list[_QuotationMark] = []
    for match in _MARK.finditer(text, start, end):
        mark = _QuotationMark(match[0], match.start())
        opening = _matching_mark(open_marks, mark.sign) if _may_close(text, mark) else None
        if opening is not None:
            pairs.append((opening, mark.offset))
        elif len(open_marks) < _DEEPEST and _may_open(text, mark):
            open_marks.append(mark)
    return pairs, open_marks


def _may_close(text: str, mark: _QuotationMark) -> bool:
    """Whether a double mark may close a quotation, by what is beside it."""
    is_straight = mark.sign == '"'
    return not is_straight or _closes_by_spacing(text, mark.offset)


def _may_open(text: str, mark: _QuotationMark) -> bool:
    """Whether a double mark may open a quotation, by its sign and what is beside it."""
    if mark.sign == "”":
        return False
    is_ambiguous = mark.sign in '"»›'
    return not is_ambiguous or _opens_by_spacing(text, mark.offset)


def _closed_later(text: str, opening: _QuotationMark, end: int) -> tuple[int | None, int]:
    """(end of the quoted words, end of the paragraph) for an opening mark whose paragraph ends at
    `end` without its closing mark; (None, `end`) if it opens no quotation.

    It opens one if the next paragraph begins with the same mark, as in speech of several
    paragraphs, or if the text's next mark is its closing one.
    """
    next_mark = _MARK.search(text, end)
    if next_mark is None:
        return None, end

    begins_paragraph = not text[end : next_mark.start()].strip()
    if begins_paragraph:
        goes_on = next_mark[0] == opening.sign
        return (end if goes_on else None), end

    closing_signs = _CLOSING[opening.sign].replace('"', "")
    if next_mark[0] in closing_signs:
        return next_mark.start(), next_mark.end()
    return None, end


def _matching_mark(open_marks: list[_QuotationMark], sign: str) -> int | None:
    """The offset of the opening mark that `sign` closes; inner unclosed ones are dropped."""
    for index in reversed(range(len(open_marks))):
        opening = open_marks[index]
        if sign in _CLOSING[opening.sign]:
            del open_marks[index:]
            return opening.offset
    return None


def _opens_by_spacing(text: str, offset: int) -> bool:
    """Whether a mark that may open or close a quotation opens one."""
    sign_before = text[offset - 1 : offset]
    sign_after = text[offset + 1 : offset + 2]
    is_after_gap = not sign_before or sign_before.isspace() or sign_before in _BEFORE_OPENING
    is_before_word = bool(sign_after.strip())
    return is_after_gap and is_before_word


def _closes_by_spacing(text: str, offset: int) -> bool:
    """Whether a straight mark may close a quotation."""
    sign_before = text[offset - 1 : offset]
    sign_after = text[offset + 1 : offset + 2]
    return not sign_before.isspace() and not sign_after.isalnum()


# Between single marks, which look like apostrophes


def _spans_in_single_marks(
    text: str, start: int, end: int, doubles: Sequence[Offsets]
) -> Iterator[Offsets]:
    """The quotations in single marks that cross no one in other marks, `doubles`."""
    starts = [opening for opening, _ in doubles]
    for opening, closing in _single_pairs(text, start, end):
        around_opening = _last_before(doubles, starts, opening)
        around_closing = _last_before(doubles, starts, closing)
        crosses = False
        for outer_opening, outer_closing in (*around_opening, *around_closing):
            begins_inside = outer_opening < opening < outer_closing
            ends_inside = outer_opening < closing < outer_closing
            if begins_inside != ends_inside:
                crosses = True
        if not crosses:
            yield opening, closing


def _last_before(pairs: Sequence[Offsets], starts: Sequence[int], offset: int) -> Sequence[Offsets]:
    """The last of the pairs, whose starts are given, that begins up to an offset, or the first one;
    none if there are no pairs.
    """
    number = max(0, bisect_right(starts, offset) - 1)
    return pairs[number : number + 1]


def _single_pairs(text: str, start: int, end: int) -> list[Offsets]:
    """The pairs of single marks, by their offsets.

    The first mark that can be no apostrophe closes one. After "s", as in "the tenants’ rooms", it
    may be one: then the last of these in the sentence counts, if no other mark closes it. Straight
    marks are a part of what is between curly ones.
    """
    last_curly = text.rfind("’", start, end)
    pairs: list[Offsets] = []
    opening: _QuotationMark | None = None
    possessive: int | None = None
    has_ended = False
    for match in _SINGLE_MARK.finditer(text, start, end):
        mark = _QuotationMark(match[0], match.start())
        if opening and _closes_single(text, opening, mark):
            if not _is_possessive(text, mark.offset):
                pairs.append((opening.offset, mark.offset))
                opening = None
                possessive = None
            elif possessive is None:
                possessive = mark.offset
                has_ended = False
            else:
                sentence_end = _SENTENCE_END.search(text, possessive, mark.offset)
                has_ended = has_ended or sentence_end is not None
                if not has_ended:
                    possessive = mark.offset
        elif _opens_single(text, mark) and not _is_within(opening, mark, last_curly):
            if opening and possessive is not None:
                pairs.append((opening.offset, possessive))
            opening = mark
            possessive = None

    if opening and possessive is not None:
        pairs.append((opening.offset, possessive))
    return pairs


def _closes_single(text: str, opening: _QuotationMark, mark: _QuotationMark) -> bool:
    """Whether a mark may close the quotation that another one opens."""
    return mark.sign in _CLOSING_SINGLE[opening.sign] and _closes_by_spacing(text, mark.offset)


def _is_within(opening: _QuotationMark | None, mark: _QuotationMark, last_curly: int) -> bool:
    """Whether a straight mark is after an opening curly one and before a closing one."""
    if opening is None or opening.sign != "‘":
        return False
    is_straight = mark.sign == "'"
    return is_straight and mark.offset < last_curly


def _opens_single(text: str, mark: _QuotationMark) -> bool:
    """Whether a single mark may open a quotation: it is not an apostrophe that begins a word."""
    if mark.sign not in _CLOSING_SINGLE or not _opens_by_spacing(text, mark.offset):
        return False
    return not _ELISION.match(text, mark.offset)


def _is_possessive(text: str, offset: int) -> bool:
    """Whether the mark may be the apostrophe of a plural: after "s" and before another word."""
    is_after_s = text[offset - 1 : offset] in ("s", "S")
    if not is_after_s:
        return False
    signs_after = text[offset + 1 : offset + 3]
    return signs_after[:1].isspace() and signs_after[1:].isalpha()


# In block quotes


def _block_quote(text: str, start: int, end: int) -> Quotation:
    """The block quote without a last line that names its source."""
    stop = start + len(text[start:end].rstrip())
    last_line = max(start, text.rfind("\n", start, stop) + 1)
    if last_line > start and _ATTRIBUTION.match(text, last_line, stop):
        stop = last_line

    quoted = text[start:stop].lstrip(_QUOTE_SIGNS)
    words_start = stop - len(quoted)
    words_end = words_start + len(quoted.rstrip(_QUOTE_SIGNS))
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
        text_before = _text_before(text, quotation, starts)
        if quotation.is_block:
            is_introduction = text_before.rstrip().endswith(":")
            text_before = text_before if is_introduction else ""
            text_after = _source_lines(text, quotation)
            sentence_rest = ""
        else:
            end = _sentence_end(text, quotation, starts)
            text_after = text[quotation.outer_end : min(end, next_quotation)]
            sentence_rest = text[quotation.outer_end : end]

        cited: tuple[int, ...] = ()
        for place in (text_after, text_before, sentence_rest):
            cited = cited or cited_numbers(place)
        own_text = f"{_unquoted(text_before)} \n {_unquoted(text_after)}"
        yield replace(quotation, cited=cited, around=own_text)


def _text_before(text: str, quotation: Quotation, starts: Sequence[int]) -> str:
    """The text before a quotation in its sentence; the sentences begin at `starts`. A block quote
    has the sentence before it.
    """
    bisect = bisect_left if quotation.is_block else bisect_right
    number = bisect(starts, quotation.outer_start) - 1
    sentence_start = starts[number] if number >= 0 else 0
    start = max(0, quotation.outer_start - _REACH, sentence_start)
    return text[start : quotation.outer_start]


def _sentence_end(text: str, quotation: Quotation, starts: Sequence[int]) -> int:
    """Where the sentence of a quotation ends."""
    end = min(quotation.outer_end + _REACH, len(text))
    next_sentence = bisect_left(starts, max(quotation.outer_end, quotation.outer_start + 1))
    if next_sentence < len(starts):
        end = min(end, starts[next_sentence])
    return end


def _source_lines(text: str, quotation: Quotation) -> str:
    """The last line of a block quote if it names the source, and the line below if that does."""
    parts = [text[quotation.end : quotation.outer_end]]
    has_source = quotation.end < quotation.outer_end
    if has_source:
        quoted = text[quotation.start : quotation.outer_end]
        marks = re.findall(r"\[\^?\d{1,3}\]\W*\Z", quoted)
        parts += marks[-1:]

    text_below = text[quotation.outer_end : quotation.outer_end + _REACH_BELOW].lstrip("\n")
    line_below = text_below.partition("\n")[0]
    parts.append(line_below if _SOURCE_BESIDE.match(line_below) else "")
    return " ".join(parts)


def _unquoted(words: str) -> str:
    """The last 1,000 characters without other quotations in straight or curly marks."""
    return re.sub(r"[“\"„«][^“”\"„«»]*+[”\"“»]", " ", words[-_REACH:])

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

from rag.claims.markup import cited_numbers
from rag.claims.split import ClaimSentence, blocks
from rag.meaning.sentences import trim
from rag.meaning.words import WORD

FEWEST_WORDS = 4
"""Shorter ones are names, terms and scare quotes."""
_CLOSING = {"“": "”", "„": "“”", "«": "»", "»": "«", "‹": "›", "›": "‹", '"': '"'}
_MARK = re.compile(r"[“”„«»‹›\"]")
_SINGLE = re.compile(r"[‘’‚']")
_CLOSING_SINGLE = {"‘": "’", "‚": "‘’", "'": "'"}
"""Single marks, which are told from apostrophes by what is beside them."""
_ELISION = re.compile(
    r"['‘](?:\d\ds?\b|(?:tis|twas|em|n|til|cause|round|bout|cos)\b)", re.IGNORECASE
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
_Mark = tuple[str, int]
"""(a quotation mark, its offset)"""


@dataclass(frozen=True, slots=True)
class Quotation:
    """`text[start:end]`; `[first, last)` includes its marks. `cited` are the numbers in the
    citation marks that belong to it; `around` are the writer's words in its sentence.
    """

    start: int
    end: int
    first: int
    last: int
    is_block: bool = False
    cited: tuple[int, ...] = ()
    around: str = ""


def find_quotations(text: str, sentences: Sequence[ClaimSentence]) -> list[Quotation]:
    """The outermost quotations of at least `FEWEST_WORDS` words, in order; none in code or in a
    list of sources. `sentences` are those of the text.
    """
    visible = _without(text, [(a, b) for a, b, kind in blocks(text) if kind in ("code", "source")])
    visible = _INLINE_CODE.sub(lambda match: " " * len(match[0]), visible)
    block_quotes = [match.span() for match in _BLOCK_QUOTE.finditer(visible)]
    inline = _without(visible, block_quotes)
    pairs = [pair for start, end in _paragraphs(inline) for pair in _outermost(inline, start, end)]
    quotations = [
        Quotation(*words, opening, min(closing + 1, end))
        for opening, closing, end in pairs
        for words in trim(text, opening + 1, closing)
    ]
    own = (span for span in block_quotes if not _CALLOUT.match(text, span[0]))
    quotations += (_block_quote(text, *span) for span in own)
    in_order = sorted(quotations, key=attrgetter("start"))
    counts = (len(WORD.findall(text[item.start : item.end])) for item in in_order)
    enough = [item for item, count in zip(in_order, counts, strict=True) if count >= FEWEST_WORDS]
    return list(_with_citations(text, enough, sentences))


def own_words(text: str, sentence: ClaimSentence, quotations: Sequence[Quotation]) -> int:
    """The number of words of a sentence outside the quotations."""
    reached, count = sentence.start, 0
    first = max(0, bisect_right(quotations, sentence.start, key=attrgetter("first")) - 1)
    for quotation in quotations[first:]:
        if quotation.first >= sentence.end:
            break
        count += len(WORD.findall(text[reached : max(reached, quotation.first)]))
        reached = max(reached, quotation.last)
    return count + len(WORD.findall(text[reached : max(reached, sentence.end)]))


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The text with each of these stretches replaced by blank lines of the same length."""
    pieces, reached = [], 0
    for start, end in spans:
        pieces += [text[reached:start], "\n" * (end - start)]
        reached = end
    return "".join([*pieces, text[reached:]])


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for gap in _PARAGRAPH_END.finditer(text):
        yield start, gap.start()
        start = gap.end()
    yield start, len(text)


def _outermost(text: str, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(opening mark, end of the quoted words, end of the paragraph) for each quotation that is in
    no other. An opening mark without its closing one counts if the next paragraph begins with it
    too, as in speech of several paragraphs, or if the text's next mark is its closing one.
    """
    open_marks, pairs = list[_Mark](), list[tuple[int, int]]()
    for match in _MARK.finditer(text, start, end):
        mark, offset = match[0], match.start()
        may_close = mark != '"' or _closes(text, offset)
        opening = _closed(open_marks, mark) if may_close else None
        if opening is not None:
            pairs.append((opening, offset))
        elif mark != "”" and (mark not in '"»›' or _opens(text, offset)):
            open_marks += [(mark, offset)] if len(open_marks) < _DEEPEST else []
    last = max((b for _, b in pairs), default=-1)
    unclosed = [(mark, offset) for mark, offset in open_marks if offset > last]
    following_mark = _MARK.search(text, end) if unclosed else None
    if following_mark and not text[end : following_mark.start()].strip():
        pairs += [(unclosed[0][1], end)] if following_mark[0] == unclosed[0][0] else []
    elif following_mark and following_mark[0] in _CLOSING[unclosed[0][0]].replace('"', ""):
        end = following_mark.end()
        pairs.append((unclosed[0][1], following_mark.start()))
    pairs += _single(text, start, end, sorted(pairs))
    reached = -1
    for opening, closing in sorted(pairs):
        if opening > reached:
            yield opening, closing, end
            reached = closing


def _single(
    text: str, start: int, end: int, doubles: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """The quotations in single marks that cross no one in other marks.

    The first mark that can be no apostrophe closes one. After "s", as in "the tenants’ rooms", it
    may be one: then the last of these in the sentence counts, if no other mark closes it.
    """
    opening: _Mark | None = None
    possessive, has_ended = -1, False
    found: list[tuple[int, int]] = []
    for match in _SINGLE.finditer(text, start, end):
        mark, offset = match[0], match.start()
        closes = opening and mark in _CLOSING_SINGLE[opening[0]] and _closes(text, offset)
        if opening and closes and not _is_possessive(text, offset):
            found.append((opening[1], offset))
            opening, possessive = None, -1
        elif opening and closes:
            is_first = possessive < 0
            if is_first or not (has_ended or _SENTENCE_END.search(text, possessive, offset)):
                possessive, has_ended = offset, False
            else:
                has_ended = True
        elif mark in _CLOSING_SINGLE and _opens(text, offset) and not _ELISION.match(text, offset):
            found += [(opening[1], possessive)] if opening and possessive >= 0 else []
            opening, possessive = (mark, offset), -1
    found += [(opening[1], possessive)] if opening and possessive >= 0 else []
    starts = [first for first, _ in doubles]
    for first, last in found:
        around = doubles[max(0, bisect_right(starts, first) - 1) :][:1]
        within = doubles[max(0, bisect_right(starts, last) - 1) :][:1]
        if not any((a < first < b) != (a < last < b) for a, b in (*around, *within)):
            yield first, last


def _is_possessive(text: str, offset: int) -> bool:
    """Whether the mark may be the apostrophe of a plural: after "s" and before another word."""
    after = text[offset + 1 : offset + 3]
    return text[offset - 1 : offset] in ("s", "S") and after[:1].isspace() and after[1:].isalpha()


def _closed(open_marks: list[_Mark], mark: str) -> int | None:
    """The offset of the opening mark that `mark` closes; inner unclosed ones are dropped."""
    for index in reversed(range(len(open_marks))):
        opening, offset = open_marks[index]
        if mark in _CLOSING[opening]:
            del open_marks[index:]
            return offset
    return None


def _opens(text: str, offset: int) -> bool:
    before, after = text[offset - 1 : offset], text[offset + 1 : offset + 2]
    return (not before or before.isspace() or before in _BEFORE_OPENING) and bool(after.strip())


def _closes(text: str, offset: int) -> bool:
    """Whether a straight mark may close a quotation."""
    return not (text[offset - 1 : offset].isspace() or text[offset + 1 : offset + 2].isalnum())


def _block_quote(text: str, start: int, end: int) -> Quotation:
    """The block quote without a last line that names its source."""
    stop = start + len(text[start:end].rstrip())
    line = max(start, text.rfind("\n", start, stop) + 1)
    if line > start and _ATTRIBUTION.match(text, line, stop):
        stop = line
    first = stop - len(text[start:stop].lstrip(_QUOTE_SIGNS))
    last = first + len(text[first:stop].rstrip(_QUOTE_SIGNS))
    return Quotation(first, last, start, end, is_block=True)


def _with_citations(
    text: str, quotations: Sequence[Quotation], sentences: Sequence[ClaimSentence]
) -> Iterator[Quotation]:
    """Each quotation with the marks after it, else those of its sentence. A block quote has those
    of its last line or the line below, else those of the sentence that introduces it.
    """
    starts = [sentence.start for sentence in sentences]
    firsts = [quotation.first for quotation in quotations] + [len(text)]
    for number, quotation in enumerate(quotations):
        index = (bisect_left if quotation.is_block else bisect_right)(starts, quotation.first) - 1
        first = max(0, quotation.first - _REACH, *starts[max(0, index) : index + 1])
        lead = text[first : quotation.first]
        if quotation.is_block:
            lead = lead if lead.rstrip().endswith(":") else ""
            after, further = _beside(text, quotation), ""
        else:
            behind = bisect_left(starts, max(quotation.last, quotation.first + 1))
            limit = min([*starts[behind : behind + 1], quotation.last + _REACH, len(text)])
            further = text[quotation.last : limit]
            after = text[quotation.last : min(limit, firsts[number + 1])]
        cited = cited_numbers(after) or cited_numbers(lead) or cited_numbers(further)
        yield replace(quotation, cited=cited, around=f"{_unquoted(lead)} \n {_unquoted(after)}")


def _beside(text: str, quotation: Quotation) -> str:
    """The last line of a block quote if it names the source, and the line below if that does."""
    below = text[quotation.last : quotation.last + 400].lstrip("\n").partition("\n")[0]
    quoted = text[quotation.start : quotation.last] if quotation.end < quotation.last else ""
    inside = text[quotation.end : quotation.last]
    marks = re.findall(r"\[\^?\d{1,3}\]\W*\Z", quoted)
    return " ".join([inside, *marks[-1:], below if _BESIDE.match(below) else ""])


def _unquoted(words: str) -> str:
    """The last 1,000 characters without other quotations in straight or curly marks."""
    return re.sub(r"[“\"„«][^“”\"„«»]*+[”\"“»]", " ", words[-1000:])

"""Assembles a PDF's lines into text by page: columns in reading order, hyphenated words joined, and
running heads removed.

Columns are found by the recursive X-Y cut (Nagy & Seth 1984): a region is cut at a gutter with
prose on both sides, or else at its widest horizontal gap. Regions that cannot be cut are read from
the top. Headings come from the file's outline, or else from type that is larger or bolder than the
body text.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from statistics import median

from rag.parsing.base import Parsed, Part, list_part, of_pages
from rag.parsing.pdf.aligned_tables import aligned_tables
from rag.parsing.pdf.forms import with_forms
from rag.parsing.pdf.furniture import RunningNames, without_furniture
from rag.parsing.pdf.items import edges_of_items, ends_item, has_room, numbered_items
from rag.parsing.pdf.marks import (
    CELL_BREAK,
    EdgePair,
    Line,
    PdfPage,
    RuledGrid,
    Rules,
    Word,
    grouped,
    height_of,
    rows_of,
    united,
)
from rag.parsing.pdf.outline import OutlineLevels, apply_outline
from rag.parsing.pdf.rows import BULLET, MARKER, PROSE, Extents, is_figure, row_of
from rag.parsing.pdf.ruled_tables import grids, open_grids, ruled_table
from rag.parsing.pdf.tables import PdfColumns, PdfTable
from rag.parsing.tables import TableText, labelled

_MAX_CUTS = 40
_MAX_LINES = 4000
"""A page with more lines is a drawing and is read in file order."""
_LINES_PER_FIGURE = 3
"""A side on which one line in this many is a figure is a part of a table."""
_SENTENCE_END = re.compile(r"[.!?:;\u2026][\"'\u201d\u2019)\]]*\Z")
_LONGEST_HEADING = 150
_LONGEST_BOLD_HEADING = 100
_LONGEST_LABEL = 60
_MAX_LEVELS = 4
_LARGE_SIZE = 1.12
"""Size of type from which on it is large, as a multiple of that of the body."""
_OTHER_SIZE = 0.05
"""The least difference in size between a title and a heading, as a share of the larger."""
_SAME_EDGE = 0.3
"""Tolerance for lines that begin, end or are centred at one place, in font heights."""
_HYPHENS = "-\u2010"
_HYPHENED_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_LETTERS = re.compile(r"[^\W\d_]+")
_COMPANY = re.compile(
    r"(?<![\w.&'\u2019-])(?:[A-Z][\w.&'\u2019-]*,? ){1,5}"
    r"(?:(?i:Inc|Corp|Ltd|Co|S\.A|N\.V)\b\.?|(?i:Corporation|Company|Limited|LLC|PLC|GmbH|AG|SE)\b)"
)
_LONGEST_WORD = 100
_COVER = 3000
"""Number of leading characters to search for a company."""
_MIN_MENTIONS = 3
"""Minimum number of its mentions in the document."""
_TITLE_WITHIN = 400
"""Maximum offset of the document's title."""

Region = list[Line]
"""The lines of one column."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph, or a table: its lines, or its rows as one line each."""

    lines: tuple[str, ...]
    size: float
    bold: bool = False
    table: PdfTable | None = None
    number: str = ""
    """of an item whose number has no sign, as in "1  Close the tap." """


def structured_text(
    pages: list[PdfPage],
    metadata: dict[str, str],
    titles: OutlineLevels | None = None,
    keep_furniture: bool = False,
) -> Parsed:
    """Assemble the lines of the pages into a text with headings; `titles` is the file's outline."""
    names = RunningNames()
    left_out = 0
    if not keep_furniture:
        content, names, characters = without_furniture(pages)
        has_content = any(page.lines for page in content)
        if has_content:
            pages = content
            left_out = characters

    laid_out = _laid_out(pages)
    paragraphs = list(chain.from_iterable(laid_out))
    words = _counts_of_words(paragraphs)
    levels = _Levels(paragraphs)

    parts = [list(_parts(page, levels, words)) for page in laid_out]

    title = _title(chain.from_iterable(parts))
    if title:
        metadata.setdefault("title", title)
    _complete_title(metadata, names, parts)

    with_outline = apply_outline(parts, titles) if titles else None
    parsed = of_pages(
        pages=with_outline or parts,
        metadata=metadata,
        glue=lambda text, continuation: _join_paragraph(text, continuation, words),
    )
    return replace(parsed, left_out=left_out)


def _counts_of_words(paragraphs: Iterable[Paragraph]) -> Counter[str]:
    """How often each word occurs, with hyphens as it is written. The last word of a line does not
    count, because it may be broken.
    """
    words = Counter[str]()
    for paragraph in paragraphs:
        for line in paragraph.lines:
            whole_words = _HYPHENED_WORD.findall(line)[:-1]
            words.update(whole_words)
    return words


# The document's title


def _title(parts: Iterable[Part]) -> str:
    """The first heading, if the document begins with it."""
    length_before = 0
    for part in parts:
        if length_before >= _TITLE_WITHIN:
            return ""
        if part.level:
            return part.text
        length_before += len(part.text)
    return ""


def _complete_title(
    metadata: dict[str, str],
    running: RunningNames,
    pages: Sequence[Sequence[Part]],
) -> None:
    """Add identifiers from running heads to the title, and the company. If the title looks like a
    file name, add a running head instead of the identifiers.
    """
    title = metadata.get("title", "")
    is_file_name = not any(map(str.isspace, title))
    has_head = any(map(str.isalpha, running.head))
    names = list(running.identifiers)
    if is_file_name and has_head:
        names = [running.head]

    company = _company(pages)
    company_word = company.partition(" ")[0].lower()
    known_names = " ".join([title, *names]).lower()
    if company_word not in known_names:
        names.append(company)

    missing_names = [name for name in names if name not in title]
    if title and missing_names:
        metadata["title"] = f"{title} ({', '.join(missing_names)})"


def _company(pages: Sequence[Sequence[Part]]) -> str:
    """The company named on the first page that the document mentions most often."""
    first_page = pages[0] if pages else ()
    cover = "\n".join(part.text for part in first_page)[:_COVER]
    names = dict.fromkeys(match.group() for match in _COMPANY.finditer(cover))
    if not names:
        return ""

    mentions = dict.fromkeys(names, 0)
    text = "\n".join(part.text for page in pages for part in page).lower()
    for name in names:
        mentions[name] = text.count(name.lower())
    company = max(names, key=mentions.__getitem__)
    if mentions[company] < _MIN_MENTIONS:
        return ""
    return company


# Headings and running text


class _Levels:
    """The levels of headings in a document by their type, from 1 for the largest."""

    def __init__(self, paragraphs: Sequence[Paragraph]) -> None:
        self._body = _size_of_body(paragraphs)
        least_size = _LARGE_SIZE * self._body
        larger_sizes: set[float] = set()
        for paragraph in paragraphs:
            size = _size(paragraph)
            if size > least_size and _may_head(paragraph):
                larger_sizes.add(size)

        self._levels: dict[float, int] = {}
        for number, size in enumerate(sorted(larger_sizes, reverse=True), 1):
            self._levels[size] = min(number, _MAX_LEVELS)
        self._bold = min(len(larger_sizes), _MAX_LEVELS) + 1

    def level(self, paragraph: Paragraph, text: str) -> int:
        """The level of a paragraph with this text; 0 if it is no heading."""
        if not _may_head(paragraph):
            return 0

        size = _size(paragraph)
        level = self._levels.get(size)
        if level is not None:
            return level

        is_line = len(text) <= _LONGEST_BOLD_HEADING and text[-1] not in ".,;:"
        is_small_print = size < round(self._body) * 0.95
        if paragraph.bold and is_line and not is_small_print:
            return self._bold
        return 0


def _size_of_body(paragraphs: Iterable[Paragraph]) -> float:
    """The size of type that most characters have."""
    characters = Counter[float]()
    for paragraph in paragraphs:
        characters[_size(paragraph)] += sum(map(len, paragraph.lines))
    if not characters:
        return 0.0
    ((size, _),) = characters.most_common(1)
    return size


def _size(paragraph: Paragraph) -> float:
    """The size of its type, in steps of half a point."""
    return round(paragraph.size * 2) / 2


def _may_head(paragraph: Paragraph) -> bool:
    """Whether a paragraph is short enough for a heading, and not mostly signs or figures."""
    if paragraph.table is not None or paragraph.number:
        return False
    text = " ".join(paragraph.lines)
    if len(text) > _LONGEST_HEADING:
        return False
    letters = sum(map(str.isalpha, text))
    return letters > 1 and letters > len(text) / 3


def _parts(paragraphs: Iterable[Paragraph], levels: _Levels, words: Counter[str]) -> Iterator[Part]:
    """The paragraphs as parts of the document; adjacent items with numbers are one list."""
    items: list[tuple[int, str, str]] = []
    for paragraph in paragraphs:
        if paragraph.number:
            text = _text(paragraph, words).removeprefix(paragraph.number)
            items.append((0, paragraph.number, text.lstrip()))
            continue
        if items:
            yield list_part(items)
            items = []
        yield _part(paragraph, levels, words)
    if items:
        yield list_part(items)


def _part(paragraph: Paragraph, levels: _Levels, words: Counter[str]) -> Part:
    """The paragraph as a part of the document, its lines joined."""
    if paragraph.table:
        return paragraph.table.part
    text = _text(paragraph, words)
    return Part(text, levels.level(paragraph, text))


def _text(paragraph: Paragraph, words: Counter[str]) -> str:
    """The lines of a paragraph as one text."""
    text = paragraph.lines[0]
    for line in paragraph.lines[1:]:
        text = _join_lines(text, line, words)
    return text


def _join_lines(text: str, line: str, words: Counter[str]) -> str:
    """Join two lines; a word broken at a hyphen keeps it only if it is spelt so elsewhere."""
    ends_with_hyphen = len(text) > 1 and text[-1] in _HYPHENS
    is_broken = ends_with_hyphen and text[-2].isalpha() and line[0].islower()
    if not is_broken:
        return f"{text} {line}"

    end_of_text = text[-_LONGEST_WORD - 1 : -1]
    letters_before = _LETTERS.match(end_of_text[::-1])
    beginning = letters_before[0][::-1] if letters_before else ""
    letters_after = _LETTERS.match(line)
    end = letters_after[0] if letters_after else ""

    with_hyphen = words[f"{beginning}-{end}"]
    without_hyphen = words[f"{beginning}{end}"]
    hyphen = "-" if with_hyphen > without_hyphen else ""
    return f"{text[:-1]}{hyphen}{line}"


def _join_paragraph(paragraph: str, continuation: str, words: Counter[str]) -> str | None:
    """Join a paragraph with its continuation in the next column or page; None if it ends."""
    if paragraph[-1] in ".!?:;" or not continuation[0].islower():
        return None
    return _join_lines(paragraph, continuation, words)


# Regions of a page


def _laid_out(pages: Sequence[PdfPage]) -> list[list[Paragraph]]:
    """The paragraphs of each page; a table that continues on the next page keeps its headers."""
    laid_out: list[list[Paragraph]] = []
    columns: PdfColumns | None = None
    for page in pages:
        paragraphs: list[Paragraph] = []
        lines = with_forms(_with_grids(page.lines, page.rules))
        for region in regions(lines):
            for paragraph in paragraphs_of(region, columns, page.rules.across):
                columns = _columns_below(paragraph, columns)
                paragraphs.append(paragraph)

        for line in page.aside:
            text = line.text.replace(CELL_BREAK, " | ")
            paragraphs.append(Paragraph((text,), 1.0))
        laid_out.append(paragraphs)
    return laid_out


def _with_grids(lines: Sequence[Line], rules: Rules) -> list[Line]:
    """The lines, with one line in place of each ruled table."""
    remaining_lines = list(lines)
    if not rules.across or len(lines) > _MAX_LINES:
        return remaining_lines

    words: list[Word] = []
    for line in lines:
        words += line.known_words

    found_grids = [*grids(rules, words), *open_grids(rules, words)]
    for grid in found_grids:
        in_grid: list[Line] = []
        lines_outside: list[Line] = []
        for line in remaining_lines:
            if _is_inside(line, grid):
                in_grid.append(line)
            else:
                lines_outside.append(line)

        has_other_grid = any(line.grid for line in in_grid)
        if in_grid and not has_other_grid:
            remaining_lines = [*lines_outside, _placeholder(grid, in_grid)]
    return remaining_lines


def _placeholder(grid: RuledGrid, lines: Sequence[Line]) -> Line:
    """One line for a ruled table, in the size of the lines inside it."""
    return Line(
        left=grid.edges[0],
        top=grid.heights[0],
        right=grid.edges[-1],
        bottom=grid.heights[-1],
        text=" ",
        size=median(line.size for line in lines),
        grid=grid,
    )


def _is_inside(line: Line, grid: RuledGrid) -> bool:
    """Whether the middle of a line is in a ruled table."""
    x = (line.left + line.right) / 2
    if not grid.edges[0] <= x <= grid.edges[-1]:
        return False
    y = (line.top + line.bottom) / 2
    return grid.heights[0] <= y <= grid.heights[-1]


def regions(lines: Sequence[Line], depth: int = 0) -> list[Region]:
    """The lines of a page in reading order, as regions of one column each."""
    if not lines:
        return []
    uncut = [list(lines)]
    if len(lines) == 1 or len(lines) > _MAX_LINES or depth > _MAX_CUTS:
        return uncut

    sides = _columns_beside_gap(lines)
    if sides:
        left, right = sides
        return regions(left, depth + 1) + regions(right, depth + 1)

    y = _widest_gap(lines)
    if y is None:
        return uncut
    lines_above = [line for line in lines if line.top < y]
    lines_below = [line for line in lines if line.top >= y]
    regions_above = regions(lines_above, depth + 1)
    regions_below = regions(lines_below, depth + 1)
    is_one_column = len(regions_above) == len(regions_below) == 1
    if is_one_column:
        return uncut
    return regions_above + regions_below


def _widest_gap(lines: Sequence[Line]) -> float | None:
    """The lower end of the widest horizontal gap between lines; None without a gap."""
    gaps = _gaps((line.top, line.bottom) for line in lines)
    if not gaps:
        return None
    _, end = max(gaps, key=_width_of_gap)
    return end


def _columns_beside_gap(lines: Sequence[Line]) -> tuple[Region, Region] | None:
    """The columns of prose, which tables are not, on both sides of a vertical gap, the widest of
    them first; None without.
    """
    narrowest = 0.9 * median(line.size for line in lines)
    gaps = _gaps((line.left, line.right) for line in lines)
    gutters = [gap for gap in gaps if _width_of_gap(gap) >= narrowest]
    gutters.sort(key=_width_of_gap, reverse=True)
    for _, x in gutters:
        left = [line for line in lines if line.left < x]
        right = [line for line in lines if line.left >= x]
        if not _is_prose(left, lines) or not _is_prose(right, lines):
            continue
        if _overlap(left, right):
            return left, right
    return None


def _gaps(spans: Iterable[EdgePair]) -> list[EdgePair]:
    """The gaps between spans, which may overlap."""
    gaps: list[EdgePair] = []
    for span, following in pairwise(united(spans)):
        _, end = span
        start, _ = following
        gaps.append((end, start))
    return gaps


def _width_of_gap(gap: EdgePair) -> float:
    """The distance from its start to its end."""
    start, end = gap
    return end - start


def _is_prose(side: Region, page: Sequence[Line]) -> bool:
    """Whether several rows fill a wide side that is neither figures nor centred bold headers."""
    left_edges = {round(line.left) for line in side}
    is_centred = 2 * len(left_edges) > len(side)
    if is_centred and all(line.bold for line in side):
        return False

    figures = sum(_has_only_figures(line) for line in side)
    if _LINES_PER_FIGURE * figures >= len(side):
        return False

    side_rows = rows_of(side)
    width = _width(side)
    is_wide = width > 0.2 * _width(page)
    if len(side_rows) < 3 or not is_wide:
        return False

    widths_of_text: list[float] = []
    for row in side_rows:
        width_of_text = sum(line.right - line.left for line in row)
        widths_of_text.append(width_of_text)
    return median(widths_of_text) > 0.6 * width


def _has_only_figures(line: Line) -> bool:
    """Whether a line is a figure, or several in a row."""
    return is_figure(line.text) or all(map(is_figure, line.text.split()))


def _width(lines: Sequence[Line]) -> float:
    """The distance from the leftmost edge to the rightmost."""
    left = min(line.left for line in lines)
    right = max(line.right for line in lines)
    return right - left


def _overlap(left: Region, right: Region) -> bool:
    """Whether they overlap in a good part of the height of the shorter one."""
    left_top, left_bottom = height_of(left)
    right_top, right_bottom = height_of(right)
    shared_height = min(left_bottom, right_bottom) - max(left_top, right_top)
    shorter = min(left_bottom - left_top, right_bottom - right_top)
    return shared_height > 0.4 * shorter


# Paragraphs and tables of a region


def paragraphs_of(
    region: Region,
    columns_above: PdfColumns | None = None,
    rules: Extents = (),
) -> Iterator[Paragraph]:
    """The paragraphs and tables of a column. `columns_above` are those of the last table above,
    `rules` the page's horizontal rules.
    """
    text: list[Line] = []
    placeholders: list[Line] = []
    for line in region:
        if line.grid:
            placeholders.append(line)
        else:
            text.append(line)
    placeholders.sort(key=lambda line: line.top)

    for placeholder in placeholders:
        middle = placeholder.top + placeholder.bottom
        lines_above: list[Line] = []
        lines_below: list[Line] = []
        for line in text:
            if line.top + line.bottom < middle:
                lines_above.append(line)
            else:
                lines_below.append(line)
        text = lines_below
        for paragraph in _unruled(lines_above, columns_above, rules):
            columns_above = _columns_below(paragraph, columns_above)
            yield paragraph
        if placeholder.grid:
            rows_above = [row_of(row) for row in rows_of(lines_above)]
            table = ruled_table(placeholder.grid, rows_above, columns_above)
            columns_above = table.columns
            yield _of_table(table, placeholder.size)
    yield from _unruled(text, columns_above, rules)


def _columns_below(paragraph: Paragraph, columns_above: PdfColumns | None) -> PdfColumns | None:
    """The columns of a table below: the paragraph's, else `columns_above`, unless it is prose."""
    if paragraph.table and paragraph.table.columns:
        return paragraph.table.columns
    words = sum(len(line.split()) for line in paragraph.lines)
    if words > PROSE:
        return None
    return columns_above


def _unruled(
    region: Region, columns_above: PdfColumns | None, rules: Extents
) -> Iterator[Paragraph]:
    """The paragraphs and tables of lines that no rules separate."""
    lines_by_row = rows_of(region)
    rows = [row_of(lines) for lines in lines_by_row]
    end = 0
    for table in aligned_tables(rows, columns_above, rules):
        yield from _paragraphs(lines_by_row[end : table.begin], region)
        lines = chain.from_iterable(lines_by_row[table.begin : table.end])
        size = median(line.size for line in lines)
        yield _of_table(table, size)
        end = table.end
    yield from _paragraphs(lines_by_row[end:], region)


def _paragraphs(lines_by_row: Sequence[list[Line]], region: Region) -> Iterator[Paragraph]:
    """Paragraphs, and tables recognised by gaps in their rows."""
    if not lines_by_row:
        return
    lines = [_merged_row(row) for row in lines_by_row]
    distances = [line_below.top - line_above.bottom for line_above, line_below in pairwise(lines)]
    pitch = median(distances) if distances else 0.0
    left = min(line.left for line in region)
    right = max(line.right for line in region)
    usual_size = _usual_size(lines)
    item_edges = edges_of_items(lines)

    def goes_on(group: list[Line], line: Line) -> bool:
        if ends_item(group, line, item_edges, right):
            return False
        if _begins_heading(group[-1], line, usual_size, right - left):
            return False
        return not _begins_paragraph(group[-1], line, pitch, left, right)

    reached = 0
    for begin, end, number in numbered_items(lines):
        for group in grouped(lines[reached:begin], goes_on):
            yield _paragraph(group)
        texts = tuple(line.text.replace(CELL_BREAK, " ") for line in lines[begin:end])
        yield Paragraph(texts, lines[begin].size, number=number)
        reached = end
    for group in grouped(lines[reached:], goes_on):
        yield _paragraph(group)


def _usual_size(lines: Sequence[Line]) -> float:
    """The size of type that most characters of these lines have."""
    characters = Counter[float]()
    for line in lines:
        characters[line.size] += len(line.text)
    ((size, _),) = characters.most_common(1)
    return size


def _merged_row(row: list[Line]) -> Line:
    """The lines of a row as one, with a cell for each; the marker of an item is no cell."""
    top, bottom = height_of(row)
    first_line = row[0]
    is_item = len(row) == 2 and MARKER.fullmatch(first_line.text)
    separator = " " if is_item else CELL_BREAK
    words = chain.from_iterable(line.words for line in row)
    widest = max(row, key=lambda line: line.right - line.left)
    return Line(
        left=first_line.left,
        top=top,
        right=max(line.right for line in row),
        bottom=bottom,
        text=separator.join(line.text for line in row),
        size=widest.size,
        bold=all(line.bold for line in row),
        words=tuple(words),
        form=any(line.form for line in row),
    )


def _is_row(line: Line) -> bool:
    """Whether a line is a row of a form or of a table."""
    return line.form or CELL_BREAK in line.text


def _begins_heading(line_above: Line, line: Line, usual_size: float, width: float) -> bool:
    """Whether one of two lines in large or bold type is a title and the other one a heading, or
    another line of the title page. They differ a little in size, or are not aligned with each
    other. A word of the second would have had room beside the first.
    """
    goes_on = line.text[0].islower() or line_above.text[-1] in f",{_HYPHENS}"
    if goes_on or _is_row(line_above) or _is_row(line):
        return False

    if not has_room(line_above, line, width):
        return False

    larger_size = max(line_above.size, line.size)
    are_bold = line_above.bold and line.bold
    if larger_size - min(line_above.size, line.size) > _OTHER_SIZE * larger_size:
        return larger_size > usual_size or are_bold
    are_large = min(line_above.size, line.size) > _LARGE_SIZE * usual_size
    return (are_large or are_bold) and not _are_aligned(line_above, line)


def _are_aligned(line_above: Line, line: Line) -> bool:
    """Whether two lines begin, end or have their middle at one place; the second may also begin
    below a word of the first.
    """
    tolerance = _SAME_EDGE * line.size
    lefts = [line_above.left, *(word.left for word in line_above.words)]
    if any(abs(left - line.left) < tolerance for left in lefts):
        return True
    if abs(line_above.right - line.right) < tolerance:
        return True
    distance_of_middles = abs(line_above.left + line_above.right - line.left - line.right) / 2
    return distance_of_middles < tolerance


def _begins_paragraph(
    line_above: Line,
    line: Line,
    pitch: float,
    left: float,
    right: float,
) -> bool:
    """`pitch` is the usual distance of lines, `left` and `right` are the edges of the column."""
    size = max(line_above.size, line.size)
    gap = line.top - line_above.bottom
    is_far = gap > max(pitch, 0.0) + 0.35 * size
    has_other_size = abs(line_above.size - line.size) > 0.12 * size
    if is_far or has_other_size:
        return True

    if _is_row(line_above) or _is_row(line):
        return _is_row(line_above) != _is_row(line)

    ends_sentence = bool(_SENTENCE_END.search(line_above.text))
    has_other_weight = line_above.bold != line.bold
    if has_other_weight and (line_above.bold or ends_sentence):
        return True
    if BULLET.match(line.text):
        return True
    if not ends_sentence:
        return False

    is_short = line_above.right < right - 0.2 * (right - left)
    if is_short:
        return True
    is_indented = line.left > line_above.left + 0.8 * size
    is_above_at_edge = line_above.left < left + 0.5 * size
    return is_indented and is_above_at_edge and not BULLET.match(line_above.text)


def _paragraph(lines: Sequence[Line]) -> Paragraph:
    """The lines as a paragraph, or as a table if they are rows."""
    size = median(line.size for line in lines)
    bold = all(line.bold for line in lines)
    if not _is_row(lines[0]):
        texts = tuple(line.text for line in lines)
        return Paragraph(texts, size, bold)

    rows = [_labelled(line) for line in lines]
    numbers: dict[str, int] = {"": -1}
    """by label, its column; a cell without a label has none"""
    for row in rows:
        for label, _ in row:
            if label not in numbers:
                numbers[label] = len(numbers) - 1
    labels = [label for label in numbers if label]

    text = TableText()
    text.name_columns(labels)
    for row in rows:
        cells = [(numbers[label], cell) for label, cell in row]
        text.row(labelled(cells, labels))
    return _of_table(PdfTable(text.part()), size, bold)


def _of_table(table: PdfTable, size: float, bold: bool = False) -> Paragraph:
    """A table in the place of a paragraph, with type of this size."""
    lines = table.part.text.split("\n")
    return Paragraph(tuple(lines), size, bold, table)


def _labelled(line: Line) -> list[tuple[str, str]]:
    """Each cell after its label: that of a form, a cell before it with a colon, or ""."""
    cells: list[tuple[str, str]] = []
    for text in line.text.split(CELL_BREAK):
        if not text.strip():
            continue
        if line.form:
            cells.append(_form_cell(text))
            continue

        label, last_text = cells[-1] if cells else ("", "")
        is_after_label = not label and last_text.endswith(":") and not text.endswith(":")
        if not is_after_label:
            cells.append(("", text))
        elif len(last_text) <= _LONGEST_LABEL and last_text[:-1] != text:
            cells[-1] = (last_text[:-1], text)
        else:
            cells[-1] = ("", f"{last_text} {text}")
    return cells


def _form_cell(text: str) -> tuple[str, str]:
    """The label and the value of a cell such as "Seats: 4"; without a label, ("", text)."""
    label, colon, value = text.partition(": ")
    has_label = colon and value and label != value and len(label) <= _LONGEST_LABEL
    if not has_label:
        return "", text
    return label, value

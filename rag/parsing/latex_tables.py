"""Tables in LaTeX, as converters and OCR write them into Markdown.

They are `tabular` and its relatives, alone or in a `table` with a caption.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rag.parsing.base import Part, one_line
from rag.parsing.tables import MOST_SPANNED, SpanningCell, SpanningRows, header_rows

FLOATS = r"table\*?|wraptable|sidewaystable"
GRIDS = r"tabular[*xy]?|tabulary|longtable|array"
_GRID = re.compile(rf"\\begin\{{({GRIDS})\}}")
_CAPTION = re.compile(r"\\caption\*?(?:\[[^\]]*\])?\{")
_RULE = re.compile(
    r"\s*(?:\\(?P<full>hline|toprule|midrule|bottomrule)(?:\[[^\]]*\])?(?![a-z])"
    r"|\\(?:cline|cmidrule(?:\[[^\]]*\])?(?:\([^)]*\))?|rowcolor|arrayrulecolor|specialrule)"
    r"(?:\[[^\]]*\])?\{[^{}]*\}(?:\{[^{}]*\})*"
    r"|\\(?:endhead|endfirsthead|endfoot|endlastfoot|addlinespace|noalign|centering)(?:\[[^\]]*\])?(?![a-z]))"
)
_MULTICOLUMN = re.compile(
    r"\s*\\multicolumn\s*\{\s*(\d{1,4})\s*\}\s*\{(?:[^{}]|\{[^{}]*\})*\}\s*\{(.*)\}\s*", re.DOTALL
)
_MULTIROW = re.compile(
    r"\s*\\multirow\s*(?:\[[^\]]*\])?\{\s*(-?\d{1,4})\s*\}\s*(?:\[[^\]]*\])?\{[^{}]*\}"
    r"(?:\[[^\]]*\])?\s*\{(.*)\}\s*",
    re.DOTALL,
)
_WRAPPED = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|sc|normal|color\{[^{}]*\})?|emph|underline|math(?:bf|rm|it|sf)|mbox"
    r"|makecell|shortstack|thead|operatorname|color\{[^{}]*\}|footnotesize|small)(?:\[[^\]]*\])?"
    r"\s*\{([^{}]*)\}"
)
"""A macro whose argument is shown."""
_DROPPED = re.compile(
    r"\\(?:label|footnotemark|cite|ref|vspace|hspace|rule|phantom)\*?(?:\[[^\]]*\])?\{[^{}]*\}(?:\{[^{}]*\})?"
    r"|\\(?:centering|raggedright|bf|bfseries|it|itshape|small|footnotesize|scriptsize|tiny|normalsize"
    r"|large|quad|qquad|hfill|left|right|displaystyle)(?![a-zA-Z])|\\[,;:!]|%(?=\n)"
)
_SIGNS = {
    "times": "×",
    "pm": "±",
    "leq": "≤",
    "geq": "≥",
    "le": "≤",
    "ge": "≥",
    "cdot": "·",
    "pounds": "£",
    "euro": "€",
    "textsterling": "£",
    "texteuro": "€",
    "checkmark": "✓",
    "ldots": "…",
    "dots": "…",
    "textendash": "–",
    "textemdash": "—",
    "degree": "°",
}
_SIGN = re.compile(rf"\\(?P<name>{'|'.join(_SIGNS)})(?![a-zA-Z])(?:\{{\}})?")
_MATH_OR_BRACE = re.compile(r"(?<!\\)\$|(?<!\\)[{}]")
_ESCAPED = re.compile(r"\\([&%$#_{}])")
_AFTER_ROW = re.compile(r"\*?(?:\s?\[-?[\d.]+ ?[a-z]*\])?")
"""A star or a distance after the two backslashes that end a row."""
_LONGEST_CELL = 5_000
_NESTED = 8
"""Levels of macros in macros that are read."""


def latex_parts(source: str) -> Iterator[Part]:
    """The tables of a LaTeX environment, each named by its caption."""
    caption = _caption(source)
    place = 0
    while True:
        begin = _GRID.search(source, place)
        if begin is None:
            return
        name = begin[1]
        end = source.find(f"\\end{{{name}}}", begin.end())
        if end < 0:
            end = len(source)
        body = _without_arguments(source[begin.end() : end], name)
        yield _part(list(_rows(body)), caption)
        place = end


def _caption(source: str) -> str:
    """The caption of a table; "" without one."""
    match = _CAPTION.search(source)
    if match is None:
        return ""
    end = _closing_brace(source, match.end())
    return _without_macros(source[match.end() : end])


def _closing_brace(text: str, start: int) -> int:
    """Where the brace that is open at `start` closes, at most some thousand characters on."""
    depth = 1
    limit = min(len(text), start + _LONGEST_CELL)
    for place in range(start, limit):
        is_escaped = text[place - 1] == "\\"
        if not is_escaped:
            depth += _step(text[place])
        if depth == 0:
            return place
    return limit


def _step(sign: str) -> int:
    """How many braces more are open after a character."""
    if sign == "{":
        return 1
    if sign == "}":
        return -1
    return 0


def _without_arguments(body: str, name: str) -> str:
    """The rows of a grid, without its position and the kinds of its columns."""
    body = re.sub(r"^\s*\[[^\]]*\]", "", body)
    has_width = name in ("tabularx", "tabular*", "tabulary")
    for _ in range(2 if has_width else 1):
        stripped = body.lstrip()
        if stripped.startswith("{"):
            body = stripped[_closing_brace(stripped, 1) + 1 :]
    return body


def _rows(body: str) -> Iterator[tuple[str, list[SpanningCell]]]:
    """(the rule above it, cells) of each row with text."""
    for row in _split_outside_braces(body):
        rule = ""
        match = _RULE.match(row)
        while match:
            rule = match["full"] or rule
            row = row[match.end() :]
            match = _RULE.match(row)
        cells = [_cell(text) for text in _split_outside_braces(row, "&")]
        if any(cell.words for cell in cells):
            yield rule, cells


def _split_outside_braces(text: str, by: str = "\\\\") -> Iterator[str]:
    """The text between row ends (two backslashes) or "&", which may be inside braces."""
    start = 0
    place = 0
    depth = 0
    while place < len(text):
        if depth == 0 and text.startswith(by, place):
            yield text[start:place]
            place += len(by)
            row_end = _AFTER_ROW.match(text, place) if by != "&" else None
            if row_end:
                place = row_end.end()
            start = place
            continue

        sign = text[place]
        if sign == "\\":  # with the character that it escapes
            place += 2
            continue
        depth = max(0, depth + _step(sign))
        place += 1
    yield text[start:]


def _cell(text: str) -> SpanningCell:
    """A cell with its words, and the rows and columns that it spans."""
    rows = 1
    columns = 1
    over_columns = _MULTICOLUMN.fullmatch(text)
    if over_columns:
        columns = _cell_span(over_columns[1])
        text = over_columns[2]
    over_rows = _MULTIROW.fullmatch(text)
    if over_rows:
        rows = _cell_span(over_rows[1])
        text = over_rows[2]
    words = _without_macros(text).split()
    return SpanningCell(words, rows=rows, columns=columns)


def _cell_span(number: str) -> int:
    """The number of rows or columns of a cell, within limits."""
    return min(MOST_SPANNED, max(1, int(number)))


def _without_macros(text: str) -> str:
    """The text without macros; what is unknown stays as it is."""
    text = text[:_LONGEST_CELL]
    for _ in range(_NESTED):
        text, count = _WRAPPED.subn(r"\1", text)
        if not count:
            break

    text = _DROPPED.sub(" ", text)
    text = _SIGN.sub(lambda match: _SIGNS[match["name"]], text)
    text = text.replace("\\\\", " ").replace("~", " ")
    text = _MATH_OR_BRACE.sub("", text)
    text = _ESCAPED.sub(r"\1", text)
    text = text.replace("---", "—").replace("--", "–")
    return one_line(text)


def _part(rows: list[tuple[str, list[SpanningCell]]], caption: str) -> Part:
    """The rows, each with the rule above it, as a table under its caption and its titles."""
    rules = [rule for rule, _ in rows]
    cells = _without_covered([row for _, row in rows])
    names = [caption] if caption else []

    titles = 0
    while titles < len(cells) - 1 and _is_title(cells[titles]):
        title = cells[titles][0].text
        names.append(title)
        titles += 1
    rules = rules[titles:]
    cells = cells[titles:]

    headers = _rows_above_rule(rules) or header_rows(cells)
    table = SpanningRows()
    for name in names:
        table.table.caption(name)
    for number, row in enumerate(cells):
        for cell in row:
            cell.is_header = number < headers
        table.add(row)
    return table.table.part(tuple(names))


def _rows_above_rule(rules: list[str]) -> int:
    """The number of rows above the rule between headers and body; 0 without one near the top."""
    for number, rule in enumerate(rules[:4]):
        if number and rule == "midrule":
            return number
    return 0


def _without_covered(rows: list[list[SpanningCell]]) -> list[list[SpanningCell]]:
    """The rows without the empty cells below one that spans rows, which LaTeX needs."""
    rows_left: dict[int, int] = {}
    kept_rows: list[list[SpanningCell]] = []
    for row in rows:
        cells: list[SpanningCell] = []
        column = 0
        for cell in row:
            end = column + cell.columns
            is_covered = rows_left.get(column, 0) > 0 and not cell.words
            if is_covered:
                for covered_column in range(column, end):
                    rows_left[covered_column] = rows_left.get(covered_column, 0) - 1
            else:
                for covered_column in range(column, end):
                    rows_left[covered_column] = cell.rows - 1
                cells.append(cell)
            column = end
        kept_rows.append(cells)
    return kept_rows


def _is_title(row: list[SpanningCell]) -> bool:
    """Whether the row is one cell over several columns."""
    return len(row) == 1 and row[0].columns > 1

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
    while match := _GRID.search(source, place):
        end = source.find(f"\\end{{{match[1]}}}", match.end())
        end = len(source) if end < 0 else end
        body = _without_arguments(source[match.end() : end], match[1])
        yield _part(list(_rows(body)), caption)
        place = end


def _caption(source: str) -> str:
    match = _CAPTION.search(source)
    if match is None:
        return ""
    end = _closing(source, match.end())
    return _plain(source[match.end() : end])


def _closing(text: str, start: int) -> int:
    """Where the brace that is open at `start` closes, at most some thousand characters on."""
    depth = 1
    for place in range(start, min(len(text), start + _LONGEST_CELL)):
        is_escaped = text[place - 1] == "\\"
        depth += 0 if is_escaped else (text[place] == "{") - (text[place] == "}")
        if depth == 0:
            return place
    return min(len(text), start + _LONGEST_CELL)


def _without_arguments(body: str, name: str) -> str:
    """The rows of a grid, without its position and the kinds of its columns."""
    body = re.sub(r"^\s*\[[^\]]*\]", "", body)
    for _ in range(2 if name in ("tabularx", "tabular*", "tabulary") else 1):
        stripped = body.lstrip()
        if stripped.startswith("{"):
            body = stripped[_closing(stripped, 1) + 1 :]
    return body


def _rows(body: str) -> Iterator[tuple[str, list[SpanningCell]]]:
    """(the rule above it, cells) of each row with text."""
    for row in _split(body):
        rule = ""
        while match := _RULE.match(row):
            rule = match["full"] or rule
            row = row[match.end() :]
        cells = [_cell(text) for text in _split(row, "&")]
        if any(cell.words for cell in cells):
            yield rule, cells


def _split(text: str, by: str = "\\\\") -> Iterator[str]:
    """The text between row ends (two backslashes) or "&", which may be inside braces."""
    start = place = depth = 0
    while place < len(text):
        sign = text[place]
        if depth == 0 and text.startswith(by, place):
            yield text[start:place]
            place += len(by)
            if by != "&" and (match := _AFTER_ROW.match(text, place)):
                place = match.end()
            start = place
            continue
        if sign == "\\":
            place += 2
            continue
        depth = max(0, depth + (sign == "{") - (sign == "}"))
        place += 1
    yield text[start:]


def _cell(text: str) -> SpanningCell:
    rows = columns = 1
    if match := _MULTICOLUMN.fullmatch(text):
        columns, text = min(MOST_SPANNED, max(1, int(match[1]))), match[2]
    if match := _MULTIROW.fullmatch(text):
        rows, text = min(MOST_SPANNED, max(1, int(match[1]))), match[2]
    return SpanningCell(_plain(text).split(), rows=rows, columns=columns)


def _plain(text: str) -> str:
    """The text without macros; what is unknown stays as it is."""
    text = text[:_LONGEST_CELL]
    for _ in range(_NESTED):
        text, count = _WRAPPED.subn(r"\1", text)
        if not count:
            break
    text = _SIGN.sub(lambda match: _SIGNS[match["name"]], _DROPPED.sub(" ", text))
    text = re.sub(r"(?<!\\)\$|(?<!\\)[{}]", "", text.replace("\\\\", " ").replace("~", " "))
    return one_line(_ESCAPED.sub(r"\1", text).replace("---", "—").replace("--", "–"))


def _part(rows: list[tuple[str, list[SpanningCell]]], caption: str) -> Part:
    rules, cells = [rule for rule, _ in rows], _without_covered([row for _, row in rows])

    table = SpanningRows()
    names = [caption] if caption else []

    while len(cells) > 1 and _is_title(cells[0]):
        names.append(cells[0][0].text)
        rules, cells = rules[1:], cells[1:]

    for name in names:
        table.table.caption(name)

    headers = next((n for n in range(1, min(4, len(rules))) if rules[n] == "midrule"), 0)
    headers = headers or header_rows(cells)

    for number, row in enumerate(cells):
        for cell in row:
            cell.is_header = number < headers
        table.add(row)

    return table.table.part(tuple(names))


def _without_covered(rows: list[list[SpanningCell]]) -> list[list[SpanningCell]]:
    """The rows without the empty cells below one that spans rows, which LaTeX needs."""
    rows_left: dict[int, int] = {}
    kept: list[list[SpanningCell]] = []
    for row in rows:
        column, cells = 0, list[SpanningCell]()
        for cell in row:
            is_covered = rows_left.get(column, 0) > 0 and not cell.words
            for covered in range(column, column + cell.columns):
                rows_left[covered] = rows_left.get(covered, 0) - 1 if is_covered else cell.rows - 1
            cells += [] if is_covered else [cell]
            column += cell.columns
        kept.append(cells)
    return kept


def _is_title(row: list[SpanningCell]) -> bool:
    """Whether the row is one cell over several columns."""
    return len(row) == 1 and row[0].columns > 1

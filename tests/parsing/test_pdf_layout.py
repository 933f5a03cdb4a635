import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.parsing.pdf.layout import paragraphs_of as paragraphs
from rag.parsing.pdf.layout import regions
from rag.parsing.pdf.marks import Line


def test_narrow_cells_are_not_columns() -> None:
    cells = (("a", 50), ("b", 300))
    lines = [Line(x, 12 * n, x + 40, 12 * n + 10, f"{a}{n}") for a, x in cells for n in range(6)]
    (region,) = regions(lines)
    (table,) = paragraphs(region)
    assert table.lines == tuple(f"a{n} | b{n}" for n in range(6))


def test_headers_of_several_lines_are_not_columns_of_prose() -> None:
    lines = [
        Line(column_start + 4 * n, 12 * n, column_start + 90 - 4 * n, 12 * n + 10, text, bold=True)
        for column_start in (50, 200, 350)
        for n, text in enumerate(("Number of shares", "sold to the", "public"))
    ]
    assert len(regions(lines)) == 1


@settings(max_examples=80)
@given(st.lists(st.tuples(*[st.integers(0, 60)] * 4), max_size=40))
@example([(0, 0, 0, 0), (0, 0, 2, 0), (0, 1, 0, 0), (0, 2, 0, 0), (1, 1, 0, 0), (1, 2, 0, 0)])
def test_no_line_is_lost_or_doubled(boxes: list[tuple[int, int, int, int]]) -> None:
    lines = [Line(x, y, x + w, y + h + 1, str(n), h + 1) for n, (x, y, w, h) in enumerate(boxes)]
    parts = [part for region in regions(lines) for part in paragraphs(region)]
    rows = (line for part in parts for line in part.lines)
    cells = [re.sub(r"[\d ]+: |\|", "", row) for row in rows]  # without headers
    assert sorted(" ".join(cells).split(), key=int) == [line.text for line in lines]

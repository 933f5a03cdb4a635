"""Tables on sixty pages are stored as they are written."""

import pytest

from tests.parsing.reading import load_bytes
from tests.parsing.table_pages import FORMATS, mistake, pages, stored_cells
from tests.parsing.test_blocks import check

LEAST_SHARE = 0.97
"""Of the cells of each format."""


@pytest.mark.parametrize("kind", FORMATS)
def test_cells_have_their_row_column_and_unit(kind: str) -> None:
    count = 0
    mistakes: list[str] = []
    for page_kind, way, table, content in pages():
        if page_kind != kind:
            continue
        (document,) = load_bytes(f"page.{kind}", content)
        check(document)
        cells = stored_cells(document)
        for expected in table.expected():
            count += 1
            wrong = mistake(expected, cells)
            if wrong:
                mistakes.append(f"{way}, {table.name}: {expected}: {wrong}")
    assert count > 150
    assert len(mistakes) <= (1 - LEAST_SHARE) * count, "\n".join(mistakes)

"""Tables in HTML and LaTeX inside Markdown, as converters and OCR write them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.parsing.base import Parsed
from rag.parsing.markdown import parse
from rag.structure import heading_path
from tests.parsing.reading import load_bytes
from tests.parsing.test_blocks import check

Rows = list[dict[str, str]]


def rows(parsed: Parsed) -> Rows:
    """Each row of the tables as its texts by the names of the columns, read at their offsets."""
    texts_by_column = []
    for block in parsed.blocks:
        if block.kind == "row":
            columns = parsed.blocks[block.parent].columns
            texts_by_column.append(
                {
                    columns[cell.column].name: parsed.text[cell.start : cell.end]
                    for cell in block.cells
                }
            )
    return texts_by_column


SALES = [{"Item": "Sales", "2023": "$1,234", "2022": "(56)"}]


@pytest.mark.parametrize(
    "source",
    [
        "<table>\n<tr><td>Item</td><td>2023</td><td>2022</td></tr>\n\n"
        "<tr><td>Sales</td>\n\n<td>$1,234</td><td>(56)</td></tr>\n</table>",
        "See <table><thead><tr><td>Item</td><td>2023</td><td>2022</td></tr></thead>"
        "<tr><td>Sales</td><td>$1,234</td><td>(56)</td></tr></table> below.",
        "<div align='center'>\n<table>\n<tr><th>Item<th>2023<th>2022\n\n"
        "<tr><td>Sales<td>$1,234<td>(56)\n</table>\n</div>\n\nAfter.",
        "> <table><tr><td>Item</td><td>2023</td><td>2022</td></tr>\n"
        "> <tr><td>Sales</td><td>$1,234</td><td>(56)</td></tr></table>",
        "\\begin{tabular}{|l|r|r|} \\hline Item & 2023 & 2022 \\\\ \\hline\n"
        "Sales & \\$1,234 & (56) \\\\ \\hline \\end{tabular}",
        "Text\n\\begin{table}[h]\\centering\n\\begin{tabular}{lrr}\n\\toprule\n"
        "\\textbf{Item} & 2023 & 2022 \\\\ \\midrule\n\n"
        "Sales & \\$1,234 & (56)\\\\[2pt] \\bottomrule\n"
        "\\end{tabular}\n\\end{table}",
        "$$\n\\begin{array}{|l|l|l|}\\hline \\text{Item} & 2023 & 2022 \\\\ \\hline\n"
        "\\text{Sales} & \\$ 1,234 & (56) \\\\ \\hline\\end{array}\n$$",
    ],
)
def test_a_table_has_columns_and_rows(source: str) -> None:
    normalized = [
        {name: text.replace("$ ", "$") for name, text in row.items()} for row in rows(parse(source))
    ]
    assert normalized == SALES


@pytest.mark.parametrize(
    "source",
    [
        "<table><tr><td rowspan=2>Item</td><td colspan=2>Year ended</td></tr>"
        "<tr><td>2023</td><td>2022</td></tr>"
        "<tr><td rowspan=2>Costs</td><td>5</td><td>6</td></tr>"
        "<tr><td>7</td><td>8</td></tr></table>",
        "\\begin{tabular}{lcc}\n\\multirow{2}{*}{Item} & \\multicolumn{2}{c}{Year ended} \\\\"
        "\\cmidrule(lr){2-3}\n & 2023 & 2022 \\\\ \\hline\n"
        "\\multirow{2}{*}{\\emph{Costs}} & 5 & 6 \\\\\n & 7 & 8 \\\\\n\\end{tabular}",
    ],
)
def test_cells_that_span_rows_and_columns(source: str) -> None:
    assert rows(parse(source)) == [
        {"Item": "Costs", "Year ended 2023": "5", "Year ended 2022": "6"},
        {"Year ended 2023": "7", "Year ended 2022": "8"},
    ] or rows(parse(source)) == [
        {"Item": "Costs", "Year ended 2023": "5", "Year ended 2022": "6"},
        {"Item": "Costs", "Year ended 2023": "7", "Year ended 2022": "8"},
    ]


@pytest.mark.parametrize(
    "source",
    [
        "Revenue (in millions)\n\n<table><tr><td>Item</td><td>2023</td></tr>"
        "<tr><td>Sales</td><td>5</td></tr></table>",
        "<table><tr><td colspan=2>Revenue (in millions)</td></tr>"
        "<tr><td>Item</td><td>2023</td></tr><tr><td>Sales</td><td>5</td></tr></table>",
        "<table><caption>Revenue (in millions)</caption><tr><td>Item</td><td>2023</td></tr>"
        "<tr><td>Sales</td><td>5</td></tr></table>",
        "\\begin{table}\\caption{Revenue (in \\textbf{millions})}\n"
        "\\begin{tabular}{lr}Item & 2023 \\\\\\hline Sales & 5\\\\ \\end{tabular}\\end{table}",
        "Revenue (in millions)\n\n| Item | 2023 |\n|---|---|\n| Sales | 5 |\n",
    ],
)
def test_a_caption_with_the_unit_names_the_rows(source: str) -> None:
    parsed = parse(source)
    assert rows(parsed) == [{"Item": "Sales", "2023": "5"}]
    row = next(block for block in parsed.blocks if block.kind == "row")
    assert "Revenue (in millions)" in heading_path(parsed.blocks, row.start)


@pytest.mark.parametrize(
    "source",
    [
        "```\n<table><tr><td>a</td></tr></table>\n```",
        "Use `<table>` and then `<tr>`, and close it with `</table>`.",
        "    <table><tr><td>a</td></tr></table>",
        "<!-- <table><tr><td>a</td></tr></table> -->",
        "$$\\begin{array}{cc} a & b \\\\ 1 & 2 \\end{array}$$",
        "a <table> that never ends <tr>",
    ],
)
def test_what_is_no_table_stays_as_it_is(source: str) -> None:
    assert "table" not in {block.kind for block in parse(source).blocks}


def test_text_beside_tables_is_kept_in_order() -> None:
    table = "<table><tr><td>a</td><td>b</td></tr><tr><td>1</td><td>2</td></tr></table>"
    text = parse(f"- one {table} two {table} three\n- four\n\n## Five\n\nsix {table}").text
    places = [text.find(word) for word in ("one", "two", "three", "four", "Five", "six")]
    assert -1 not in places
    assert places == sorted(places)


def test_a_table_of_labels_and_values_has_no_header() -> None:
    pairs = [("Office", "12 High Street"), ("Contact", "Ada Byron"), ("Phone", "none")]
    cells = "".join(f"<tr><td>{label}</td><td>{value}</td></tr>" for label, value in pairs)
    parsed = parse(f"<table>{cells}</table>")
    assert {block.kind for block in parsed.blocks} == {"table", "row"}


PIECES = st.sampled_from(
    [
        "<table>", "</table>", "<tr>", "<td>", "<td rowspan=2>", "<td colspan=2>", "<th>", "a", "5",
        "\n", "\n\n", "> ", "- ", "\\begin{tabular}{ll}", "\\end{tabular}", "&", "\\\\", "\\hline ",
        "\\begin{table}", "\\end{table}", "\\caption{x}", "{", "}", "\\multirow{2}{*}{x}", "`",
        "$$", "\\multicolumn{2}{c}{y}", "# h\n", "<div>", "</div>", "|a|b|\n|-|-|\n|1|2|\n",
    ]
)  # fmt: skip


@settings(max_examples=150)
@given(st.lists(PIECES, max_size=40))
def test_any_mixture_of_tags_gives_blocks_that_cover_the_text(pieces: list[str]) -> None:
    for document in load_bytes("a.md", f"a {''.join(pieces)}"):
        check(document)

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.parsing.rst import parse
from tests.parsing.reading import headings, places

SOURCE = Path(__file__).with_name("samples").joinpath("sea.rst").read_text()


def test_a_source() -> None:
    parsed = parse(SOURCE)
    assert parsed.text.split("\n\n") == [
        "The sea", "Author: Ada Bell\nDate: 5 March 2024",
        "Fish swim in shoals, see the ports and a page.\nThey do not stop:",
        "while true:\n    swim()", "Ports", "Mind the\nrocks.", "int port;",
        "- Muscat, an old harbour\n- Sur", "Small",
        "Port | Tons\nPort: Sur | Tons: 12 more\nPort: Masqat | Tons: 3",
        "Port | Tons\nPort: Sur | Tons: 12 more", "Catch", "Port | Tons\nPort: Sur | Tons: 12",
        "Ships", "[1] A note.",
    ]  # fmt: skip
    small_ports = "The sea > Ports > Small"
    paths = ["The sea", "The sea > Ports", small_ports, f"{small_ports} > Catch", "The sea > Ships"]
    assert headings(parsed) == paths
    assert parsed.metadata == {"author": "Ada Bell", "date": "5 March 2024", "title": "The sea"}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("``#include <linux/fs.h>`` and ``a *b*``, *c*", "#include <linux/fs.h> and a *b*, c"),
        (":kbd:`Alt-<key>` or `the page <https://a.b>`_", "Alt-<key> or the page"),
        ("``one\nliteral`` and :ref:`ports <the-ports>`", "one\nliteral and ports"),
        ("a * b and c * d, ``a*b``, 2 ** 3", "a * b and c * d, a*b, 2 ** 3"),
        ("**bold** and *it*", "bold and it"),
        (":doc:`/admin/x` :func:`~os.path.join`", "/admin/x os.path.join"),
        ("x_ and `y z`_", "x_ and y z"),
        (
            r"2.0\*\* or \*not\* and \`x\` or C:\dir, \- or **\***",
            "2.0** or *not* and `x` or C:\\dir, - or *",
        ),
        ("::\n\n  code", "code"),
        ("----\n\nAfter a rule.", "After a rule."),
        ("..\n  hidden\n\nShown", "Shown"),
        (".. image:: x.png\n   :alt: hidden\n\nShown", "Shown"),
    ],
)
def test_marks(source: str, text: str) -> None:
    assert parse(source).text == text


@pytest.mark.parametrize(
    ("options", "header_line"),
    [(":header: Port, Tons", ""), (":header-rows: 1", "   Port, Tons\n")],
)
def test_a_csv_table_names_its_columns(options: str, header_line: str) -> None:
    rows = '   Sur, "12, more"\n   :ref:`Masqat <m>`,3\n'
    parsed = parse(f".. csv-table:: Catch\n   {options}\n   :widths: 1, 2\n\n{header_line}{rows}")
    lines = ["Port | Tons", "Port: Sur | Tons: 12, more", "Port: Masqat | Tons: 3"]
    assert parsed.text.split("\n") == ["Catch", "", *lines]
    assert [len(block.cells) for block in parsed.blocks if block.kind == "row"] == [2, 2]


def test_directives_nested_deep_are_read() -> None:
    source = "".join("   " * depth + ".. note::\n\n" for depth in range(500)) + "   " * 500 + "deep"
    assert parse(source).text.endswith("deep")


@settings(max_examples=100)
@given(
    st.lists(st.text("abcdef", min_size=1, max_size=9), min_size=1, max_size=40),
    st.sampled_from([" ", "\n", "\n\n", "\n- "]),
)
def test_every_word_of_prose_survives(words: list[str], between: str) -> None:
    assert parse(between.join(words)).text.replace("- ", "").split() == words


def test_a_term_is_in_the_context_of_its_definition() -> None:
    source = "A\n===\n\nretries\n   How often.\n\n   The default is three.\n\n"
    parsed = parse(f"{source}.. confval:: timeout\n\n   Seconds.\n\nAfter it all.")
    terms = [("retries", "A > retries"), ("timeout", "A > timeout")]
    assert places(parsed) == [("A", "A"), *terms, ("After it all.", "A")]
    texts = ["A", "retries", "How often.", "The default is three.", "timeout", "Seconds."]
    assert parsed.text.split("\n\n") == [*texts, "After it all."]

"""No parser may take more than linear time on a malicious source, since one upload would delay all
others.
"""

import contextlib

import pytest

from rag.errors import InputError
from tests.growth import MOST_GROWTH, growth
from tests.parsing.reading import load_bytes

SIZE = 20_000
"""Bytes; a quadratic parser takes a second for twice as many."""
CASES: dict[str, list[str]] = {
    "html": [
        "<!--", "<a ", "<a href='", "<![CDATA[", "<?", "<!DOCTYPE ", "<", "&", "&#x", "</", "</p>",
        "<p>", "<div>", "<span>x", "<b a=1><p>", "<a href=x>x<p>", "<ul><li>x", "<table><tr><td>x",
        "<table>x", "<dl><dt>x<dd>y", "<dl><dd>", "<select><option>", "<script>", "<script><!--",
        "<title>", "<textarea>", "<form><h1>", "<pre>\n", "<h1>x", "<nav>x", "<a href='#a'>x</a>",
        "<img src='data:,x' alt=", "<font><p></font>", "<sup>1</sup>1", "<figure><figcaption>x",
        "<article>x", "<header>x</header>", "<td rowspan=99 colspan=99>x", " ", "\n", "<svg><",
    ],
    "md": [
        "[", "![", "](", "*a ", "**a", "_a_", "`", "``` ", "> ", "- ", "  - a\n", "1. ", "# ", "|a",
        "|a|\n|-|\n", "<!--", "<a ", "[a]: b\n", "[a][", "&a", "\\", "<http:", "~~a", "~~~\n",
        "---\n", "a\n=\n", "\t", "![a](b", "<div>\n",
        "<table>", "<table>\n", "a <table>\n", "a <table><tr>x</table>\n", "> <table>\n",
        "<table><tr><td>x</table>", "- <table><tr>\n", "\\begin{table}\\caption{",
        "\\begin{tabular}", "\\begin{tabular}{l}a & b \\\\ \\end{tabular}\n",
        "\\begin{tabular}{ll}\\textbf{",
    ],
    "rst": [
        ":a", ":a:", ":a:`b", "`a <", "``", "`a`_", "*a", "**a", "|a", ".. ", ".. |", ".. [",
        ".. a::\n", "::\n\n  a\n", "===\n", "a\n=\n", "* - a\n", "+-+\n", "= =\n", "  ", "a ` <",
        ":a: b\n", "\\ ", "-a b\n", "a\n  b\n", "` ", "|a ", "- ", "== ",
    ],
    "txt": [
        "a\n", "\n", " ", "-", "=\n", "a\n==\n", "1.", "1. A\n\n", "A\n\n", "  -a\n", "> a\n",
        "x" * 119 + "\n", "a - b\n\n",
    ],
    "eml": [
        "Subject: a\n", "Subject: =?utf-8?q?a?= ", "a: b\n ", "To: <a@", "\n> a", "\n--\n",
        "a: (((", "\nOn a wrote:\n",
    ],
    "mbox": ["From a\n\n", "From a\nSubject: b\n\nc\n\n", ">From a\n"],
    "csv": ['"', 'a,"b', "a;b,c\t|", "a\n", ",", '""'],
    "json": ["[", '{"a":', '"\\', "1,", "[]", "{}\n"],
}  # fmt: skip
HEADS = {"eml": "Subject: a\n", "mbox": "From a Fri Feb 13\n", "rst": "", "html": ""}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "part"), [(kind, part) for kind, parts in CASES.items() for part in parts]
)
def test_the_time_grows_in_proportion_to_the_source(kind: str, part: str) -> None:
    def read(size: int) -> None:
        with contextlib.suppress(InputError):
            load_bytes(f"a.{kind}", (HEADS.get(kind, "") + part * (size // len(part))).encode())

    assert growth(read, SIZE, noise=0.3) <= MOST_GROWTH

"""No parser may take more than linear time on a malicious source, since one upload would delay all
others.
"""

from __future__ import annotations

import contextlib
import gc
from time import process_time

import pytest

from rag.errors import InputError
from rag.parsing.load import load_bytes

SIZE = 20_000
"""Size of the smaller of two sources in bytes; a quadratic parser takes seconds for the
larger one.
"""
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
    ],
    "rst": [
        ":a", ":a:", ":a:`b", "`a <", "``", "`a`_", "*a", "**a", "|a", ".. ", ".. |", ".. [",
        ".. a::\n", "::\n\n  a\n", "===\n", "a\n=\n", "* - a\n", "+-+\n", "= =\n", "  ", "a ` <",
        ":a: b\n", "\\ ", "-a b\n", "a\n  b\n",
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


def seconds(kind: str, source: str) -> float:
    """Time to parse, without the garbage collector, whose time grows with other tests' objects."""
    gc.disable()
    try:
        begun = process_time()
        with contextlib.suppress(InputError):
            load_bytes(f"a.{kind}", source.encode())
        return process_time() - begun
    finally:
        gc.enable()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "part"), [(kind, part) for kind, parts in CASES.items() for part in parts]
)
def test_four_times_the_source_takes_about_four_times_the_time(kind: str, part: str) -> None:
    count = SIZE // len(part)
    sources = [HEADS.get(kind, "") + part * times for times in (count, 4 * count)]
    once, four = (seconds(kind, source) for source in sources)
    if four > max(1.0, 9 * once):  # a busy machine may slow one; a quadratic parser: 16 times
        once, four = (
            min(at, seconds(kind, one)) for at, one in zip((once, four), sources, strict=True)
        )
    assert four < max(1.0, 9 * once), (
        f"{once:.2f} s for {SIZE} bytes, {four:.2f} s for four times as many"
    )
    assert four < 15.0

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.parsing.markdown import parse
from rag.structure import sections
from tests.parsing.reading import headings

WORDS = st.lists(st.from_regex(r"\A[a-zé漢]{2,8}\Z"), min_size=1, max_size=8)


def text(source: str) -> str:
    return parse(source).text


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (" \n\n", ""),
        ("***", ""),
        ("Only text.", "Only text."),
        ("One\r\nline.\r\n\r\nTwo", "One\nline.\n\nTwo"),
        ("a  \nb\\\nc", "a\nb\nc"),
        ("*a* **b** `c` ~~d~~ &amp; \\* \\[x]", "a b c  & * [x]"),
        ("[text](http://x 'title') [ref][r] <http://z>\n\n[r]: http://r", "text ref http://z"),
        ("See ![a *small* map](map.png).", "See a small map."),
        ("a<br>b <b>c</b><!-- d -->", "a\nb c"),
        ("> quoted\n> text\n>\n> > deeper\n\nout", "quoted\ntext\n\ndeeper\n\nout"),
        ("> - a\n> - b", "- a\n- b"),
        ("```python\nx = 1\n  y\n```\n\n    z < 1", "x = 1\n  y\n\nz < 1"),
        ("- a\n- b\n\ntext", "- a\n- b\n\ntext"),
        ("- a\n  - b\n    1. c\n    2. d\n- e", "- a\n  - b\n    1. c\n    2. d\n- e"),
        ("3) a\n4) b", "3. a\n4. b"),
        ("- a\n\n  more\n\n      code\n- b", "- a\n  more\n  code\n- b"),
        ("- > q\n- | a | b |\n  |---|---|\n  | c | d |", "- q\n- a | b\na: c | b: d"),
        ("| a | b |\n|---|:-:|\n| *c* | d\\|e |\n| | f<br>g |", "a | b\na: c | b: d|e\nb: f g"),
        ("<div>\n<p>in &lt;html&gt;</p>\n</div>", "in <html>"),
        ("<script>\nvar x;\n</script>\n\n<!-- a > b -->\n\nseen", "seen"),
        ("<nav>a</nav>\n\n<details><summary>S</summary>\n\n*b*\n\n</details>", "a\n\nS\n\nb"),
        ("<![foo\n\nbar", "<![foo\n\nbar"),
        ("1 < 2 and a<b> c", "1 < 2 and a c"),
        # front matter is at the beginning, and closed
        ("x\n\n---\ntitle: T\n---", "x\n\ntitle: T"),
        ("---\ntitle: T\n\nThe body.", "title: T\n\nThe body."),
    ],
)
def test_text(source: str, expected: str) -> None:
    assert text(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("no heading at all", []),
        ("# A\n\nx\n\n## B\n\n### C ###\n\n## D\n\n# E", ["A", "A > B", "A > B > C", "A > D", "E"]),
        ("# A\r\n\r\nx\r\n\r\n## B\r\n\r\ny", ["A", "A > B"]),
        ("A\nlong\n===\n\nB\n---\n\nx", ["A long", "A long > B"]),
        ("# *A* [b](c) `d` &amp;\n\nx", ["A b d &"]),
        ("#\n\n## B", ["B"]),
        ("> # A\n>\n> x", ["A"]),
        ('<h1 align="center">A</h1>\n\n## B', ["A", "A > B"]),
        ("#not one\n\n```\n# not one\n```", []),
        ("# A\n\n**Added**\n\n- b\n\n## C\n\nd", ["A", "A > Added", "A > C"]),
        ("**A** and not\n\nb\n\n**A** **b**\n\nc", []),
    ],
)
def test_headings(source: str, expected: list[str]) -> None:
    parsed = parse(source)
    assert headings(parsed) == expected
    for section in sections(parsed.blocks):
        assert " ".join(parsed.text[section.start :].split()).startswith(section.path[-1])


@pytest.mark.parametrize(
    ("source", "metadata"),
    [
        (
            "---\ntitle: T\ndate: 2025-11-03\ndraws_on: a; b\n---\n\n# A",
            {"title": "T", "date": "2025-11-03", "draws_on": "a; b"},
        ),
        ("---  \r\ntitle: 'T: U'\r\n---\r\n# A", {"title": "T: U"}),
        (
            "---\nnumber: 1.10\nflag: no\nday: 2025-13-45\n---\n# A",
            {"number": "1.10", "flag": "no", "day": "2025-13-45", "title": "A"},
        ),
        ("---\ntags: [a, b, [c]]\nempty:\nnone: null\nmap: {a: b}\n---\nx", {"tags": "a, b"}),
        ('---\na: "\\ud800"\n---\nx', {"a": "?"}),
        ("---\na: !!python/object:os.system x y\n---\nz", {"a": "x y"}),
        ("---\ntitle:\n---\n# A *b*", {"title": "A b"}),
        ("## First\n\n# Second", {"title": "First"}),
        ("text", {}),
    ],
)
def test_metadata(source: str, metadata: dict[str, str]) -> None:
    parsed = parse(source)
    assert parsed.metadata == metadata
    assert "---" not in parsed.text


@pytest.mark.parametrize(
    "block",
    [
        "title: [x",
        "just words",
        "- a\n- b",
        "a: b\n c: d: e",
        "? [a]\n: b",
        "@bad",
        'a: "\\UFFFFFFFF"',
        "title: x\ttitle: y",
        "x: " + "[" * 1500,
    ],
)
def test_front_matter_that_is_not_a_mapping_is_text(block: str) -> None:
    parsed = parse(f"---\n{block}\n---\n\nThe body.")
    assert "The body." in parsed.text
    assert parsed.metadata.keys() <= {"title"}
    assert block.split()[-1] in parsed.text


def test_aliases_do_not_multiply() -> None:
    aliases = (f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 8)}]" for i in range(1, 12))
    front = "\n".join(["a0: &a0 [x, x, x, x, x, x, x, x]", *aliases])
    assert parse(f"---\n{front}\n---\nx").metadata == {"a0": "x, x, x, x, x, x, x, x"}


@settings(max_examples=60)
@given(
    st.lists(WORDS, min_size=1, max_size=6),
    st.sampled_from(["", "# ", "- ", "> ", "1. ", "  - ", "**"]),
)
def test_every_word_survives_in_order(paragraphs: list[list[str]], mark: str) -> None:
    source = "\n\n".join(mark + " ".join(words) for words in paragraphs)
    read = [word for word in text(source).split() if word.strip("-*1234567890.")]
    assert [word.strip("*") for word in read] == [word for words in paragraphs for word in words]


@pytest.mark.parametrize("depth", [12, 60])
def test_deep_nesting_is_not_dropped(depth: int) -> None:
    assert text("> " * depth + "deep") == "deep"
    lines = text("\n".join("  " * level + f"- level{level}" for level in range(depth))).split("\n")
    assert [line.split() for line in lines] == [["-", f"level{level}"] for level in range(depth)]


@pytest.mark.parametrize("source", ["[" * 5_000, "![" * 2_000, "*a **b " * 1_000, "<a " * 5_000])
def test_unclosed_marks_are_text(source: str) -> None:
    assert text(source).replace(" ", "") == source.replace(" ", "")

from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.parsing.html import fragment
from rag.parsing.html import parse as parse_page
from rag.structure import sections
from rag.types import Block

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title> The  title </title>
<META NAME="Date" CONTENT=" 2025-07-28 "><meta name="author" content="A. B">
<meta name="keywords" content="">
<meta name="viewport" content="width"><style>p { color: red }</style></head>
<body><header><a href="/">Logo</a></header><nav><p>Home | Places</p></nav>
<main><header><h1>Muscat &amp; Oman</h1></header>
<p>It is <b>old</b>, and
was burned.<script>var x = 1;</script><!-- hidden --></p>
<aside>Also read</aside><form><input><button>Send</button></form>
<h2>Port</h2><p>Ships.</p></main><footer>Copyright</footer></body></html>"""


def parse(source: str) -> tuple[str, Sequence[Block], dict[str, str]]:
    parsed = parse_page(source)
    return parsed.text, parsed.blocks, parsed.metadata


def text(source: str) -> str:
    return parse(source)[0]


def test_a_heading_is_named_without_its_link_to_itself() -> None:
    """In the markup of Sphinx, DocBook and Texinfo."""
    found, blocks, _ = parse(
        "<h1>A<a class='headerlink' href='#a' title='Link to this heading'>¶</a></h1><p>b <a "
        "href='#c'>#1</a>"
        "<h2>D <a href='#d' class='id_link'>#</a></h2><h3><span>E<a class='copiable-link' "
        "href='#e'> &para;</a></span></h3>"
    )
    assert found == "A\n\nb #1\n\nD\n\nE"
    assert [section.heading for section in sections(blocks)] == ["A", "A > D", "A > D > E"]


def test_a_page_that_is_one_form_is_read() -> None:
    paragraph = "<p>The lease ends in May.</p>"
    for page in (
        f"<nav>Home</nav><form id='f'>{paragraph}</form>",
        f"{paragraph}<form>Search</form>",
    ):
        assert text(f"<body>{page}</body>") == "The lease ends in May."


def test_a_boxed_remark_does_not_end_a_section() -> None:
    found, blocks, _ = parse(
        "<h2>A</h2>b<div class='note'><h3 class='title'>Note</h3><p>c</div><p>d<h3>E</h3>"
    )
    assert found == "A\n\nb\n\nNote\n\nc\n\nd\n\nE"
    assert [section.heading for section in sections(blocks)] == ["A", "A > E"]


def test_an_article_that_is_a_card_is_not_the_page() -> None:
    service = "A full service costs 79 euros, a small one 39."
    assert text(f"<p>{service}</p><article>Our shop</article>") == f"{service}\n\nOur shop"
    assert text(f"<p>Ad</p><article>{service}</article>") == service


def test_a_form_with_most_of_the_text_is_read() -> None:
    service = "A full service costs 79 euros."
    assert text(f"<h1>Fees</h1><form><p>{service}</p></form>") == f"Fees\n\n{service}"


def test_superscripts_are_separate_and_deleted_text_is_dropped() -> None:
    source = (
        "<p>£5<sup>1</sup>, 10<sup>3</sup> m<sup>2</sup>, the 3<sup>rd</sup>; <del>€10</del> "
        "<ins>€8</ins></p>"
    )
    assert text(source) == "£5^1, 10^3 m2, the 3rd; €8"


def test_a_row_is_read_by_its_headers() -> None:
    head = "<tr><th>Day<th colspan=2>Class and time</tr>"
    rows = (
        "<tr><td rowspan=2>Monday<td>Judo<td>19:00</tr><tr><td>Choir<td>20:00</tr>"
        "<tr><td>Friday<td colspan=2>closed</tr>"
    )
    assert text(f"<table>{head}{rows}</table><table><tr><th>Born<td>1955</table>").split("\n") == [
        "Day | Class and time", "Day: Monday | Class and time: Judo | Class and time: 19:00",
        "Day: Monday | Class and time: Choir | Class and time: 20:00",
        "Day: Friday | Class and time: closed", "", "Born | 1955",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "last"),
    [
        ("<th>Units<th>Apples<th>Pears", "Sales | Apples: 6 | Pears: 5"),
        ("<th><th>2021<th>2020", "Sales | 2021: 6 | 2020: 5"),
        ("<th><th colspan=2>Year<tr><th><th>2021<th>3Q20", "Sales | Year 2021: 6 | Year 3Q20: 5"),
        ("<th>Total<th>9<th>$8", "Sales | 2023: 6 | 2022: 5"),
        ("<th>Total<th>9 kg<th>8 kg", "Sales | 2023: 6 | 2022: 5"),
        ("<th>Europe<th colspan=2>", "Sales | 2023: 6 | 2022: 5"),
        ("<th colspan=3>Europe", "Sales | 2023: 6 | 2022: 5"),
    ],
)
def test_headers_within_a_table_name_the_rows_below_them(row: str, last: str) -> None:
    head = "<tr><th><th>2023<th>2022</tr><tr><td>Rent<td>9<td>8</tr>"
    lines = text(f"<table>{head}<tr>{row}</tr><tr><td>Sales<td>6<td>5</table>").split("\n")
    assert lines[1] == "Rent | 2023: 9 | 2022: 8"
    assert lines[-1].removeprefix("Units: ") == last


def test_long_cells_and_headers_occur_once() -> None:
    long = "word " * 40
    found = text(
        f"<table><tr><th>{long}<th>b</tr><tr><td "
        f"rowspan=9>{long}<td>1</tr><tr><td>2</tr><tr><td>3</tr></table>"
    )
    assert found.split("\n")[1:] == [f"{long}| b: 1", "b: 2", "b: 3"]


def test_a_page() -> None:
    found, blocks, metadata = parse(PAGE)
    assert found == "Muscat & Oman\n\nIt is old, and was burned.\n\nPort\n\nShips."
    assert [(found[s.start :].split("\n")[0], s.heading) for s in sections(blocks)] == [
        ("Muscat & Oman", "Muscat & Oman"),
        ("Port", "Muscat & Oman > Port"),
    ]
    assert metadata == {
        "title": "The title",
        "date": "2025-07-28",
        "author": "A. B",
        "language": "en",
    }


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", ""),
        ("only text", "only text"),
        ("https://a.b/c", "https://a.b/c"),
        ("<?xml version='1.0'?><!DOCTYPE html><html><body>seen</body></html>", "seen"),
        ("<head><title>T</title><body><p>The head was not closed.", "The head was not closed."),
        ("<title>T</title><p>No body.", "No body."),
        (
            "<body>before<p>a</p>between<div>b</div>after</body>",
            "before\n\na\n\nbetween\n\nb\n\nafter",
        ),
        ("<p>a<p>b<p>c", "a\n\nb\n\nc"),
        ("<p>a <b>b<i>c</b> d</i> e", "a bc d e"),
        ("<div><div>a</div><span>b<div>c</div>d</span></div>", "a\n\nb\n\nc\n\nd"),
        (
            "<p>wrapped\n  in the\tsource<br>not<br/>here&nbsp;!</p>",
            "wrapped in the source\nnot\nhere !",
        ),
        ("<p>1 &lt; 2 &eacute; &#8212; &#x4e2d; &amp;amp; AT&T</p>", "1 < 2 é — 中 &amp; AT&T"),
        ("<pre>\n  a\n    b &lt;\n\n<b>c</b><br>d</pre>e", "a\n    b <\n\nc\nd\n\ne"),
        ("<pre><div>a</div><div>b</div></pre>c", "a\nb\n\nc"),
        ("<article>a</article><p>b</p>", "a"),
        ("<article>a</article><p>b</p><article>c</article>", "a\n\nb\n\nc"),
        ("<article>a</article><main>b</main>", "b"),
        ("<nav>n</nav><p>a</p><footer>f</footer><header>h</header>", "a"),
        ("<header><h1>A</h1><p>by B</p></header>c", "A\n\nby B\n\nc"),
        ("<div>a</div><div role='main'>b<div role='navigation'>c</div></div>", "b"),
        (
            "<div role='search'>a</div><div class='related x'>b</div><table "
            "class='navheader'><tr><td>c</table>d",
            "d",
        ),
        ("<body class='related' role='navigation'>a", "a"),
        ("<div id='quickview'><h3>Topics</h3><p>a</p></div><p class='toplang'>en</p>b", "b"),
        ("<form><h1>A</h1><p>b</p><button>x</button></form>", "A\n\nb"),
        (
            "<svg><title>t</title><text>s</text></svg>a<noscript>n</noscript>"
            "<template>t</template><iframe>i</iframe>",
            "a",
        ),
        ("a<![if !IE]>b<![endif]>", "ab"),
        ("a<![foo bar>c", "ac"),
        ("<dl><dt>a<dd>b<dt>c</dt><dd>d</dd></dl>", "a\n\nb\n\nc\n\nd"),
        (
            "<figure><img "
            "alt='x'><figcaption>c</figcaption></figure><blockquote>q</blockquote><hr>e",
            "c\n\nq\n\ne",
        ),
        ("</p></ul></table>a", "a"),
        ("&#xD800;&#0;a", "\ufffd\ufffda"),
    ],
)
def test_text(source: str, expected: str) -> None:
    assert text(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<p>x</p><ul><li>a</li><li>b <b>c</b></li></ul>y", "x\n\n- a\n- b c\n\ny"),
        ("<ul><li>a<li>b<ul><li>c<li>d</ul><li>e</ul>", "- a\n- b\n  - c\n  - d\n- e"),
        ("<ul><li>a</li><ul><li>b</li></ul>loose</ul>", "- a\n  - b\n  loose"),
        (
            "<ol start=3><li>a</li><li>b<ul><li>c</li></ul></li><li>d</ol><ol start=x><li>e</ol>",
            "3. a\n4. b\n  - c\n5. d\n\n1. e",
        ),
        ("<ul><li><p>a</p><p>b</p></li><li></li><li>c<br>d</li></ul>", "- a\n  b\n- c\nd"),
        ("<ul><li><a href='#'>a</a> tail</li></ul>", "- a tail"),
        ("<ul><li>a<table><tr><td>1<td>2</table></li><li>b</li></ul>", "- a\n1 | 2\n- b"),
        ("<ul><li>a<h2>H</h2>b</li></ul>", "- a\n\nH\n\nb"),
        ("<li>a</li><li>b</li>", "- a\n\n- b"),
    ],
)
def test_lists(source: str, expected: str) -> None:
    assert text(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "x<table><tr><th>a</th><th>b</th></tr><tr><td>c</td><td>d</td></tr></table>y",
            "x\n\na | b\na: c | b: d\n\ny",
        ),
        (
            "<table><caption>C</caption><thead><tr><th>a<th>b<tbody><tr><td>c<td>d</table>",
            "C\na | b\na: c | b: d",
        ),
        (
            "<table><tr><td>a</td><td></td></tr><tr><td></td></tr>"
            "<tr><td></td><td>b</td></tr></table>",
            "a | \n | b",
        ),
        (
            "<table><tr><td><p>a</p><p>b<br>c</p></td><td><ul><li>d<li>e</ul></td></tr></table>",
            "a b c | d e",
        ),
        ("<table><tr><td>a<table><tr><td>b<td>c</table>d<td>e</table>", "a\nb | c\nd | e"),
        ("<table><tr><td>a<h2>H</h2>b<td>c</table>d", "a\n\nH\n\nb | c\n\nd"),
        ("<table><td>a</table></table>b", "a\n\nb"),
        ("<td>a<td>b", "a\n\nb"),
    ],
)
def test_tables(source: str, expected: str) -> None:
    assert text(source) == expected


def test_headings() -> None:
    found, blocks, metadata = parse(
        "<h2>A</h2><h1>B<br>b</h1><h3><div>C</div></h3>x<h1></h1><h2>D <a>d</a><p>y"
    )
    assert found == "A\n\nB\nb\n\nC\n\nx\n\nD d\n\ny"
    assert [s.heading for s in sections(blocks)] == ["A", "B b", "B b > C", "B b > D d"]
    assert [found[s.start] for s in sections(blocks)] == ["A", "B", "C", "D"]
    assert metadata == {"title": "B b"}


def test_a_bold_paragraph_is_a_heading_if_text_follows() -> None:
    found, blocks, _ = parse(
        "<h1>A</h1><p><a name=b></a><b>Is <i>B</i> slow?</b></p><blockquote>It is.</blockquote>"
        "<p><b>C</b></p><p><strong>D</strong></p><p>d</p><p><b>All of this.</b></p><p>Text</p>"
        "<p><b>Not</b> this</p><p>x</p><ul><li><b>E</b></li></ul><p>y</p><p><b>F</b></p>"
    )
    assert found.split("\n\n") == [
        *("A", "Is B slow?", "It is.", "C", "D", "d"),
        *("All of this.", "Text", "Not this", "x", "- E", "y", "F"),
    ]
    assert [s.heading for s in sections(blocks)] == ["A", "A > Is B slow?", "A > D"]


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("<title>T</title><h1>H</h1>", "T"),
        ("<title> </title><h1> H </h1>", "H"),
        ("<header><h1>H</h1></header><main>a</main>", "H"),
        ("<h1>H<p>never closed", "H"),
        ("<h2>H</h2>", None),
    ],
)
def test_title(source: str, title: str | None) -> None:
    assert parse(source)[2].get("title") == title


def test_a_fragment_keeps_all_visible_text() -> None:
    blocks = list(
        fragment("<nav>n</nav><h2>H</h2><script>s</script><form>f<button>b</button></form>")
    )
    assert [(block.text, block.level) for block in blocks] == [("n", 0), ("H", 2), ("fb", 0)]


TAGS = (
    "div p span b h1 h2 ul ol li table tr td th pre br main article header nav dl dd body a".split()
)
PARTS = st.sampled_from(
    [*(f"<{tag}>" for tag in TAGS), *(f"</{tag}>" for tag in TAGS), *"abcdabcdabcd"]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(PARTS, max_size=40))
@example(["<pre>", "</pre>", "</pre>", "<pre>", "<pre>", "a", "</pre>", "b"])
def test_nested_tags_neither_lose_nor_double_text(parts: list[str]) -> None:
    found = "".join(block.text for block in fragment("".join(parts)))
    assert [c for c in found if c.isalpha()] == [part for part in parts if part.isalpha()]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<div>" * 10_000 + "x" + "</div>" * 10_000, "x"),
        ("<span>" * 5_000 + "<div>x", "x"),
        ("<p>x" * 5_000, "\n\n".join("x" * 5_000)),
        ("<ul>" + "<li>x" * 5_000, "\n".join(["- x"] * 5_000)),
        ("<table>" + "<tr><td>x<td>y" * 3_000, "\n".join(["x | y"] * 3_000)),
    ],
    ids=["div", "span", "p", "li", "td"],
)
def test_deep_nesting_is_read(source: str, expected: str) -> None:
    assert text(source) == expected


def test_lists_nested_thousands_deep_stay_small() -> None:
    found = text("<ul><li>x" * 2_000)
    assert found.count("- x") == 2_000
    assert len(found) < 50_000

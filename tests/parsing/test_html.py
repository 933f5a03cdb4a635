"""The text, headings, lists and tables of HTML pages."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.parsing.html import fragment, parse
from tests.parsing.reading import headings, places

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


def text(source: str) -> str:
    return parse(source).text


def test_a_page() -> None:
    parsed = parse(PAGE)
    assert parsed.text == "Muscat & Oman\n\nIt is old, and was burned.\n\nPort\n\nShips."
    assert places(parsed) == [("Muscat & Oman",) * 2, ("Port", "Muscat & Oman > Port")]
    metadata = {"date": "2025-07-28", "author": "A. B", "language": "en"}
    assert parsed.metadata == metadata | {"title": "The title"}


SERVICE = "A full service costs 79 euros, a small one 39."


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("only text", "only text"),
        ("<?xml version='1.0'?><!DOCTYPE html><html><body>seen</body></html>", "seen"),
        ("<head><title>T</title><body><p>The head was not closed.", "The head was not closed."),
        ("x<p>a</p>y<div>b</div>z", "x\n\na\n\ny\n\nb\n\nz"),
        ("<p>a<p>b<p>c", "a\n\nb\n\nc"),
        ("<p>a <b>b<i>c</b> d</i> e", "a bc d e"),
        ("<div><div>a</div><span>b<div>c</div>d</span></div>", "a\n\nb\n\nc\n\nd"),
        ("<p>wrapped\n  in\tit<br>not<br/>here&nbsp;!</p>", "wrapped in it\nnot\nhere !"),
        ("<p>1 &lt; 2 &eacute; &#8212; &#x4e2d; &amp;amp; AT&T</p>", "1 < 2 é — 中 &amp; AT&T"),
        ("<pre>\n  a\n    b &lt;\n\n<b>c</b><br>d</pre>e", "a\n    b <\n\nc\nd\n\ne"),
        ("<pre><div>a</div><div>b</div></pre>c", "a\nb\n\nc"),
        ("<article>a</article><p>b</p>", "a"),
        ("<article>a</article><p>b</p><article>c</article>", "a\n\nb\n\nc"),
        ("<article>a</article><main>b</main>", "b"),
        ("<nav>n</nav><p>a</p><footer>f</footer><header>h</header>", "a"),
        ("<header><h1>A</h1><p>by B</p></header>c", "A\n\nby B\n\nc"),
        ("<div>a</div><div role='main'>b<div role='navigation'>c</div></div>", "b"),
        ("<div role='search'>a</div><table class='navheader'><tr><td>c</table>d", "d"),
        ("<body class='related' role='navigation'>a", "a"),
        ("<div id='quickview'><h3>Topics</h3><p>a</p></div><p class='toplang'>en</p>b", "b"),
        ("<form><h1>A</h1><p>b</p><button>x</button></form>", "A\n\nb"),
        ("<svg><title>t</title></svg>a<noscript>n</noscript><template>t</template>", "a"),
        ("a<![if !IE]>b<![endif]>", "ab"),
        ("a<![foo bar>c", "ac"),
        ("<dl><dt>a<dd>b<dt>c</dt><dd>d</dd></dl>", "a\n\nb\n\nc\n\nd"),
        ("<figure><figcaption>c</figcaption></figure><blockquote>q</blockquote>", "c\n\nq"),
        ("</p></ul></table>a", "a"),
        ("&#xD800;&#0;a", "\ufffd\ufffda"),
        # a page that is boilerplate or one form, a form with most text, an article that is a card
        ("<nav><a href='/a'>Home</a> <a href='/b'>Shop</a></nav>", "Home Shop"),
        ("<nav>Home</nav><form id='f'><p>It ends in May.</p></form>", "It ends in May."),
        ("<p>It ends in May.</p><form>Search</form>", "It ends in May."),
        (f"<h1>Fees</h1><form><p>{SERVICE}</p></form>", f"Fees\n\n{SERVICE}"),
        (f"<p>{SERVICE}</p><article>Our shop</article>", f"{SERVICE}\n\nOur shop"),
        (f"<p>Ad</p><article>{SERVICE}</article>", SERVICE),
        (
            "<p>£5<sup>1</sup>, 10<sup>3</sup> m<sup>2</sup>, the 3<sup>rd</sup>",
            "£5^1, 10^3 m2, the 3rd",
        ),
        ("<p>a <del>€10</del> <ins>€8</ins>", "a €8"),
        # declarations that are not closed
        ("<![foo\n<p>x", "x"),
        ("<p>x</p><ul><li>a</li><li>b <b>c</b></li></ul>y", "x\n\n- a\n- b c\n\ny"),
        ("<ul><li>a<li>b<ul><li>c<li>d</ul><li>e</ul>", "- a\n- b\n  - c\n  - d\n- e"),
        ("<ul><li>a</li><ul><li>b</li></ul>loose</ul>", "- a\n  - b\n  loose"),
        ("<ol start=3><li>a<li>b<ul><li>c</ul><li>d</ol>", "3. a\n4. b\n  - c\n5. d"),
        ("<ol start=x><li>e</ol>", "1. e"),
        ("<ul><li><p>a</p><p>b</p></li><li></li><li>c<br>d</li></ul>", "- a\n  b\n- c\nd"),
        ("<ul><li><a href='#'>a</a> tail</li></ul>", "- a tail"),
        ("<ul><li>a<table><tr><td>1<td>2</table></li><li>b</li></ul>", "- a\n1 | 2\n- b"),
        ("<ul><li>a<h2>H</h2>b</li></ul>", "- a\n\nH\n\nb"),
        ("<li>a</li><li>b</li>", "- a\n\n- b"),
        ("x<table><tr><th>a<th>b<tr><td>c<td>d</table>y", "x\n\na | b\na: c | b: d\n\ny"),
        (
            "<table><caption>C</caption><tr><th>a<th>b<tr><td>c<td>d</table>",
            "C\na | b\na: c | b: d",
        ),
        ("<table><tr><td>a<td></td><tr><td></td><tr><td></td><td>b</table>", "a | \n | b"),
        ("<table><tr><td><p>a</p><p>b<br>c</p><td><ul><li>d<li>e</ul></table>", "a b c | d e"),
        ("<table><tr><td>a<table><tr><td>b<td>c</table>d<td>e</table>", "a\nb | c\nd | e"),
        ("<table><tr><td>a<h2>H</h2>b<td>c</table>d", "a\n\nH\n\nb | c\n\nd"),
        ("<table><td>a</table></table>b", "a\n\nb"),
        ("<td>a<td>b", "a\n\nb"),
    ],
)
def test_text(source: str, expected: str) -> None:
    assert text(source) == expected


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
    ("row", "last_line"),
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
def test_headers_within_a_table_name_the_rows_below_them(row: str, last_line: str) -> None:
    head = "<tr><th><th>2023<th>2022</tr><tr><td>Rent<td>9<td>8</tr>"
    lines = text(f"<table>{head}<tr>{row}</tr><tr><td>Sales<td>6<td>5</table>").split("\n")
    assert lines[1] == "Rent | 2023: 9 | 2022: 8"
    assert lines[-1].removeprefix("Units: ") == last_line


def test_long_cells_and_headers_occur_once() -> None:
    long_words = "word " * 40
    rows = f"<tr><td rowspan=9>{long_words}<td>1</tr><tr><td>2</tr><tr><td>3</tr>"
    lines = text(f"<table><tr><th>{long_words}<th>b</tr>{rows}</table>").split("\n")
    assert lines[1:] == [f"{long_words}| b: 1", "b: 2", "b: 3"]


@pytest.mark.parametrize(
    ("source", "text", "paths"),
    [
        (  # links to itself, in the markup of Sphinx, DocBook and Texinfo
            "<h1>A<a class='headerlink' href='#a'>¶</a></h1><p>b <a href='#c'>#1</a>"
            "<h2>D <a href='#d' class='id_link'>#</a></h2><h3><span>E<a class='copiable-link' "
            "href='#e'> &para;</a></span></h3><h2>F <a href='#f'>\uf0c1</a></h2>",
            "A\n\nb #1\n\nD\n\nE\n\nF",
            ["A", "A > D", "A > D > E", "A > F"],
        ),
        (  # a boxed remark ends no section
            "<h2>A</h2>b<div class='note'><h3 class='title'>Note</h3><p>c</div><p>d<h3>E</h3>",
            "A\n\nb\n\nNote\n\nc\n\nd\n\nE",
            ["A", "A > E"],
        ),
        (  # a bold paragraph is a heading if text follows
            "<h1>A</h1><p><a name=b></a><b>Is <i>B</i> slow?</b></p><blockquote>It is.</blockquote>"
            "<p><b>C</b></p><p><strong>D</strong></p><p>d</p><p><b>All of it.</b></p><p>Text</p>"
            "<p><b>Not</b> this</p><p>x</p><ul><li><b>E</b></li></ul><p>y</p><p><b>F</b></p>",
            "A|Is B slow?|It is.|C|D|d|All of it.|Text|Not this|x|- E|y|F".replace("|", "\n\n"),
            ["A", "A > Is B slow?", "A > D"],
        ),
        (  # a break, a block and a link within
            "<h2>A</h2><h1>B<br>b</h1><h3><div>C</div></h3>x<h1></h1><h2>D <a>d</a><p>y",
            "A\n\nB\nb\n\nC\n\nx\n\nD d\n\ny",
            ["A", "B b", "B b > C", "B b > D d"],
        ),
    ],
    ids=["permalinks", "remark", "bold", "markup"],
)
def test_headings_are_named(source: str, text: str, paths: list[str]) -> None:
    parsed = parse(source)
    assert parsed.text == text
    assert headings(parsed) == paths


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("<title>T</title><h1>H</h1>", "T"),
        ("<title> </title><h1> H </h1>", "H"),
        ("<title>Untitled Document</title><h1>H</h1>", "H"),
        ("<title>about:blank</title>a", None),
        ("<header><h1>H</h1></header><main>a</main>", "H"),
        ("<h1>H<p>never closed", "H"),
        ("<h2>H</h2>", None),
        ("<h2>A</h2><h1>B<br>b</h1>", "B b"),
    ],
)
def test_title(source: str, title: str | None) -> None:
    assert parse(source).metadata.get("title") == title


def test_a_fragment_keeps_all_visible_text() -> None:
    source = "<nav>n</nav><h2>H</h2><script>s</script><form>f<button>b</button></form>"
    parts = [(part.text, part.level) for part in fragment(source)]
    assert parts == [("n", 0), ("H", 2), ("fb", 0)]


TAGS = "div p span b h1 h2 ul ol li table tr td pre br main article header nav dl dd body a"
"""Without <th>, whose text is repeated in each row."""
PARTS = st.sampled_from(
    [f"<{slash}{tag}>" for tag in TAGS.split() for slash in ("", "/")] + [*"abcdabcdabcd"]
)


@settings(max_examples=200)
@given(st.lists(PARTS, max_size=40))
@example(["<pre>", "</pre>", "</pre>", "<pre>", "<pre>", "a", "</pre>", "b"])
def test_nested_tags_neither_lose_nor_double_text(parts: list[str]) -> None:
    read = "".join(part.text for part in fragment("".join(parts)))
    assert [c for c in read if c.isalpha()] == [part for part in parts if part.isalpha()]


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
    read = text("<ul><li>x" * 2_000)
    assert read.count("- x") == 2_000
    assert len(read) < 50_000

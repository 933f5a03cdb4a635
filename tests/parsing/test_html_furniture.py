"""Which parts of HTML pages are removed, and which are kept."""

import pytest

from rag.parsing.html import parse
from tests.parsing.reading import headings, places

PROSE = (
    "<h1>Boilers</h1><p>The boiler is serviced <a href='/spring'>each spring</a> by the "
    "landlord.</p>"
)
TEXT = "Boilers\n\nThe boiler is serviced each spring by the landlord."
LINKS = "<a href='/a'>Home</a> <a href='/b'>Products of ours</a> <a href='/c'>Where we are</a>"


@pytest.mark.parametrize(
    "furniture",
    [
        f"<nav>{LINKS}</nav>",
        f"<div role='navigation'>{LINKS}</div>",
        f"<ul class='breadcrumb'><li>{LINKS}</ul>",
        f"<div class='site-menu'>{LINKS}</div>",
        f"<div id='sidebar'><p>See</p>{LINKS}</div>",
        f"<p>{LINKS}</p>",
        "<div class='cookie-banner'><p>We use cookies. <button>Accept</button></p></div>",
        "<div id='consent'>By going on you accept all cookies of ours.</div>",
        "<p><a href='https://git.example/edit/a.md'>Edit this page</a></p>",
        "<a href='#main'>Skip to main content</a>",
        "<ul><li><a href='#1'>One</a><li><a href='#2'>Two</a><li><a href='#3'>Three</a></ul>",
        "<footer>Copyright</footer>",
        "<aside>Also read: the lease.</aside>",
    ],
)
def test_furniture_is_removed_and_text_kept(furniture: str) -> None:
    page, with_furniture = (parse(f"<body>{furniture}{PROSE}", keep) for keep in (False, True))
    assert page.text == TEXT
    assert page.left_out > 0
    assert TEXT in with_furniture.text
    assert with_furniture.left_out == 0


def test_navigation_steps_are_removed_everywhere() -> None:
    steps = "<a href=a>Next</a> | <a href=b>Previous</a> | <a href=c>Up</a>"
    for furniture in (steps, "<a href=/edit/1>Edit on GitHub</a>"):
        assert parse(f"{PROSE}<div>{furniture}</div>").text == TEXT


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (f"<ul><li>{LINKS}</ul>", "- Home Products of ours Where we are"),
        ("<aside class='footnote'>1 In law.</aside>", "1 In law."),
        ("<aside class='admonition'>Mind the gas.</aside>", "Mind the gas."),
        ("<div id='menu'><p>Soup of the day, 4 euros.</p></div>", "Soup of the day, 4 euros."),
        ("<section id='httpcookie'><p>A cookie is a dict.</p></section>", "A cookie is a dict."),
        ("<blockquote>Less is more.<footer>Mies</footer></blockquote>", "Less is more.\n\nMies"),
        ("<p><a href=#n>note 1</a> and <a href=#m>2</a> say when.</p>", "note 1 and 2 say when."),
    ],
)
def test_text_that_looks_like_furniture_is_kept(part: str, text: str) -> None:
    assert parse(PROSE + part).text == f"{TEXT}\n\n{text}"


def test_a_page_of_contents_keeps_only_its_headings() -> None:
    links = "".join(f"<li><a href='page{n}.html'>Chapter {n} of the book</a>" for n in range(60))
    page = parse(f"<h1>Index</h1><p>All chapters.</p><ul>{links}</ul>")
    assert page.text == "Index\n\nAll chapters."
    assert page.left_out > 600


def test_a_term_is_in_the_context_of_its_definition() -> None:
    page = parse(
        "<h2>Settings</h2><p>Two of them:</p><dl><dt>retries</dt><dd>How often."
        "<p>The default is three.</p></dd>"
        "<dt>-t</dt><dt>--timeout</dt><dd>Seconds.<dl><dt>Unit:<dd>s</dl></dd></dl><p>After."
    )
    assert places(page) == [
        ("Settings", "Settings"),
        ("Two of them:", "Settings > retries"),
        ("-t", "Settings > -t"),
        ("--timeout", "Settings > -t, --timeout"),
        ("Unit:", "Settings > -t, --timeout > Unit"),
        ("After.", "Settings"),
    ]


def test_a_caption_is_in_the_context_of_its_table_and_listing() -> None:
    page = parse(
        "<h1>H</h1><p>Ann and Bo pay what is said below, and each of them pays it by the first of "
        "May.</p>"
        "<table><caption>Fees in euros</caption>"
        "<tr><th>Who<th>Fee<tr><td>Ann<td>5</table><p>It was paid."
        "<figure><pre>a = 1</pre><figcaption>Listing 1</figcaption></figure>"
    )
    assert headings(page) == ["H", "H > Fees in euros", "H", "H > Listing 1"]
    assert "Who: Ann | Fee: 5" in page.text

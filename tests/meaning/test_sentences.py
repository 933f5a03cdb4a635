from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.meaning.sentences import Offsets, enclosing_sentence, split_sentences, trim
from rag.parsing.files import find
from tests.parsing.reading import read

SEEDS = Path(__file__).parents[2] / "seeds"
SPACES = " \t\n\r\v\f\x1c\x1d\x1e\x1f\x85\u00a0\u2028\u2029\u3000"
PIECES = [
    *SPACES, "\r\n", "\n\n", "|", " | ", "- ", "* ", "1. ", "12) ", ". ", "? ",
    "\u0301", "\u200f", "\ufeff", "\0", "\x7f",
    *(
        'a B 7 . ... … ! ?! " ” ( ) 。 」 ؟ ۔ । 你好 مرحبا Dr U.S No 3.67 e.g. He the e\u0301 '
        "\U0001f468\u200d\U0001f469"
    ).split(),
]  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(st.sampled_from(PIECES), max_size=40).map("".join),
    st.lists(st.sampled_from(PIECES), max_size=40).map(" ".join),
)


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


def check(text: str, spans: list[Offsets]) -> None:
    offset = 0
    for start, end in spans:
        assert offset <= start < end <= len(text)
        assert not text[offset:start].strip(), "text between two sentences"
        assert not text[start].isspace()
        assert not text[end - 1].isspace()
        offset = end
    assert not text[offset:].strip(), "text after the last sentence"


@settings(max_examples=150)
@given(TEXTS)
@example("")
@example(SPACES)
@example("a\r\nb\rc\vd\fe\x1cf\x85g\u2028h\u2029i\0j. K")
@example("مرحبا. \u200fكيف؟ \U0001f468\u200d\U0001f469\u200d\U0001f467. e\u0301. \u0301 B")
def test_every_non_space_character_is_in_exactly_one_sentence(text: str) -> None:
    check(text, split_sentences(text))


@settings(max_examples=200)
@given(TEXTS, st.data())
@example("a\n|\nb", None)
@example("x\n- \n\nfoo", None)
@example("好。A. B c", None)
@example("a | b. C d.\nnext", None)
def test_text_cut_at_sentence_boundaries_splits_into_the_same_sentences(
    text: str, data: st.DataObject | None
) -> None:
    spans = split_sentences(text)
    ends = range(len(spans))
    pairs = [(i, j) for i in ends for j in ends if i <= j]
    if data and len(pairs) > 20:
        pairs = data.draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=20))
    for i, j in pairs:
        start, end = spans[i][0], spans[j][1]
        cut = [(start + a, start + b) for a, b in split_sentences(text[start:end])]
        assert cut == spans[i : j + 1]


@pytest.mark.parametrize("path", sorted(SEEDS.glob("*.md")), ids=lambda path: path.stem)
def test_any_three_sentences_of_a_seed_split_as_they_do_in_it(path: Path) -> None:
    text = read(*find([path])).text
    spans = split_sentences(text)
    check(text, spans)
    assert len(spans) > 10
    for window in (spans[i : i + 3] for i in range(len(spans) - 2)):
        start, end = window[0][0], window[-1][1]
        assert [(start + a, start + b) for a, b in split_sentences(text[start:end])] == window


# A bar before each further sentence; what separates them is in the text.
@pytest.mark.parametrize(
    "marked",
    [
        "",
        "no stop at all",
        "Talks began.¦ They ended in 2015!¦ Did they?¦ Yes.",
        "Mr. Zarif met Dr. Salehi and Gen. Hajizadeh.¦ Prof. Rao came.",
        "He works in the U.S. Senate.¦ It is in the U.S.¦ The deal held.",
        "Some, e.g. Iran and i.e. Oman, agreed.¦ Others vs. Iran did not.",
        "See No. 5, Fig. 2 and Art. 36 on p. 7.¦ It was so.",
        "He said no.¦ She left.¦ It is a work of art.¦ Maria came.",
        "It began on Jan. 20 and ended on Fri. 4 Mar. 2016.¦ Then it stopped.",
        "They sat.¦ Maria stood in the sun.¦ Peter ran.",
        "J. K. Rowling met George W. Bush.¦ I. M. Pei came too.",
        "Total Inc. left Iran.¦ They sued Acme Corp.¦ The court agreed.",
        "Smith et al. Found it.¦ It has pens, books etc.¦ They are new.",
        "Up to 3.67 percent, or 1.5 tonnes.¦ Then 20 percent.",
        "In 1979.¦ The year was long.¦ By 7.¦ Nobody came.",
        "Well...¦ Yes, but wait... what?¦ No.",
        "He waited…¦ Nothing came… and then it did.",
        "What?!¦ Really?!!¦ Yes.",
        '"Stop."¦ He left.¦ “Go!”¦ She went.¦ (It rained.)¦ They [all.]¦ Ran.',
        '"Why?" he asked.¦ "I know!" she said.¦ They left.',
        "\u00abIl part.\u00bb¦ Elle reste.",
        "At 5 p.m. he left.¦ He came at 9 a.m.¦ He left.",
        "See http://a.b/c.html?d=1.¦ Or mail a.b@c.org.",
        "协议签署了。¦伊朗同意吗？¦是的！",
        "彼は「行く。」¦終わり。",
        "هل اتفقوا؟¦ نعم.¦ یہ ہے۔¦ آج",
        "समझौता हुआ।¦ ईरान सहमत है।",
        "Договор подписан.¦ Иран согласился.",
        "It was opened by P. Marlow.¦ See p. 12.",
        "Take max. 2 tablets, incl. Sundays.",
        "...",
        "A heading¦\n\nIts text. ¦More¦\n\n\nNext",
        "A heading¦\r\n\r\nIts text",
        "A heading¦\n \t\nIts text",
        "A sentence that is\nwrapped by hand.¦ It\ngoes on.",
        "One that is\r\nwrapped on Windows.¦\r\nTwo",
        "One that is\rwrapped on a Mac",
        "wrapped\nin 2015 by\n1979 people",
        "Items:¦\n- one¦\n- two¦\n  - three¦\n• four",
        "1. First item.¦ Its second sentence.¦\n2. Next¦\n10) Last",
        "Name | Year¦\nJCPOA | 2015¦\nAfter",
        "Before¦\nA | Signed. In force. |¦ \nB | No",
        "a|b is no row\nof a table",
        "page one¦\fpage two",
        "one¦\u2029two¦\x1cthree",
        "one\u2028wrapped\x85line\v here",
        "Head of HR: Priya N.¦\nPayroll: Ann Lee¦\nOffice: 4.¦ Third floor",
        "He spoke of the\nWhite House: a place.",
    ],
)
def test_sentences_of_paragraphs_and_blocks(marked: str) -> None:
    expected = [piece.strip() for piece in marked.split("¦") if piece]
    assert sentences(marked.replace("¦", "") + "\t") == expected


def test_rows_that_are_given_are_sentences_and_other_bars_are_text() -> None:
    text = "Use a | b. It runs.\nM4. Steel | 7\nM5. Tin | 8\nThe end."
    start = text.index("M4")
    rows = [(start, start + 13), (start + 14, start + 25)]
    spans = split_sentences(text, rows)
    check(text, spans)
    assert [text[a:b] for a, b in spans] == [
        "Use a | b.", "It runs.", "M4. Steel | 7", "M5. Tin | 8", "The end.",
    ]  # fmt: skip
    assert enclosing_sentence(text, start + 4, start + 5, rows) == rows[0]
    assert sentences(text)[0] == "Use a | b. It runs."


@pytest.mark.parametrize("unit", [".", ".]", "\n", "w", "a|b ", "word "])
def test_a_long_run_is_one_sentence(unit: str) -> None:
    text = unit * (200_000 // len(unit)) + "x"
    spans = split_sentences(text)
    check(text, spans)
    assert len(spans) == 1


@pytest.mark.parametrize(
    ("quote", "sentence"),
    [
        ("two", "It is two."),
        ("one.", "It is one."),
        ("one. It is two", "It is one. It is two."),
        ("three", "And three"),
        ("It is one. It is two.  And three", "It is one. It is two.  And three"),
    ],
)
def test_enclosing_sentence(quote: str, sentence: str) -> None:
    text = " It is one. It is two.  And three "
    start = text.index(quote)
    sentence_start, sentence_end = enclosing_sentence(text, start, start + len(quote))
    assert text[sentence_start:sentence_end] == sentence


@settings(max_examples=80)
@given(TEXTS.filter(bool), st.data())
def test_the_enclosing_sentence_encloses(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    sentence_start, sentence_end = enclosing_sentence(text, start, end)
    for a, b in trim(text, start, end):
        assert sentence_start <= a < b <= sentence_end


@pytest.mark.parametrize(
    ("text", "trimmed"),
    [(" \u3000a b\n", ["a b"]), ("\x1c\x85", []), ("", []), ("\u200d", ["\u200d"])],
)
def test_trim(text: str, trimmed: list[str]) -> None:
    assert [text[a:b] for a, b in trim(text, 0, len(text))] == trimmed

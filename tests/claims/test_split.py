"""Splitting a text into claims: offsets, citation marks, skipped parts, clauses and pronouns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.claims.split import clauses, split_claims
from tests.growth import MOST_GROWTH, growth

ANSWER = """# The deal

The JCPOA was **signed** in Vienna on 14 July 2015.[1] It limited enrichment to 3.67 percent [2, 3].
Who signed it?

- Iran kept 5,060 centrifuges at Natanz [1-3]

Here are the main points:

```
code here is. Not a claim.
```

| a | b |
|---|---|
| 1 | 2 |

However, [Donald Trump](http://x.y/z.html) withdrew on 8 May 2018. [1] [2]
His successor was Joe Biden.

[1] jcpoa.md > The deal: "signed"
[2]: seeds/us-withdrawal-2018.md
"""


def test_the_sentences_of_an_answer() -> None:
    """Their place with markup and marks, and what is checked: without markup, pronouns resolved."""
    claims = [claim for claim in split_claims(ANSWER).sentences if claim.parts]
    assert [ANSWER[claim.start : claim.end] for claim in claims] == [
        "The JCPOA was **signed** in Vienna on 14 July 2015.[1]",
        "It limited enrichment to 3.67 percent [2, 3].",
        "- Iran kept 5,060 centrifuges at Natanz [1-3]",
        "However, [Donald Trump](http://x.y/z.html) withdrew on 8 May 2018. [1] [2]",
        "His successor was Joe Biden.",
    ]
    assert [claim.cited for claim in claims] == [(1,), (2, 3), (1, 2, 3), (1, 2), ()]
    assert [part.text for claim in claims for part in claim.parts] == [
        "The JCPOA was signed in Vienna on 14 July 2015.",
        "The JCPOA limited enrichment to 3.67 percent.",
        "Iran kept 5,060 centrifuges at Natanz",
        "Donald Trump withdrew on 8 May 2018.",
        "Donald Trump's successor was Joe Biden.",
    ]


def test_non_claims_have_a_reason_and_sources_a_number() -> None:
    claims = split_claims(ANSWER)
    assert {
        sentence.text[:12]: sentence.skipped for sentence in claims.sentences if sentence.skipped
    } == {
        "# The deal": "heading",
        "Who signed i": "question",
        "Here are the": "address",
        "code here is": "code",
        "| a | b | |-": "table",
        "jcpoa.md > T": "source",
        "[2]: seeds/u": "source",
    }
    assert claims.sources == {1: 'jcpoa.md > The deal: "signed"', 2: "seeds/us-withdrawal-2018.md"}


@pytest.mark.parametrize(
    "marked",
    [
        "The stockpile was capped at 300 kg,¦ and no uranium was enriched at Fordow.",
        "Iran, France and Germany signed it.",
        "If the deal falls, and the talks end, sanctions return.",
        "Trump left in 2018;¦ his successor returned to the talks.",
    ],
)
def test_clauses_are_split_only_where_each_has_subject_and_verb(marked: str) -> None:
    expected = [clause.strip(" ,;.").removeprefix("and ") for clause in marked.split("¦")]
    assert [part.rstrip(".").lower() for part in clauses(marked.replace("¦", ""))] == [
        clause.lower() for clause in expected
    ]


@pytest.mark.parametrize(
    ("text", "claim", "skipped", "unresolved"),
    [
        ("Detailed minutes must be taken.", None, "", ""),
        ("Please note that minutes must be taken.", "Minutes must be taken.", "", ""),
        ("If you want to leave, you must write an email.", None, "", ""),
        ("Members may not vote.", None, "", ""),
        ("Please let me know if I should go on.", None, "address", ""),
        ("I hope that this may help you.", None, "address", ""),
        ("He signed it in Vienna.", None, "", "He"),
        ("This was the first agreement of its kind.", None, "", "This"),
        ("The stockpile was capped. He left the talks in 2018.", None, "", "He"),
        (
            "The nuclear deal was made. It held for years.",
            "The nuclear deal held for years.",
            "",
            "",
        ),
        ("In 2015 the deal was made. It was held up.", None, "", "It"),
    ],
)
def test_rules_are_claims(text: str, claim: str | None, skipped: str, unresolved: str) -> None:
    """A rule is a claim however it opens; a pronoun without antecedent is named."""
    sentence = split_claims(text).sentences[-1]
    assert sentence.skipped == skipped
    if not skipped:
        part = sentence.parts[0]
        assert (part.text, part.unresolved) == (claim or sentence.text, unresolved)


@given(st.text(alphabet="Ab c.?!\n[]123#>-*|`(:)", max_size=200))
def test_sentences_lie_in_the_text_and_do_not_overlap(text: str) -> None:
    end = 0
    for sentence in split_claims(text).sentences:
        assert end <= sentence.start < sentence.end <= len(text)
        assert text[sentence.start : sentence.end] == text[sentence.start : sentence.end].strip()
        end = sentence.end


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("See [Iran [1979]](http://x.y/a_(b).html) in Vienna.", "See Iran [1979] in Vienna."),
        ('The [deal](x.md "title") was ![image](y.png) signed.', "The deal was image signed."),
        ("A link [without an end](http://x.y stays.", "A link [without an end](http://x.y stays."),
        ("Iran kept 5,060 centrifuges [1 - 3, 7].", "Iran kept 5,060 centrifuges."),
    ],
)
def test_a_link_is_its_label_and_a_mark_may_have_ranges(text: str, words: str) -> None:
    (sentence,) = split_claims(text).sentences
    assert sentence.text == words
    assert sentence.cited == ((1, 2, 3, 7) if "[1 -" in text else ())


def test_code_ends_with_its_own_fence() -> None:
    text = "````\nA ``` is code.\n```\nAll is code.\n````\nA claim is here.\n~~~\nopen"
    kinds = [(sentence.skipped, bool(sentence.parts)) for sentence in split_claims(text).sentences]
    assert kinds == [("code", False), ("", True), ("code", False)]


def test_a_long_sentence_is_checked_in_pieces() -> None:
    text = f"Iran kept {', '.join(str(number) for number in range(1000, 9000))} machines."
    pieces = split_claims(text).sentences
    assert all(len(piece.text.split()) <= 120 and len(piece.text) <= 1000 for piece in pieces)
    assert " ".join(text[piece.start : piece.end] for piece in pieces) == text
    assert [len(piece.text) for piece in split_claims("x" * 2500).sentences] == [1000, 1000, 500]


UNITS = [
    *"[]`~(-*_|> \n\t7'.",
    "![x](", "[x](", '[a](b "', "[1", "[1]", "[1,", "[1-50]", "【1", "<!--", "<a",
    "# a\n", "> ", "|a|\n", "[1] x\n", "a\n---\n", "```\n", "````\n```\n", "- [ ] ", "---\n",
    "He ", "A is b. ", "a, and the b is c", "based on the ", "Of the ", "The a is b and ",
        "and ",
]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_splitting_a_text_takes_time_in_proportion_to_its_length(unit: str) -> None:
    def split(size: int) -> None:
        split_claims((unit * size)[:size] + "!")

    assert growth(split, 20_000) <= MOST_GROWTH

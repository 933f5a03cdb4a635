"""Splitting a text into claims: offsets, citation marks, skipped parts, clauses and pronouns."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.claims.split import clauses, split_claims, subject

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


def test_sentences_keep_their_place_and_their_marks() -> None:
    found = [one for one in split_claims(ANSWER).sentences if one.parts]
    assert [ANSWER[one.start : one.end] for one in found] == [
        "The JCPOA was **signed** in Vienna on 14 July 2015.[1]",
        "It limited enrichment to 3.67 percent [2, 3].",
        "- Iran kept 5,060 centrifuges at Natanz [1-3]",
        "However, [Donald Trump](http://x.y/z.html) withdrew on 8 May 2018. [1] [2]",
        "His successor was Joe Biden.",
    ]
    assert [one.cited for one in found] == [(1,), (2, 3), (1, 2, 3), (1, 2), ()]


def test_a_claim_is_asked_without_markup_and_with_its_pronoun_resolved() -> None:
    found = [part.text for one in split_claims(ANSWER).sentences for part in one.parts]
    assert found == [
        "The JCPOA was signed in Vienna on 14 July 2015.",
        "The JCPOA limited enrichment to 3.67 percent.",
        "Iran kept 5,060 centrifuges at Natanz",
        "Donald Trump withdrew on 8 May 2018.",
        "Donald Trump's successor was Joe Biden.",
    ]


def test_non_claims_have_a_reason() -> None:
    found = {one.text[:12]: one.skipped for one in split_claims(ANSWER).sentences if one.skipped}
    assert found == {
        "# The deal": "heading",
        "Who signed i": "question",
        "Here are the": "address",
        "code here is": "code",
        "| a | b | |-": "table",
        "jcpoa.md > T": "source",
        "[2]: seeds/u": "source",
    }


def test_sources_that_the_text_lists_are_read_by_number() -> None:
    assert split_claims(ANSWER).sources == {
        1: 'jcpoa.md > The deal: "signed"',
        2: "seeds/us-withdrawal-2018.md",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "The stockpile was capped at 300 kg, and no uranium was enriched at Fordow.",
            ["The stockpile was capped at 300 kg.", "No uranium was enriched at Fordow."],
        ),
        ("Iran, France and Germany signed it.", ["Iran, France and Germany signed it."]),
        (
            "If the deal falls, and the talks end, sanctions return.",
            ["If the deal falls, and the talks end, sanctions return."],
        ),
        (
            "Trump left in 2018; his successor returned to the talks.",
            ["Trump left in 2018.", "His successor returned to the talks."],
        ),
    ],
)
def test_clauses_are_split_only_where_each_has_subject_and_verb(
    text: str, expected: list[str]
) -> None:
    assert clauses(text) == expected


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("Detailed minutes must be taken.", "Detailed minutes must be taken."),
        ("Please note that minutes must be taken.", "Minutes must be taken."),
        ("If you want to leave, you must write an email.", None),
        ("Members may not vote.", None),
        ("Please file it within a week; it should be signed.", None),
    ],
)
def test_a_rule_is_a_claim_however_it_opens(text: str, claim: str | None) -> None:
    ((part, *_),) = [one.parts for one in split_claims(text).sentences]
    assert part.text == (claim or text)


@pytest.mark.parametrize(
    "text", ["Please let me know if I should go on.", "I hope that this may help you."]
)
def test_a_remark_of_the_writer_is_no_claim(text: str) -> None:
    assert [one.skipped for one in split_claims(text).sentences] == ["address"]


@pytest.mark.parametrize(
    ("text", "pronoun"),
    [("He signed it in Vienna.", "He"), ("This was the first agreement of its kind.", "This")],
)
def test_an_unresolved_pronoun_is_kept_and_named(text: str, pronoun: str) -> None:
    ((part,),) = [one.parts for one in split_claims(text).sentences]
    assert (part.text, part.unresolved) == (text, pronoun)


def test_he_is_not_a_thing() -> None:
    found = split_claims("The stockpile was capped at 300 kg. He left the talks in 2018.")
    assert found.sentences[1].parts[0].unresolved == "He"


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("The JCPOA was signed.", "The JCPOA"),
        ("The nuclear deal was signed.", "The nuclear deal"),
        ("Federica Mogherini announced it.", "Federica Mogherini"),
        ("In 2015 the deal was signed.", ""),
    ],
)
def test_subject(claim: str, expected: str) -> None:
    assert subject(claim) == expected


@settings(deadline=None)
@given(st.text(alphabet="Ab c.?!\n[]123#>-*|`(:)", max_size=200))
def test_sentences_lie_in_the_text_and_do_not_overlap(text: str) -> None:
    end = 0
    for one in split_claims(text).sentences:
        assert end <= one.start < one.end <= len(text)
        assert text[one.start : one.end] == text[one.start : one.end].strip()
        end = one.end


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("See [Iran [1979]](http://x.y/a_(b).html) in Vienna.", "See Iran [1979] in Vienna."),
        ('The [deal](x.md "title") was ![image](y.png) signed.', "The deal was image signed."),
        ("A link [without an end](http://x.y stays.", "A link [without an end](http://x.y stays."),
    ],
)
def test_a_link_is_its_label(text: str, words: str) -> None:
    assert [one.text for one in split_claims(text).sentences] == [words]


def test_code_ends_with_its_own_fence() -> None:
    text = "````\nA ``` is code.\n```\nAll is code.\n````\nA claim is here.\n~~~\nopen"
    assert [(one.skipped, bool(one.parts)) for one in split_claims(text).sentences] == [
        ("code", False),
        ("", True),
        ("code", False),
    ]


def test_marks_with_ranges_and_white_space() -> None:
    (one,) = split_claims("Iran kept 5,060 centrifuges [1 - 3, 7].").sentences
    assert one.cited == (1, 2, 3, 7)


def test_a_long_sentence_is_checked_in_pieces() -> None:
    text = f"Iran kept {', '.join(str(number) for number in range(1000, 9000))} machines."
    pieces = split_claims(text).sentences
    assert all(len(one.text.split()) <= 120 and len(one.text) <= 1000 for one in pieces)
    assert " ".join(text[one.start : one.end] for one in pieces) == text
    assert [len(one.text) for one in split_claims("x" * 2500).sentences] == [1000, 1000, 500]

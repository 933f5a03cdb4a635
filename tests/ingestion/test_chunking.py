import dataclasses
import re
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.ingestion.chunking import split_document
from rag.meaning.sentences import split_sentences
from rag.structure import Section, sections
from rag.types import Document, Passage
from tests.fakes import BagOfWordsEmbedder, document, groups
from tests.parsing.reading import load_bytes

count = BagOfWordsEmbedder().count_tokens
_PIECE = re.compile(r"\w{1,3}|[^\w\s]")


def count_pieces(texts: Sequence[str]) -> list[int]:
    """Counts pieces of three letters: the parts of a cut word may have more than the word."""
    return [len(_PIECE.findall(text)) for text in texts]


def check(source: Document, passages: Sequence[Passage], limit: int) -> None:
    offset, previous = 0, (-1, -1)
    for passage in passages:
        assert source.text[passage.start : passage.end] == passage.text
        assert passage.text == passage.text.strip() != ""
        assert (passage.document_id, passage.title) == (source.id, source.title)
        assert passage.start > previous[0]
        assert passage.end > previous[1]
        assert not source.text[offset : passage.start].strip(), "text between two passages"
        assert len(passage.text) <= 10 * limit
        offset, previous = passage.end, (passage.start, passage.end)
    assert not source.text[offset:].strip(), "text after the last passage"


def numbered_sentences(sentences: int, words: int = 5) -> str:
    return " ".join(f"Sentence{i}" + " word" * (words - 1) + "." for i in range(sentences))


PARTS = [
    "- ",
    " | ",
    "\n\n",
    " " * 30,
    "x" * 70,
    *"Word a. B! !!! 。".split(),
    "e\u0301",
    "\U0001f468\u200d\U0001f469",
]
TEXTS = st.one_of(
    st.text(max_size=300), st.lists(st.sampled_from(PARTS), max_size=60).map(" ".join)
)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    text = draw(TEXTS)
    starts = draw(st.lists(st.integers(0, len(text)), max_size=5).map(sorted))
    headings = st.one_of(st.text(max_size=5), st.sampled_from(["A", "A > B"]))
    return dataclasses.replace(
        document(text), blocks=groups(text, *((start, draw(headings)) for start in starts))
    )


@settings(max_examples=150)
@given(documents(), st.integers(1, 40))
@example(document(""), 1)
@example(document("!\n\n" * 500), 5)
@example(document("a" + " " * 500 + "b. C"), 3)
def test_passages_are_slices_that_cover_the_text_and_fit(source: Document, limit: int) -> None:
    passages = split_document(source, count_pieces, limit)
    check(source, passages, limit)
    assert all(tokens <= limit for tokens in count_pieces([p.text for p in passages]))


@settings(max_examples=80)
@given(documents(), st.integers(1, 40))
def test_a_passage_crosses_a_section_only_for_a_bare_heading(source: Document, limit: int) -> None:
    bounds = [Section(0, ()), *sections(source.blocks), Section(len(source.text), ())]
    headings = {section.path for section in bounds}
    for passage in split_document(source, count, limit):
        assert passage.headings in headings
        for bound, following in pairwise(bounds):
            if passage.start < following.start < passage.end:
                words = " ".join(source.text[bound.start : following.start].split())
                assert words in ("", *bound.path[-1:])


def test_a_row_whose_words_end_its_name_is_no_bare_heading() -> None:
    (sheet,) = load_bytes("numbers.csv", "5\n2\n7\n")
    passages = [
        (" > ".join(passage.headings), passage.text) for passage in split_document(sheet, count, 40)
    ]
    assert passages == [("row 1", "5"), ("row 2", "2"), ("row 3", "7")]


def test_passages_are_filled_evenly() -> None:
    passages = split_document(document(numbered_sentences(20)), count, 40)
    assert [p.text.split()[0] for p in passages] == [f"Sentence{n}" for n in (0, 6, 12, 18)]
    assert [p.text.count(".") for p in passages] == [7, 7, 7, 2]


def test_each_passage_begins_with_the_last_sentence_of_the_one_before() -> None:
    source = document(numbered_sentences(60))
    passages = split_document(source, count, 40)
    assert len(passages) > 5
    for passage, following in pairwise(passages):
        shared = source.text[following.start : passage.end]
        assert [shared[a:b] for a, b in split_sentences(shared)] == [shared] != [""]
        assert passage.text.endswith(shared)
        assert following.text.startswith(shared)


def test_a_last_sentence_longer_than_a_third_is_not_repeated() -> None:
    passages = split_document(document(numbered_sentences(9, words=15)), count, 40)
    assert [p.text.count(".") for p in passages] == [2, 2, 2, 2, 1]
    assert all(passage.end < following.start for passage, following in pairwise(passages))


def test_a_text_that_fits_is_one_passage_without_the_space_around_it() -> None:
    (passage,) = split_document(document(" \nOne. Two.\n\nThree\n"), count)
    assert (passage.start, passage.end, passage.text) == (2, 18, "One. Two.\n\nThree")


def sectioned(*parts: tuple[str, str]) -> Document:
    """A document of (heading path, text) parts; one without a heading is in no section."""
    text, starts = "", []
    for heading, part in parts:
        if heading:
            starts.append((len(text), heading))
        text += part + "\n\n"
    return dataclasses.replace(document(text), blocks=groups(text, *starts))


def test_bare_headings_are_joined_to_the_next_section() -> None:
    (page,) = load_bytes("a.md", "A\n===\n\nWhat > 5?\nAll of it.\n---\n\n### C\n\nText.\n")
    (passage,) = split_document(page, count)
    assert passage.headings == ("A", "What > 5? All of it.", "C")
    assert passage.text == page.text.strip()


@pytest.mark.parametrize(
    "parts",
    [
        [("A", "A\n\nFirst text."), ("A > B", "B\n\nSecond text.")],
        [("", "Before it."), ("A", "A\n\nText.")],
        [("A", "One sentence."), ("B", "B\n\nText.")],  # a sentence is no bare heading
        [("A", "A\n\nText."), ("B", "B")],  # a last section with only a heading is kept
    ],
)
def test_passages_keep_to_their_sections(parts: list[tuple[str, str]]) -> None:
    passages = split_document(sectioned(*parts), count)
    assert [("".join(p.headings), p.text) for p in passages] == parts


def test_a_bare_heading_of_two_sentences_is_joined_too() -> None:
    title = "What is it? All of it."
    (passage,) = split_document(sectioned((title, title), ("B", "B\n\nText.")), count)
    assert (passage.headings, passage.text) == (("B",), f"{title}\n\nB\n\nText.")


@pytest.mark.parametrize(
    "text",
    [
        "w" * 1_000_000,
        "word " * 200_000,
        "a" + "\u0301" * 100_000,
        "a.b-" * 25_000,
        "你好" * 50_000,
        "!\n\n" * 30_000,
        ("a" + " " * 5_000) * 100,
    ],
    ids="word no-stop marks no-space no-space-in-Chinese no-tokens mostly-space".split(),
)
def test_large_texts_that_are_not_prose(text: str) -> None:
    source = document(text)
    passages = split_document(source, count_pieces)
    check(source, passages, 160)
    assert max(count_pieces([p.text for p in passages])) <= 160
    assert len(passages) > 1


def test_many_tiny_sections() -> None:
    source = sectioned(*((f"H{i}", f"H{i}\n\nText {i}.") for i in range(5_000)))
    passages = split_document(source, count)
    check(source, passages, 160)
    assert [p.headings for p in passages] == [(f"H{i}",) for i in range(5_000)]


@pytest.mark.parametrize(
    "cluster", ["e\u0301", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u2764\ufe0f", "क\u094d"]
)
def test_a_cut_inside_a_word_keeps_marks_with_their_letter(cluster: str) -> None:
    passages = split_document(document(cluster * 401), count, 10)
    assert len(passages) > 1
    assert all(p.text == cluster * (len(p.text) // len(cluster)) for p in passages)


def test_a_long_sentence_is_cut_at_spaces() -> None:
    passages = split_document(document("some words " * 300), count, 50)
    assert len(passages) > 10
    assert {word for p in passages for word in p.text.split()} == {"some", "words"}

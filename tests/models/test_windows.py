import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.models.qa_heads import MAX_QUESTION_TOKENS, cut, encode, windows_of
from tests.tiny import windows, wordpiece_tokenizer

TOKENIZER = wordpiece_tokenizer()


def test_a_passage_that_fits_is_one_window_with_its_context_in_front() -> None:
    (window,) = windows(TOKENIZER, "who?", "The deal > Parties", "iran and six others.")
    assert window.text == "The deal > Parties\niran and six others."
    assert window.text[window.prefix :] == "iran and six others."
    assert window.offset == 0
    (window,) = windows(TOKENIZER, "who?", "", "iran.")
    assert (window.text, window.prefix) == ("iran.", 0)


def test_long_passages_are_covered_by_overlapping_windows_each_with_context() -> None:
    text = " ".join(f"word{i}" for i in range(300))
    parts = windows(TOKENIZER, "who?", "title", text, max_tokens=128, stride=32)
    assert len(parts) > 5
    reached = 0
    for window in parts:
        piece = window.text[window.prefix :]
        assert window.text.startswith("title\n")
        assert text[window.offset : window.offset + len(piece)] == piece
        assert window.offset <= reached
        reached = window.offset + len(piece)
        assert len(TOKENIZER(window.question, window.text)["input_ids"]) <= 128
    assert reached == len(text)


def test_a_long_question_is_cut_to_its_beginning() -> None:
    (window,) = windows(TOKENIZER, "why " * 500, "", "iran.")
    tokens = TOKENIZER(window.question, add_special_tokens=False)["input_ids"]
    assert len(tokens) <= MAX_QUESTION_TOKENS
    assert "why why why".startswith(cut(TOKENIZER, "why " * 500, 8).strip())


def test_a_batch_equals_the_tokenizers() -> None:
    words = " ".join(f"word{i}" for i in range(90))
    passages = [("title", "iran and six others."), ("", "oman."), ("a > b", words)]
    batch = [
        window
        for of_passage in windows_of(TOKENIZER, "who signed?", passages)
        for window in of_passage
    ]
    assert len(batch) > len(passages)
    expected = TOKENIZER(
        [w.question for w in batch], [w.text for w in batch], padding=True, return_tensors="np"
    )
    encoded = encode(TOKENIZER, batch).inputs
    assert encoded.keys() == dict(expected).keys()
    assert all((encoded[name] == expected[name]).all() for name in encoded)


def test_passages_in_a_batch_equal_single_ones() -> None:
    passages = [("title", "iran."), ("", ""), ("other", " ".join(f"word{i}" for i in range(90)))]
    assert windows_of(TOKENIZER, "who?", passages) == [
        windows(TOKENIZER, "who?", *passage) for passage in passages
    ]
    assert windows_of(TOKENIZER, "who?", []) == []


@pytest.mark.parametrize("text", ["", "   ", "\n\n"])
def test_no_passages_no_tokens(text: str) -> None:
    assert not encode(TOKENIZER, windows(TOKENIZER, "who?", "title", text)).scored.any()


@settings(max_examples=60)
@given(st.text(max_size=300), st.text(max_size=40), st.integers(24, 64))
def test_scored_tokens_are_in_the_passage_and_cover_it(text: str, context: str, room: int) -> None:
    batch = windows(TOKENIZER, "who?", context, text, max_tokens=room, stride=8)
    encoded = encode(TOKENIZER, batch)
    covered: set[int] = set()
    for row in range(len(batch)):
        scored = encoded.scored[row]
        for start, end in zip(encoded.starts[row][scored], encoded.ends[row][scored], strict=True):
            assert 0 <= start < end <= len(text)
            covered.update(range(start, end))
    assert {i for i, c in enumerate(text) if c.isascii() and c.isalnum()} <= covered

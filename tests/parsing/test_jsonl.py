import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.errors import InputError
from rag.parsing.jsonl import parse
from rag.structure import sections
from tests.parsing.reading import headings, load_bytes, places

LONG = "Sardines swim near the coast of Oman. " * 6
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=12,
)


def test_lines_are_records_with_titles() -> None:
    record = {"_id": "7", "title": "Sardines", "text": LONG, "tags": ["sea", "fish"]}
    parsed = parse(f'{json.dumps(record)}\n\n{{"a": 1}}')
    assert parsed.text == f"Sardines\n\n{LONG.strip()}\n\n_id: 7 | tags: sea, fish\n\na: 1"
    assert places(parsed) == [("Sardines", "Sardines"), ("a: 1", "record 2")]
    assert parsed.metadata == {}


def test_one_record_has_metadata() -> None:
    record = {"title": "Fish", "author": "Ada", "date": "2024-03-05", "body": LONG}
    (document,) = load_bytes("a.json", json.dumps(record))
    metadata = document.metadata
    assert (document.title, metadata["author"], metadata["year"]) == ("Fish", "Ada", "2024")
    assert document.text.startswith(f"Fish\n\n{LONG.strip()}\n\nauthor: Ada")


def test_nested_values_are_named_by_their_path() -> None:
    port = {"name": "Sur", "at": {"lat": 22.5}}
    parsed = parse(json.dumps({"version": 2, "port": port, "catches": [{"kg": 5}, {"kg": 6}]}))
    assert parsed.text == "version: 2\n\nSur\n\nat.lat: 22.5\n\ncatches\n\nkg: 5\n\nkg: 6"
    records = ["catches > record 1", "catches > record 2"]
    assert headings(parsed) == ["Sur", "catches", *records]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.json", "{", "not JSON"),
        ("a.jsonl", '{"a": 1}\n{"a"', "not JSON in line 2"),
        ("a.json", "[" * 100_000, "nested too deeply"),
        ("a.json", '{"a":' * 50_000 + "1" + "}" * 50_000, "nested too deeply"),
        ("a.json", "[]", "contains no text"),
    ],
)
def test_invalid_files_have_a_reason(name: str, content: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        load_bytes(name, content)


def strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return strings(list(value.values()))
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


@settings(max_examples=40)
@given(VALUES)
def test_every_string_is_in_the_text(value: object) -> None:
    parsed = parse(json.dumps(value))
    assert all(text.strip() in parsed.text for text in strings(value))
    assert all(section.start <= len(parsed.text) for section in sections(parsed.blocks))

"""An error names a file that is not SQuAD before training starts."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from rag.errors import InputError
from rag.training.data import read_squad

QA = {"question": "When?", "answers": [{"text": "2015"}]}


def squad(qa: Any) -> Any:
    return {"data": [{"title": "A deal", "paragraphs": [{"context": "In 2015.", "qas": [qa]}]}]}


@pytest.mark.parametrize("qa", [QA, {"question": "Why?", "is_impossible": True}])
def test_articles_are_read(tmp_path: Path, qa: Any) -> None:
    (tmp_path / "a.json").write_text(json.dumps(squad(qa)))
    with gzip.open(tmp_path / "a.json.gz", "wt") as file:
        json.dump(squad(qa), file)
    assert (
        read_squad(tmp_path / "a.json") == read_squad(tmp_path / "a.json.gz") == squad(qa)["data"]
    )


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        "[1]",
        '{"data": {"a": 1}}',
        '{"data": [{"title": "A"}]}',
        json.dumps(squad({"question": "When?"})),
        json.dumps(squad({"question": None, "answers": []})),
        json.dumps(squad({"question": "When?", "answers": ["2015"]})),
        "[" * 100_000,
    ],
)
def test_other_files_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match=r"a\.json is not SQuAD JSON") as error:
        read_squad(tmp_path / "a.json")
    assert error.value.hint


@pytest.mark.parametrize(
    "content",
    [b"{}", gzip.compress(b"{}" * 999)[:-9], gzip.compress(b"{}")[:10] + b"\xff" * 20],
    ids=["plain", "truncated", "damaged"],
)
def test_invalid_gzip_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json.gz").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.json\.gz is not SQuAD JSON"):
        read_squad(tmp_path / "a.json.gz")

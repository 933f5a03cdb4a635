from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest

from rag.errors import InputError
from rag.parsing import archives
from rag.parsing.base import ParseError
from rag.parsing.files import FoundFile
from rag.parsing.load import Loaded, load, load_bytes
from tests.parsing.archives import zipped

TEXT = b"Sardines swim near the coast."


def load_file(path: Path, content: bytes, most: int = 1_000_000) -> Loaded:
    path.write_bytes(content)
    return load(FoundFile(path, path.name), most_bytes=most)


def test_a_gz_is_one_document(tmp_path: Path) -> None:
    content = gzip.compress(b"# Fish\n\n" + TEXT)
    (document,) = load_file(tmp_path / "fish.md.gz", content).documents
    assert (document.id, document.source) == ("fish.md.gz", str(tmp_path / "fish.md.gz"))
    assert (document.title, document.metadata["type"], document.container_sha256) == (
        "Fish",
        "md",
        "",
    )
    assert document.sha256 == hashlib.sha256(content).hexdigest()
    assert load(
        FoundFile(tmp_path / "fish.md.gz", "x"), {document.source: document.sha256}
    ).same == [document.source]


def test_a_gz_may_have_several_members_and_padding() -> None:
    (document,) = load_bytes("a.gz", gzip.compress(b"One. ") + gzip.compress(b"Two.") + b"\0" * 512)
    assert document.text == "One. Two."


def test_a_zip_holds_documents(tmp_path: Path) -> None:
    inner = zipped({"deep/c.txt": TEXT})
    content = zipped(
        {
            "a.txt": TEXT,
            "b/b.md": "# B\n\nText.",
            "inner.zip": inner,
            "p.gif": b"\x89PNG",
            ".hidden": TEXT,
            "d/": "",
        }
    )
    loaded = load_file(tmp_path / "all.zip", content)
    path = str(tmp_path / "all.zip")
    assert [d.id for d in loaded.documents] == [
        "all.zip/a.txt",
        "all.zip/b/b.md",
        "all.zip/inner.zip/deep/c.txt",
    ]
    assert [d.source for d in loaded.documents] == [
        f"{path}//a.txt",
        f"{path}//b/b.md",
        f"{path}//inner.zip//deep/c.txt",
    ]
    assert {d.container_sha256 for d in loaded.documents} == {hashlib.sha256(content).hexdigest()}
    assert {d.file for d in loaded.documents} == {path}
    assert loaded.documents[0].sha256 == hashlib.sha256(TEXT).hexdigest()
    assert loaded.skipped == [(f"{path}//p.gif", "unsupported format .gif")]


def test_known_members_are_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    first = load_file(path, zipped({"a.txt": TEXT, "b.txt": "Old."}))
    path.write_bytes(zipped({"a.txt": TEXT, "b.txt": "New."}))
    second = load(FoundFile(path, "all.zip"), {d.source: d.sha256 for d in first.documents})
    assert second.same == [f"{path}//a.txt"]
    assert [d.text for d in second.documents] == ["New."]


def test_escaping_names_stay_inside() -> None:
    content = zipped(
        {"../../etc/x.txt": "One.", "/abs.txt": "Two.", "a\\b.txt": "Three.", "a//b.txt": "Four."}
    )
    assert [d.id for d in load_bytes("z.zip", content)] == [
        "z.zip/etc/x.txt", "z.zip/abs.txt", "z.zip/a/b.txt", "z.zip/a/b (2).txt",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a"])
def test_a_zip_under_another_name_is_never_read_as_text(name: str) -> None:
    with pytest.raises(InputError, match="unsupported"):
        load_bytes(name, zipped({"x.bin": b"\0" * 99}))


def test_bombs_are_bounded(tmp_path: Path) -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    assert len(bomb) < 60_000
    with pytest.raises(ParseError, match="unpacks to more than 5 MB"):
        load_file(tmp_path / "bomb.txt.gz", bomb)
    many = load_file(
        tmp_path / "bomb.zip", zipped({f"{n}.txt": b"0" * 2_000_000 for n in range(20)})
    )
    assert len(many.documents) == 2
    assert {reason for _, reason in many.skipped} == {
        "unpacks, with the files before it, to more than 1 MB"
    }


def test_archives_in_archives_end() -> None:
    content = zipped({"a.txt": "Deep down."})
    for _ in range(3):
        content = zipped({"inner.zip": content})
    with pytest.raises(InputError):
        load_bytes("a.zip", content)
    quine_like = gzip.compress(gzip.compress(gzip.compress(gzip.compress(TEXT))))
    with pytest.raises(InputError):
        load_bytes("a.gz", quine_like)


def test_too_many_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_MOST_PARTS", 2)
    with pytest.raises(InputError, match="more than 2 files"):
        load_bytes("a.zip", zipped({f"{n}.txt": TEXT for n in range(3)}))


def test_an_encrypted_part_is_named(tmp_path: Path) -> None:
    content = bytearray(zipped({"a.txt": TEXT, "b.txt": TEXT}))
    content[content.find(b"PK\1\2") + 8] |= 1  # the flag in the first entry of the directory
    loaded = load_file(tmp_path / "a.zip", bytes(content))
    assert loaded.skipped == [(f"{tmp_path}/a.zip//a.txt", "is encrypted")]
    assert len(loaded.documents) == 1


def test_a_truncated_gz_is_reported() -> None:
    with pytest.raises(InputError, match="truncated"):
        load_bytes("a.gz", gzip.compress(TEXT * 50)[:-20])


def test_ids_of_members_have_no_line_breaks_or_signs_of_direction() -> None:
    names = ["a\nb.txt", "a\x1b[2J.txt", "a\u202etxt.md", "plain.txt"]
    archive = zipped(dict.fromkeys(names, "Sardines swim."))
    found = [member.name for member in archives.parts(archive)]
    assert found == ["a%0Ab.txt", "a%1B[2J.txt", "a%202Etxt.md", "plain.txt"]

import gzip
import hashlib
from pathlib import Path

import pytest

from rag.errors import InputError
from rag.parsing import archives
from rag.parsing.base import ParseError
from rag.parsing.files import FoundFile
from rag.parsing.load import Loaded, load
from tests.parsing.archives import zipped
from tests.parsing.reading import load_bytes

TEXT = b"Sardines swim near the coast."


def load_file(path: Path, content: bytes) -> Loaded:
    path.write_bytes(content)
    return load(FoundFile(path, path.name), most_bytes=1_000_000)


def test_a_gz_is_one_document(tmp_path: Path) -> None:
    path, content = tmp_path / "fish.md.gz", gzip.compress(b"# Fish\n\n" + TEXT)
    (document,) = load_file(path, content).documents
    assert (document.id, document.source, document.title) == ("fish.md.gz", str(path), "Fish")
    assert (document.metadata["type"], document.container_sha256) == ("md", "")
    assert document.sha256 == hashlib.sha256(content).hexdigest()
    assert load(FoundFile(path, "x"), {str(path): document.sha256}).same == [str(path)]
    members = gzip.compress(b"One. ") + gzip.compress(b"Two.") + b"\0" * 512
    assert load_bytes("a.gz", members)[0].text == "One. Two."


def test_a_zip_holds_documents(tmp_path: Path) -> None:
    nested = zipped({"deep/c.txt": TEXT})
    files: dict[str, str | bytes] = {"a.txt": TEXT, "b/b.md": "# B"}
    files |= {"inner.zip": nested, "p.gif": b"\x89PNG"}
    content = zipped({**files, ".hidden": TEXT, "d/": ""})
    path = tmp_path / "all.zip"
    loaded = load_file(path, content)
    members = ["a.txt", "b/b.md", "inner.zip/deep/c.txt"]
    assert [d.id for d in loaded.documents] == [f"all.zip/{name}" for name in members]
    sources = [f"{path}//a.txt", f"{path}//b/b.md", f"{path}//inner.zip//deep/c.txt"]
    assert [d.source for d in loaded.documents] == sources
    assert {d.container_sha256 for d in loaded.documents} == {hashlib.sha256(content).hexdigest()}
    assert {d.file for d in loaded.documents} == {str(path)}
    assert loaded.documents[0].sha256 == hashlib.sha256(TEXT).hexdigest()
    assert loaded.skipped == [(f"{path}//p.gif", "unsupported format .gif")]


def test_known_members_are_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    all_members = load_file(path, zipped({"a.txt": TEXT, "b.txt": "Old."}))
    path.write_bytes(zipped({"a.txt": TEXT, "b.txt": "New."}))
    unknown_members = load(
        FoundFile(path, "all.zip"), {d.source: d.sha256 for d in all_members.documents}
    )
    assert unknown_members.same == [f"{path}//a.txt"]
    assert [d.text for d in unknown_members.documents] == ["New."]


def test_names_stay_inside_and_have_no_line_breaks_or_signs_of_direction() -> None:
    names = ["../../etc/x.txt", "/abs.txt", "a\\b.txt", "a//b.txt", "a\nb.txt", "a\x1b[2J.txt"]
    content = zipped(dict.fromkeys([*names, "a\u202etxt.md"], "Sardines swim."))
    members = ["etc/x.txt", "abs.txt", "a/b.txt", "a/b (2).txt", "a%0Ab.txt", "a%1B[2J.txt"]
    ids = [f"z.zip/{name}" for name in [*members, "a%202Etxt.md"]]
    assert [d.id for d in load_bytes("z.zip", content)] == ids


def test_bombs_are_bounded(tmp_path: Path) -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    assert len(bomb) < 60_000
    with pytest.raises(ParseError, match="unpacks to more than 5 MB"):
        load_file(tmp_path / "bomb.txt.gz", bomb)
    twenty_files = zipped({f"{n}.txt": b"0" * 2_000_000 for n in range(20)})
    loaded = load_file(tmp_path / "bomb.zip", twenty_files)
    assert len(loaded.documents) == 2
    reason = "unpacks, with the files before it, to more than 1 MB"
    assert {reason for _, reason in loaded.skipped} == {reason}


def test_archives_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    nested = zipped({"a.txt": "Deep down."})
    for _ in range(3):
        nested = zipped({"inner.zip": nested})
    quine_like = gzip.compress(gzip.compress(gzip.compress(gzip.compress(TEXT))))
    monkeypatch.setattr(archives, "_MOST_PARTS", 2)
    for name, content, reason in (
        ("a.zip", nested, "nested"),
        ("a.gz", quine_like, "not a readable zip"),
        ("a.gz", gzip.compress(TEXT * 50)[:-20], "truncated"),
        ("a.zip", zipped({f"{n}.txt": TEXT for n in range(3)}), "more than 2 files"),
        # under another name it is never read as text
        ("a.txt", zipped({"x.bin": b"\0" * 99}), "unsupported"),
        ("a", zipped({"x.bin": b"\0" * 99}), "unsupported"),
    ):
        with pytest.raises(InputError, match=reason):
            load_bytes(name, content)


def test_an_encrypted_member_is_named(tmp_path: Path) -> None:
    content = bytearray(zipped({"a.txt": TEXT, "b.txt": TEXT}))
    content[content.find(b"PK\1\2") + 8] |= 1  # the flag in the first entry of the directory
    loaded = load_file(tmp_path / "a.zip", bytes(content))
    assert loaded.skipped == [(f"{tmp_path}/a.zip//a.txt", "is encrypted")]
    assert len(loaded.documents) == 1

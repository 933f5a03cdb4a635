"""Uploads and ingested files of one name never replace each other, on either store."""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rag.errors import ConflictError
from rag.ingestion.ingest import Ingest, IngestReport
from rag.ingestion.uploads import Done, Upload, put_upload
from rag.parsing.files import find
from rag.protocols import Store
from tests.parsing.archives import zipped
from tests.store.helpers import EMBEDDER, EXPECT, opening, stored_documents

TOKENS = int(EXPECT["passage_tokens"])
NAME = "uploads/a.txt"


@pytest.fixture(params=["local", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with closing(opening(request, request.param)(tmp_path / "index")) as opened:
        yield opened


def ingest(store: Store, folder: Path, text: str) -> IngestReport:
    (folder / "uploads").mkdir(exist_ok=True)
    (folder / NAME).write_text(text)
    (folder / "uploads/b.txt").write_text("Another file.")
    return Ingest(store, EMBEDDER, TOKENS).run(find([folder / "uploads"]))


def upload(store: Store, data: str | bytes, source: str = "", name: str = NAME) -> Done:
    content = data.encode() if isinstance(data, str) else data
    return put_upload(store, EMBEDDER, TOKENS, Upload(name, source or f"upload:{name}", content))


def text(store: Store) -> str:
    document = store.document(NAME)
    return document.text if document else ""


def test_an_upload_does_not_replace_a_file_s_document(store: Store, tmp_path: Path) -> None:
    ingest(store, tmp_path, "From a folder.")
    message = f"{NAME} was ingested from {tmp_path / NAME}\n.*rag delete {NAME}"
    with pytest.raises(ConflictError, match=message):
        upload(store, "Mine.")
    assert text(store) == "From a folder."


def test_a_file_does_not_replace_an_upload_queued_or_not(store: Store, tmp_path: Path) -> None:
    upload(store, "Mine.")
    report = ingest(store, tmp_path, "From a folder.")
    assert report.added == ["uploads/b.txt"]
    assert [reason for _, reason in report.skipped] == [
        f"its name {NAME} belongs to an upload; give the folder another name with --name, or first "
        f"run: rag delete {NAME}"
    ]
    with pytest.raises(ConflictError, match=f"its name {NAME} belongs to an upload"):
        upload(store, "From a folder.", "/folder/a.txt")
    assert text(store) == "Mine."


def test_each_replaces_its_own_kind(store: Store) -> None:
    for source in ("", "/folder/a.txt"):
        store.delete(NAME)
        outcomes = [upload(store, data, source).outcome for data in ("One.", "One.", "Two.")]
        assert outcomes == ["added", "unchanged", "updated"]
        assert text(store) == "Two."


@pytest.mark.parametrize("source", ["upload:uploads/a.zip", "/folder/a.zip"])
def test_members_no_longer_in_an_archive_are_removed(store: Store, source: str) -> None:
    def put(files: dict[str, bytes | str]) -> Done:
        return upload(store, zipped(files), source, "uploads/a.zip")

    unrelated = [NAME, "uploads/a.zip.txt"]
    for name in unrelated:
        upload(store, "Another's.", name=name)
    first_member, third_member = "uploads/a.zip/one.md", "uploads/a.zip/three.md"
    assert put({"one.md": "One.", "two.md": "Two."}).outcome == "added"
    assert put({"one.md": "One."}) == Done(
        "updated", (first_member,), "uploads/a.zip/two.md is removed"
    )
    assert stored_documents(store).keys() == {first_member, *unrelated}
    assert put({"one.pdf": "no PDF", "three.md": "Three."}).documents == (third_member,)
    assert stored_documents(store).keys() == {third_member, *unrelated}


def test_an_unreadable_member_is_named_and_kept(store: Store) -> None:
    upload(store, zipped({"one.md": "One.", "two.txt": "Two."}), name="uploads/a.zip")
    changed = zipped({"one.md": "One.", "two.txt": b"\0\1\2\3" * 100})
    uploaded = upload(store, changed, name="uploads/a.zip")
    assert (uploaded.outcome, uploaded.documents) == ("unchanged", ("uploads/a.zip/one.md",))
    assert uploaded.detail.startswith("two.txt ")
    assert store.document("uploads/a.zip/two.txt")
    readable_member = store.document("uploads/a.zip/one.md")
    assert readable_member
    assert readable_member.file_sha256 == hashlib.sha256(changed).hexdigest()

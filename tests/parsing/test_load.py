"""Files are found in folders, decoded, and read by the parser of their format."""

import contextlib
import hashlib
import os
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.errors import InputError, NotFoundError
from rag.parsing.base import ParseError
from rag.parsing.encoding import decode
from rag.parsing.files import FoundFile, find
from rag.parsing.load import load
from tests.parsing.reading import headings, load_bytes, read

PROSE = {
    "cp1252": "The résumé said “yes” – it cost 5 € at the café.",
    "latin-1": "El niño comió piñas en España, según la señora Muñoz.",
    "cp1250": (
        "Zażółć gęślą jaźń. Porozumienie podpisano w Wiedniu, a Iran zgodził się na ograniczenia."
    ),
    "cp1251": "Договор был подписан в Вене 14 июля 2015 года.",
    "cp1253": "Η συμφωνία υπογράφηκε στη Βιέννη τον Ιούλιο.",
    "shift_jis": "協定は2015年7月14日にウィーンで署名された。イランは合意した。",
    "euc_jp": "協定は2015年7月14日にウィーンで署名された。イランは合意した。",
    "gb18030": "协议于2015年7月14日在维也纳签署。伊朗同意了。",
    "big5": "協議於2015年7月14日在維也納簽署。",
    "euc_kr": "안녕하세요 세계. 이란 핵 합의는 2015년에 서명되었다.",
    "utf-8": "é 中 \U0001f468\u200d\U0001f469",
    "utf-8-sig": "é 中",
    "utf-16": "é 中",
    "utf-32": "é 中",
}


def write(path: Path, content: str | bytes = "Some text.") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def ids(*paths: Path, name: str | None = None) -> list[str]:
    return [file.document_id for file in find(list(paths), name)]


def test_files_of_a_folder_in_order_without_hidden_ones(tmp_path: Path) -> None:
    assert ids(tmp_path) == []
    names = "b.md a.txt B/c.md B/a/d.txt a/e.md .hidden.md .git/f.md B/.g/h.md odd.bin"
    for name in names.split():
        write(tmp_path / "docs" / name)
    expected = "docs/a.txt docs/b.md docs/odd.bin docs/B/c.md docs/B/a/d.txt docs/a/e.md".split()
    assert ids(tmp_path / "docs") == expected
    paths = [str(file.path) for file in find([tmp_path / "docs"])]
    assert paths == [f"{tmp_path}/{document_id}" for document_id in expected]


def test_ids_begin_with_a_folder_or_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    b, a = write(tmp_path / "y" / "b.md"), write(tmp_path / "x" / "a.md")
    assert ids(a) == ids(a.parent) == ["x/a.md"]
    assert ids(a, name="n") == ids(a.parent, name="n") == ["n/a.md"]
    assert ids(b, a.parent) == ["y/b.md", "x/a.md"]
    assert ids(a.parent, b) == ["x/a.md", "y/b.md"]
    monkeypatch.chdir(a.parent)
    assert ids(Path(".")) == ids(Path("a.md")) == ids(Path("../x")) == ["x/a.md"]


@pytest.mark.parametrize("name", ["absent", "a.md/b.md", "x" * 5_000, "nul\0"])
def test_a_missing_path_is_reported_first(tmp_path: Path, name: str) -> None:
    files = find([write(tmp_path / "a.md"), tmp_path / name])
    with pytest.raises(NotFoundError) as error:
        next(files)
    assert str(tmp_path / name) in error.value.message
    assert "rag ingest" in error.value.hint


def test_links_to_files_inside_are_followed_and_loops_end(tmp_path: Path) -> None:
    docs = write(tmp_path / "docs" / "a.md").parent
    (docs / "link.md").symlink_to(write(docs / ".hidden.md"))
    (docs / "broken.md").symlink_to(tmp_path / "absent")
    (docs / "self.md").symlink_to(docs / "self.md")
    (docs / "loop").symlink_to(docs)
    dangling = ["docs/broken.md", "docs/self.md"]  # found, so that they are reported
    assert sorted(ids(docs)) == sorted(["docs/a.md", "docs/link.md", *dangling])
    files = [file for file in find([docs]) if file.document_id not in dangling]
    assert [read(file).source for file in files] == [str(docs / "a.md"), str(docs / "link.md")]
    with pytest.raises(NotFoundError):
        ids(docs / "self.md")


@pytest.mark.skipif(sys.platform != "linux", reason="file names are Unicode elsewhere")
def test_a_name_that_is_not_utf8_has_a_valid_id_and_a_reason(tmp_path: Path) -> None:
    write(tmp_path / "docs" / "z.md")
    with open(os.path.join(os.fsencode(tmp_path), b"docs", b"caf\xe9.md"), "wb") as file:
        file.write(b"text")
    odd, readable = find([tmp_path / "docs"])
    assert odd.document_id == "docs/caf\\xe9.md"
    with pytest.raises(ParseError, match="name"):
        read(odd)
    assert read(readable).text == "Some text."


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_unreadable_folders_are_reported(tmp_path: Path) -> None:
    path, closed_folder = write(tmp_path / "a.md"), write(tmp_path / "closed" / "b.md").parent
    path.chmod(0)
    closed_folder.chmod(0)
    try:
        files = list(find([tmp_path]))
        assert [file.path for file in files] == [path, closed_folder]
        for file in files:
            with pytest.raises(ParseError, match=r"cannot be"):
                read(file)
        with pytest.raises(InputError, match="closed"):
            list(find([closed_folder]))
    finally:
        path.chmod(0o600)
        closed_folder.chmod(0o700)


def test_a_document_has_its_file_digest_and_metadata(tmp_path: Path) -> None:
    front = "---\r\ntitle: The\r\n  deal\r\ndate: 2015-07-14\r\n---\r\n"
    content = f"{front}# Parties\r\n\r\nIran and six others.\r\n".encode("utf-8-sig")
    path = write(tmp_path / "deal.MD", content)
    document = read(FoundFile(path, "docs/deal.MD"))
    assert (document.id, document.source, document.title) == ("docs/deal.MD", str(path), "The deal")
    assert document.text == "Parties\n\nIran and six others."
    assert document.sha256 == hashlib.sha256(content).hexdigest()
    assert document.metadata == {"date": "2015-07-14", "year": "2015", "type": "md"}
    assert headings(document) == ["Parties"]


@pytest.mark.parametrize(
    ("name", "content", "text", "title"),
    [
        ("a.txt", "Muscat\n\nA city.\n", "Muscat\n\nA city.\n", "Muscat"),
        ("a.text", "A city. ", "A city. ", "a"),
        ("b.c.markdown", "*A* city.", "A city.", "b.c"),
        ("a.HTM", "<title>T</title>A <b>city</b>.", "A city.", "T"),
        ("index.rst.txt", "Fish\n====\n\nThey *swim*.", "Fish\n\nThey swim.", "Fish"),
        ("README", "A city.", "A city.", "README"),
        ("notes.log", "A city.", "A city.", "notes"),
        ("folder.d/COPYING", "A city.", "A city.", "COPYING"),
        ("https://example.org/x/deal.md", "# The deal", "The deal", "The deal"),
    ],
)
def test_each_format_has_its_parser(name: str, content: str, text: str, title: str) -> None:
    (document,) = load_bytes(name, content)
    assert (document.text, document.title) == (text, title)
    assert document.id == document.source == document.file == name


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.doc", b"\xd0\xcf\x11\xe0", r"unsupported format \.doc"),
        ("a.gif", b"%PDF-1.4", r"unsupported format \.gif"),
        ("a", b"\x7fELF\0", "binary"),
        ("a.txt.zst", b"text", r"unsupported format \.zst"),
        ("a.txt", b"", "contains no text"),
        ("a.txt", b"\xef\xbb\xbf \r\n", "contains no text"),
        ("a.md", b"***\n\n<!-- hidden -->", "contains no text"),
        ("a.html", b"<script>x</script>", "contains no text"),
        ("a.txt", b"te\0xt", "binary"),
        ("a.md", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary"),
        ("a.txt", "te\0xt".encode("utf-16"), "binary"),
        ("a.txt", bytes(range(1, 256)), "not text in any known encoding"),
        ("a.md", b">" * 20_000 + b" deep", "nested too deeply"),
        ("a.md", b"\n".join(b"  " * n + b"- deep" for n in range(500)), "nested too deeply"),
    ],
)
def test_unreadable_files_say_why(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        read(FoundFile(write(tmp_path / name, content), name))
    with pytest.raises(InputError, match=reason):
        load_bytes(name, content)


def test_a_deleted_file_and_a_folder_have_a_reason(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="no longer exists"):
        read(FoundFile(tmp_path / "gone.md", "gone.md"))
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(ParseError, match="folder"):
        read(FoundFile(tmp_path / "folder.md", "folder.md"))


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.txt"
    with path.open("wb") as file:
        file.truncate(2_000_000_000)
    with pytest.raises(ParseError, match="larger than 100 MB; raise RAG_FILE_MB"):
        load(FoundFile(path, "sparse.txt"))
    ten, eleven = (FoundFile(write(tmp_path / f"{n}.txt", "x" * n), "x.txt") for n in (10, 11))
    assert load(ten, most_bytes=10).documents
    with pytest.raises(ParseError, match="larger"):
        load(eleven, most_bytes=10)


@pytest.mark.parametrize(
    ("front", "metadata"),
    [
        ("date: 14 July 2015", {"date": "2015-07-14", "year": "2015"}),
        ("date: Spring 2024", {"date": "Spring 2024", "year": "2024"}),
        ("date: 03/04/2024", {"date": "03/04/2024", "year": "2024"}),
        ("lang: en-GB", {"language": "en"}),
        ("author: Ada\n  Lovelace", {"author": "Ada Lovelace"}),
        ("year: 1843\ndate: 2024", {"date": "2024", "year": "1843"}),
    ],
)
def test_metadata_in_one_form(front: str, metadata: dict[str, str]) -> None:
    (document,) = load_bytes("a.md", f"---\n{front}\n---\nText.")
    assert document.metadata == metadata | {"type": "md"}


@pytest.mark.parametrize(
    ("name", "text", "title", "date"),
    [
        ("2024-07-24.md", "# Council\n\nText.", "Council (24 July 2024)", "2024-07-24"),
        ("2024_07_24 minutes.txt", "Text.", "2024_07_24 minutes (24 July 2024)", "2024-07-24"),
        ("2024-07-24.md", "# Of July 24, 2024\n\nText.", "Of July 24, 2024", "2024-07-24"),
        ("2024-07-24.md", "---\ntitle: P\ndate: 2024-08\n---\nx", "P (24 July 2024)", "2024-08"),
        ("plan-2024-99-24.md", "# Plan\n\nText.", "Plan", None),
    ],
)
def test_a_day_in_a_file_name_dates_it(name: str, text: str, title: str, date: str | None) -> None:
    (document,) = load_bytes(name, text)
    assert (document.title, document.metadata.get("date")) == (title, date)


@pytest.mark.parametrize("encoding", PROSE)
def test_text_of_each_encoding(encoding: str) -> None:
    assert decode(PROSE[encoding].encode(encoding)) == PROSE[encoding]


@pytest.mark.parametrize(
    "text",
    ["Café", "price £5", "The résumé\n", "à la carte", "40 °C, 5 µm ± 2", "It’s " + "long. " * 500],
)
def test_a_little_western_text(text: str) -> None:
    assert decode(text.encode("cp1252")) == text


@pytest.mark.parametrize(
    ("charset", "codec", "words"),
    [
        ("iso-8859-9", "cp1254", "Şirket 1923 yılında İstanbul'da kuruldu."),
        ("iso-8859-5", "iso8859_5", "Договор был подписан в Вене."),
        ("windows-1257", "cp1257", "Sutartis pasirašyta Vilniuje gegužės mėnesį."),
        ("iso-8859-15", "iso8859_15", "Le loyer est de 900 €, au cœur de Paris."),
        ("iso-8859-1", "utf-8", "Das Gebäude wurde 1923 eröffnet."),
        ("no-such-thing", "cp1252", "Das Gebäude wurde 1923 eröffnet."),
    ],
)
def test_a_page_has_its_declared_encoding_or_utf8(charset: str, codec: str, words: str) -> None:
    page = f'<html><head><meta charset="{charset}"></head><body><p>{words * 3}</p></body></html>'
    assert load_bytes("a.html", page.encode(codec))[0].text == words * 3


@pytest.mark.parametrize("content", [b"\xff\xfe\x00\xd8a\x00", b"\x00\x00\xfe\xff\xff\xff\xff\xff"])
def test_a_byte_order_mark_before_something_else_is_a_reason(content: bytes) -> None:
    with pytest.raises(ParseError, match="encoding"):
        decode(content)


@settings(max_examples=60)
@given(st.binary(max_size=200))
@example(b"\x89PNG")
@example(b"\xff\xfea")
def test_any_bytes_are_text_or_unreadable(content: bytes) -> None:
    with contextlib.suppress(ParseError):
        text = decode(content)
        assert "\0" not in text
        text.encode()


@settings(max_examples=60)
@given(st.text(st.characters(exclude_characters="\0\ufeff", exclude_categories=["Cs"])))
def test_utf8_and_utf16_are_read_to_the_character(text: str) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert decode(text.encode(encoding)) == text

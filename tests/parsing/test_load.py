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
from rag.parsing.load import load, load_bytes, read
from rag.structure import sections

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
    return [found.document_id for found in find(list(paths), name)]


def test_files_of_a_folder_in_order_without_hidden_ones(tmp_path: Path) -> None:
    names = "b.md a.txt B/c.md B/a/d.txt a/e.md .hidden.md .git/f.md B/.g/h.md odd.bin"
    for name in names.split():
        write(tmp_path / "docs" / name)
    expected = "docs/a.txt docs/b.md docs/odd.bin docs/B/c.md docs/B/a/d.txt docs/a/e.md".split()
    assert ids(tmp_path / "docs") == expected
    paths = [str(found.path) for found in find([tmp_path / "docs"])]
    assert paths == [f"{tmp_path}/{document_id}" for document_id in expected]


def test_a_single_file_is_named_as_its_folder_would_name_it(tmp_path: Path) -> None:
    path = write(tmp_path / "docs" / "a.md")
    assert ids(path) == ids(tmp_path / "docs") == ["docs/a.md"]


def test_another_name_for_the_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "docs" / "sub" / "a.md")
    assert ids(path, name="n") == ["n/a.md"]
    assert ids(tmp_path / "docs", name="n") == ["n/sub/a.md"]


def test_several_paths_keep_their_order(tmp_path: Path) -> None:
    b, a = write(tmp_path / "y" / "b.md"), write(tmp_path / "x" / "a.md")
    assert ids(b, tmp_path / "x") == ["y/b.md", "x/a.md"]
    assert ids(a.parent, b) == ["x/a.md", "y/b.md"]


def test_a_relative_path_is_named_by_the_folder_it_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "docs" / "a.md")
    monkeypatch.chdir(tmp_path / "docs")
    assert ids(Path(".")) == ids(Path("a.md")) == ids(Path("../docs")) == ["docs/a.md"]


def test_an_empty_folder_has_no_files(tmp_path: Path) -> None:
    assert ids(tmp_path) == []


@pytest.mark.parametrize("name", ["absent", "a.md/b.md", "x" * 5_000, "nul\0"])
def test_a_missing_path_is_reported_first(tmp_path: Path, name: str) -> None:
    there = write(tmp_path / "a.md")
    found = find([there, tmp_path / name])
    with pytest.raises(NotFoundError) as error:
        next(found)
    assert str(tmp_path / name) in error.value.message
    assert "rag ingest" in error.value.hint


def test_links_to_files_are_followed_and_loops_end(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside.md")
    docs = write(tmp_path / "docs" / "a.md").parent
    (docs / "link.md").symlink_to(outside)
    (docs / "broken.md").symlink_to(tmp_path / "absent")
    (docs / "self.md").symlink_to(docs / "self.md")
    (docs / "loop").symlink_to(docs)
    dangling = ["docs/broken.md", "docs/self.md"]  # found, so that they are reported
    assert sorted(ids(docs)) == sorted(["docs/a.md", "docs/link.md", *dangling])
    found = [one for one in find([docs]) if one.document_id not in dangling]
    assert [read(one).source for one in found] == [str(docs / "a.md"), str(docs / "link.md")]
    with pytest.raises(NotFoundError):
        ids(docs / "self.md")


@pytest.mark.skipif(sys.platform != "linux", reason="file names are Unicode elsewhere")
def test_a_name_that_is_not_utf8_has_a_valid_id_and_a_reason(tmp_path: Path) -> None:
    write(tmp_path / "docs" / "z.md")
    with open(os.path.join(os.fsencode(tmp_path), b"docs", b"caf\xe9.md"), "wb") as file:
        file.write(b"text")
    odd, fine = find([tmp_path / "docs"])
    assert odd.document_id == "docs/caf\\xe9.md"
    with pytest.raises(ParseError, match="name"):
        read(odd)
    assert read(fine).text == "Some text."


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_unreadable_folders_are_reported(tmp_path: Path) -> None:
    path, closed = write(tmp_path / "a.md"), write(tmp_path / "closed" / "b.md").parent
    path.chmod(0)
    closed.chmod(0)
    try:
        found = list(find([tmp_path]))
        assert [f.path for f in found] == [path, closed]
        for one in found:
            with pytest.raises(ParseError, match=r"cannot be"):
                read(one)
        with pytest.raises(InputError, match="closed"):
            list(find([closed]))
    finally:
        path.chmod(0o600)
        closed.chmod(0o700)


def test_read(tmp_path: Path) -> None:
    content = (
        "---\r\ntitle: The\r\n  deal\r\ndate: 2015-07-14\r\n---\r\n# Parties\r\n\r\nIran "
        "and six others.\r\n"
    ).encode("utf-8-sig")
    path = write(tmp_path / "deal.MD", content)
    document = read(FoundFile(path, "docs/deal.MD"))
    assert (document.id, document.source, document.title) == ("docs/deal.MD", str(path), "The deal")
    assert document.text == "Parties\n\nIran and six others."
    assert document.sha256 == hashlib.sha256(content).hexdigest()
    assert document.metadata == {"date": "2015-07-14", "year": "2015", "type": "md"}
    assert [(section.start, section.heading) for section in sections(document.blocks)] == [
        (0, "Parties")
    ]


@pytest.mark.parametrize(
    ("name", "content", "text", "title"),
    [
        ("a.txt", "Muscat\n\nA city.\n", "Muscat\n\nA city.\n", "Muscat"),
        ("a.text", "A city. ", "A city. ", "a"),
        ("b.c.markdown", "*A* city.", "A city.", "b.c"),
        ("a.HTM", "<title>T</title>A <b>city</b>.", "A city.", "T"),
        ("a.html", "A city.", "A city.", "a"),
    ],
)
def test_each_format_has_its_parser(
    tmp_path: Path, name: str, content: str, text: str, title: str
) -> None:
    document = read(FoundFile(write(tmp_path / name, content), name))
    assert (document.text, document.title) == (text, title)


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
        (
            "a.md",
            b"\n".join(b"  " * depth + b"- deep" for depth in range(500)),
            "nested too deeply",
        ),
    ],
)
def test_unreadable_files_have_a_reason(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    with pytest.raises(ParseError, match=reason):
        read(FoundFile(write(tmp_path / name, content), name))


def test_a_deleted_file_and_a_folder_have_a_reason(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="no longer exists"):
        read(FoundFile(tmp_path / "gone.md", "gone.md"))
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(ParseError, match="folder"):
        read(FoundFile(tmp_path / "folder.md", "folder.md"))


@pytest.mark.parametrize("name", ["README", "notes.log", "folder.d/COPYING"])
def test_a_name_without_a_suffix_is_text(tmp_path: Path, name: str) -> None:
    document = read(FoundFile(write(tmp_path / name, "Sardines swim."), name))
    assert (document.text, document.title) == ("Sardines swim.", Path(name).stem)


def test_a_known_file_is_not_read_again(tmp_path: Path) -> None:
    found = FoundFile(write(tmp_path / "a.txt"), "a.txt")
    digest = load(found).documents[0].sha256
    loaded = load(found, {str(found.path): digest})
    assert (loaded.documents, loaded.same) == ([], [str(found.path)])
    assert load(found, {str(found.path): "another"}).documents[0].sha256 == digest


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.txt"
    with path.open("wb") as file:
        file.truncate(2_000_000_000)
    with pytest.raises(ParseError, match="larger than 100 MB; raise RAG_FILE_MB"):
        load(FoundFile(path, "sparse.txt"))
    assert load(
        FoundFile(write(tmp_path / "ten.txt", "x" * 10), "ten.txt"), most_bytes=10
    ).documents
    with pytest.raises(ParseError, match="larger"):
        load(FoundFile(write(tmp_path / "more.txt", "x" * 11), "more.txt"), most_bytes=10)


def test_bytes_without_a_file() -> None:
    (document,) = load_bytes("https://example.org/x/deal.md", b"# The deal\n\nSigned.")
    assert (document.id, document.source) == ("https://example.org/x/deal.md",) * 2
    assert (document.title, document.text, document.file) == (
        "The deal",
        "The deal\n\nSigned.",
        document.source,
    )
    with pytest.raises(InputError, match=r"x\.bin unsupported format"):
        load_bytes("x.bin", b"x")
    with pytest.raises(InputError, match="binary"):
        load_bytes("x", b"\0")


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
    (document,) = load_bytes("a.md", f"---\n{front}\n---\nText.".encode())
    assert document.metadata == metadata | {"type": "md"}


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
    ("named", "codec", "words"),
    [
        ("iso-8859-9", "cp1254", "Şirket 1923 yılında İstanbul'da kuruldu."),
        ("iso-8859-5", "iso8859_5", "Договор был подписан в Вене."),
        ("windows-1257", "cp1257", "Sutartis pasirašyta Vilniuje gegužės mėnesį."),
        ("iso-8859-15", "iso8859_15", "Le loyer est de 900 €, au cœur de Paris."),
        ("iso-8859-1", "utf-8", "Das Gebäude wurde 1923 eröffnet."),
        ("no-such-thing", "cp1252", "Das Gebäude wurde 1923 eröffnet."),
    ],
)
def test_a_page_has_its_declared_encoding_unless_it_is_utf8(
    named: str, codec: str, words: str
) -> None:
    page = f'<html><head><meta charset="{named}"></head><body><p>{words * 3}</p></body></html>'
    assert load_bytes("a.html", page.encode(codec))[0].text == words * 3


def test_the_encoding_that_html_names() -> None:
    source = '<meta charset="gb18030"><p>你好，世界。</p>'
    assert decode(source.encode("gb18030")) == source


@pytest.mark.parametrize("content", [b"\xff\xfe\x00\xd8a\x00", b"\x00\x00\xfe\xff\xff\xff\xff\xff"])
def test_a_byte_order_mark_before_something_else_is_a_reason(content: bytes) -> None:
    with pytest.raises(ParseError, match="encoding"):
        decode(content)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
@example(b"\x89PNG")
@example(b"\xff\xfea")
def test_any_bytes_are_text_or_unreadable(content: bytes) -> None:
    with contextlib.suppress(ParseError):
        text = decode(content)
        assert "\0" not in text
        text.encode()


@settings(max_examples=60, deadline=None)
@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])).filter(
        lambda text: not text.startswith("\ufeff")
    )
)
def test_utf8_and_utf16_are_read_to_the_character(text: str) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize(
    ("name", "text", "title", "date"),
    [
        ("2024-07-24.md", "# Council\n\nText.", "Council (24 July 2024)", "2024-07-24"),
        ("2024_07_24 minutes.txt", "Text.", "2024_07_24 minutes (24 July 2024)", "2024-07-24"),
        ("2024-07-24.md", "# Of July 24, 2024\n\nText.", "Of July 24, 2024", "2024-07-24"),
        (
            "2024-07-24.md",
            "---\ntitle: Plan\ndate: 2024-08\n---\nText.",
            "Plan (24 July 2024)",
            "2024-08",
        ),
        ("plan-2024-99-24.md", "# Plan\n\nText.", "Plan", None),
    ],
)
def test_the_day_in_a_file_name_dates_its_document(
    tmp_path: Path, name: str, text: str, title: str, date: str | None
) -> None:
    (loaded,) = load(FoundFile(write(tmp_path / name, text), name)).documents
    assert (loaded.title, loaded.metadata.get("date")) == (title, date)

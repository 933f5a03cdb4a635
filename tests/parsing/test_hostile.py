"""Any file in any format is parsed or rejected, and what is parsed can be cited."""

import contextlib
import gzip
import io
import random
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.errors import InputError
from rag.ingestion.chunking import split_document
from rag.parsing.formats import FORMATS
from rag.structure import sections
from rag.types import Document
from tests.fakes import BagOfWordsEmbedder
from tests.parsing.archives import zipped
from tests.parsing.pdfs import column, pdf
from tests.parsing.reading import load_bytes
from tests.parsing.test_delimited import ROWS, book
from tests.parsing.test_epub import FILES
from tests.parsing.test_mail import message
from tests.parsing.test_office import letter, show
from tests.parsing.test_rst import SOURCE

HEADS = {"eml": [b"From: a@b\nSubject: x\nContent-Type: "]}
TEXTS = [name for name, kind in FORMATS.items() if kind.category == "text"]
KINDS = [*FORMATS, "", "exe"]
NOISE = [b"", b"\0" * 999, b"\xff" * 999, b"\xff\xfe" * 99, b"\n" * 999, b"\0\0\xfe\xff", b"<"]
WHOLE: dict[str, bytes] = {
    "pdf": pdf([column(["Sardines swim near the coast", "of Oman."], 50)]),
    "docx": letter(pages=True),
    "pptx": show(),
    "xlsx": book(),
    "epub": zipped(FILES),
    "eml": message().as_bytes(),
    "mbox": b"From ada Fri Feb 13\n" + message().as_bytes(),
    "zip": zipped({"a.txt": "Sardines.", "b.docx": letter()}),
    "txt.gz": gzip.compress(b"Sardines swim."),
    "rst": SOURCE.encode(),
    "csv": ROWS.encode(),
    "jsonl": b'{"title": "Sardines", "text": "They swim."}\n' * 3,
    "html": b"<title>T</title><main><h1>Fish</h1><p>They <b>swim</b>.<table><tr><td>1<td>2</table>",
    "md": b"---\ntitle: Sardines\n---\n# Fish\n\n- a\n- b\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
    "txt": ("Headline\n" + "They swim and swim. " * 9 + "\n").encode() * 3,
}


def read(name: str, content: bytes) -> list[Document]:
    """The file's documents, after checking their invariants; [] if it is rejected with an
    InputError.
    """
    documents: list[Document] = []
    with contextlib.suppress(InputError):
        documents = load_bytes(name, content)
    for document in documents:
        check(document)
    return documents


def check(document: Document) -> None:
    text = document.text
    assert text.strip()
    values = document.metadata.items()
    "\n".join([document.id, text, document.title, *(key + value for key, value in values)]).encode()
    starts = [section.start for section in sections(document.blocks)]
    assert starts == sorted(starts)
    assert list(document.pages) == sorted(document.pages)
    assert all(0 <= start <= len(text) for start in (*starts, *document.pages))
    covered = bytearray(len(text))
    for passage in split_document(document, BagOfWordsEmbedder().count_tokens, 40):
        assert text[passage.start : passage.end] == passage.text
        covered[passage.start : passage.end] = b"\1" * (passage.end - passage.start)
    assert all(mark or character.isspace() for mark, character in zip(covered, text, strict=True))


@pytest.mark.parametrize("kind", WHOLE)
def test_every_format_whole_truncated_and_corrupted(kind: str) -> None:
    content, name = WHOLE[kind], f"a.{kind}"
    assert read(name, content)
    rng = random.Random(kind)
    for tenth in range(10):
        read(name, content[: len(content) * tenth // 10])
        spoiled = bytearray(content)
        for _ in range(1 + tenth * 3):
            spoiled[rng.randrange(len(spoiled))] = rng.randrange(256)
        read(name, bytes(spoiled))


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_under_every_other_name(kind: str) -> None:
    for content in WHOLE.values():
        read(f"a.{kind}" if kind else "a", content)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", NOISE)
def test_nothing_and_noise(kind: str, content: bytes) -> None:
    for document in read(f"a.{kind}" if kind else "a", content):
        assert set(document.text) <= {"\xff", "<", "\xfe", "\ufffd"} or kind in TEXTS or not kind


@settings(max_examples=250)
@given(st.sampled_from(list(FORMATS)), st.binary(max_size=400))
@example("eml", b"Subject: =?utf-8?b?\xff?=\nDate: x\nFrom: ,,<\n\n")
@example("eml", b"Content-Type: multipart/mixed; boundary=x\nSubject: x\n\n--x\n--x--")
@example("eml", b"Subject: x\nContent-Type: text/plain; charset=rot13\n\nx")
def test_any_bytes(kind: str, content: bytes) -> None:
    for head in (b"", *HEADS.get(kind, ())):
        read(f"a.{kind}", head + content)


@settings(max_examples=150)
@given(st.sampled_from(TEXTS), st.text(max_size=400))
def test_any_text(kind: str, content: str) -> None:
    read(f"a.{kind}", content.encode("utf-8", "replace"))


MARKS = {
    "html": [
        *"<>!-[]&;='\"/? a", "<p>", "<!--", "-->", "<![", "<!DOCTYPE", "&#x", "<ul>", "</",
    ],
    "md": [*"#-*_`[]()<>!|&\\~:\n\n\n ", "1. ", "    ", "---\n", "<div>", "<![", "a", "b: "],
    "rst": list(" \n\n=-~*`:.|+_ab<>\\#1"),
    "csv": list(",;\t|\"' \na1"),
}  # fmt: skip


@pytest.mark.parametrize("kind", MARKS)
@settings(max_examples=120)
@given(data=st.data())
def test_any_marks(kind: str, data: st.DataObject) -> None:
    read(f"a.{kind}", "".join(data.draw(st.lists(st.sampled_from(MARKS[kind])))).encode())


DEEP = 10_000
PARAGRAPH = "<w:p><w:r><w:t>deep</w:t></w:r></w:p>"
NESTED: dict[str, Callable[[], bytes]] = {
    "html": lambda: b"<ul><li>" * (DEEP // 2) + b"deep",
    "xhtml": lambda: b"<table><tr><td>" * (DEEP // 3) + b"deep",
    "rst": lambda: b"".join(b"  " * (n % 50) + b"* - deep\n" for n in range(DEEP)),
    "eml": lambda: b"Subject: x\n" + b"Content-Type: message/rfc822\n\n" * DEEP + b"deep",
    "docx": lambda: zipped(
        word("<w:sdt><w:sdtContent>" * DEEP + PARAGRAPH + "</w:sdtContent></w:sdt>" * DEEP)
    ),
    "epub": lambda: zipped({**FILES, "OPS/two.xhtml": "<div>" * DEEP + "deep"}),
    "pdf": lambda: pdf([[]]).replace(b"endstream", b"[" * DEEP + b" endstream"),
}


def word(body: str) -> dict[str, bytes | str]:
    """The files of a .docx with this body."""
    files: dict[str, bytes | str] = {**unpacked(letter())}
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    return files | {
        "word/document.xml": f"<w:document {space}><w:body>{body}</w:body></w:document>"
    }


@pytest.mark.parametrize("kind", NESTED)
def test_ten_thousand_nested_elements(kind: str) -> None:
    read(f"a.{kind}", NESTED[kind]())


def test_a_table_that_claims_to_be_endless() -> None:
    files = {"xl/worksheets/sheet1.xml": b"", **unpacked(book())}
    sheet = bytes(files["xl/worksheets/sheet1.xml"])
    endless = sheet.replace(b'<dimension ref="A1:C4"', b'<dimension ref="A1:XFD1048576"')
    assert endless != sheet
    (document,) = read("a.xlsx", zipped({**files, "xl/worksheets/sheet1.xml": endless}))
    assert document.text.startswith("Catch\n\nPort: Muscat")


def unpacked(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}

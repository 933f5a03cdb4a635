"""A bundle: answers, the documents they quote, a page to read, and a program that checks them."""

from __future__ import annotations

import json
import math
import re
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

from rag.answering.receipts import answer_digest, load
from rag.answering.verification import citations
from rag.desk import grid_export, verify_bundle
from rag.desk.grid import Cell, Grid, now
from rag.errors import InputError, writing_to
from rag.originals import open_original
from rag.protocols import Store
from rag.render.html_page import html_page, html_text
from rag.render.status import one_line
from rag.structure import heading_path
from rag.types import Citation, Document

SUMS = "SHA256SUMS"
_ACTIVE = (".html", ".htm", ".xhtml", ".xht", ".svg", ".xml", ".mht", ".mhtml")
"""Suffixes of files that a browser would open as pages; they get another one, and open as text."""
_BYTE_ORDER_MARK = 3
"""Bytes of the mark that a text file in UTF-8 may begin with."""
_STYLE = """
body { max-width: 48rem; } .text { white-space: pre-wrap; } li { margin: .4rem 0; }
.answer { font-size: 1.15rem; font-weight: 600; white-space: pre-line; margin-bottom: 0; }
mark { background: light-dark(#ffe58a, #6b5200); color: inherit; } code { font-size: .85em; }
"""
_HOW = f"""
<h2>How to check this</h2>
<p>A link leads to the text of the document with the quote marked. To check that nothing was
changed:</p>
<ol>
<li>Unpack the whole bundle and run <code>python3 verify.py</code> in its folder. It needs only
Python. It compares every file with its digest in <code>{SUMS}</code> and every quote with its place
in the text.</li>
<li>If you have the originals, run <code>python3 verify.py FOLDER</code>. Each must be in that
folder, byte for byte.</li>
<li>A person who changes files can also write new digests. So compare the digest of {SUMS} itself
(<code>sha256sum {SUMS}</code>) with the one that the sender gave you in another way. If there is a
signature, <code>ssh-keygen -Y check-novalidate -n file -s {SUMS}.sig &lt; {SUMS}</code> shows whose
key made it.</li>
</ol>
<p>The text of a PDF, or of another format, is what rag read in the file. Where it matters, compare
it with the original.</p>
"""
QuotePlaces = Mapping[Citation, Mapping[str, Any]]
"""Each quote as in the JSON of an answer, and the address of the mark in its document."""


@dataclass(frozen=True, slots=True)
class BundledAnswer:
    """An answer or a grid's cell, and its quotes. `details`, such as its state, are kept too."""

    question: str
    text: str
    cited: Sequence[Citation]
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Bundle:
    """`sha256` is that of the list of digests; `left_out` are documents without their original."""

    path: str
    sha256: str
    answers: int
    quotes: int
    documents: int
    left_out: tuple[str, ...]


def check_path(path: Path, key: Path | None) -> None:
    """Raises InputError for a bundle that cannot be written, or a key that does not exist."""
    grid_export.check_path(path, (".zip",))
    if key and not key.is_file():
        raise InputError(f"no such key: {key}", "make one with: ssh-keygen -t ed25519 -f KEY")


@dataclass(frozen=True, slots=True)
class Contents:
    """What a bundle holds: the answers, and its page, made by `to_html` in this `style`."""

    title: str
    answers: Sequence[BundledAnswer]
    to_html: Callable[[QuotePlaces], str]
    style: str = ""


def of_answer(content: Any) -> Contents:
    """What `rag ask --json` printed: the answer, and those that contradict it. Raises InputError
    for anything else, and for an answer that was edited.
    """
    receipt = load(content)
    cited = citations(content)
    if not cited:
        hint = "keep a record of the search instead: rag ask QUESTION --certificate absence.html"
        raise InputError("the answer has no citations (it was “not found”)", hint)
    if answer_digest(content.get("answer"), cited) != receipt.answer:
        raise InputError("the answer was edited after rag gave it", "ask again: rag ask --json")

    answers = []
    try:
        for answer in (content, *content["conflicts"]):
            text = answer["answer"] if answer is content else answer["text"]
            answers.append(
                BundledAnswer(
                    question=receipt.question,
                    text=str(text),
                    cited=citations(answer),
                    details={"confidence": float(answer["confidence"])},
                )
            )
    except (KeyError, TypeError, ValueError) as error:
        hint = "give the whole output of `rag ask --json`"
        raise InputError(f"the answer lacks a part: {error}", hint) from error
    return Contents(receipt.question, answers, lambda places: _answers(answers, places))


def of_grid(grid: Grid) -> Contents:
    """The cells of a grid that were asked."""
    answers = []
    for row, column, cell in grid.every_cell():
        if cell is None:
            continue
        details = {
            "row": row.key,
            "column": column.name,
            "state": grid_export.state(cell),
            "confidence": cell.probability,
        }
        answers.append(BundledAnswer(column.question, cell.shown, cell.quotes, details))

    def table(places: QuotePlaces) -> str:
        pages = {cited.document_id: place["page_file"] for cited, place in places.items()}

        def link(cell: Cell) -> str:
            if not cell.quotes:
                return ""
            return str(places[cell.quotes[0]]["link"])

        return grid_export.html_table(grid, pages, link)

    return Contents(grid.spec.name, answers, table, grid_export.HTML_STYLE)


def write(store: Store, contents: Contents, path: Path, key: Path | None = None) -> Bundle:
    """Write a bundle to a file. `key` is a private key of SSH that signs the list of digests.
    Raises InputError, also if the documents have changed since.
    """
    check_path(path, key)
    partial = path.with_name(f".{path.name}.partial")
    with writing_to(path, "free some space, or choose another place with --bundle"):
        try:
            with partial.open("wb") as file:
                made = pack(store, contents, file, key)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return replace(made, path=str(path))


def pack(
    store: Store,
    contents: Contents,
    file: IO[bytes],
    key: Path | None = None,
    most_bytes: float = math.inf,
) -> Bundle:
    """Write a bundle into an open file; otherwise as `write`. Raises InputError for texts and
    originals of more than `most_bytes`.
    """
    places: dict[Citation, dict[str, Any]] = {}
    documents: list[dict[str, Any]] = []
    remaining_bytes = most_bytes
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        files = _Files(archive)
        quotes = _by_document(contents.answers)
        for number, (document_id, cited_there) in enumerate(quotes.items(), 1):
            document = _unchanged(store, document_id, cited_there)
            original = _original(store, document)
            remaining_bytes -= len(document.text.encode()) + len(original or b"")
            if remaining_bytes < 0:
                message = f"the quoted documents have more than {most_bytes / (1 << 20):,.0f} MiB"
                raise InputError(message, "make it where rag is installed: rag export --bundle")

            page = f"pages/{number}.html"
            for cited in cited_there:
                places[cited] = _place(document, cited, page)
            documents.append(_add_document(files, number, document, original, cited_there))

        body = contents.to_html(places)
        index = _index(contents.title, body, documents, contents.style)
        files.add("answers.json", _answers_json(contents.answers, places, documents))
        files.add("index.html", index.encode())
        files.add("verify.py", Path(verify_bundle.__file__).read_bytes())

        sums = files.sums()
        archive.writestr(SUMS, sums)
        if key:
            archive.writestr(f"{SUMS}.sig", _signature(sums, key))

    return Bundle(
        path="",
        sha256=verify_bundle.sha256(sums),
        answers=len(contents.answers),
        quotes=len(places),
        documents=len(documents),
        left_out=tuple(document["id"] for document in documents if not document["files"][1]),
    )


def _by_document(answers: Sequence[BundledAnswer]) -> dict[str, list[Citation]]:
    """The quotes of all answers, each once, by their documents."""
    distinct: dict[Citation, None] = {}
    for answer in answers:
        distinct |= dict.fromkeys(answer.cited)

    quotes: dict[str, list[Citation]] = {}
    for cited in distinct:
        quotes.setdefault(cited.document_id, []).append(cited)
    return quotes


class _Files:
    """The files of a bundle, with their digests."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._digests: dict[str, str] = {}

    def add(self, name: str, content: bytes) -> None:
        self._archive.writestr(name, content)
        self._digests[name] = verify_bundle.sha256(content)

    def sums(self) -> bytes:
        """The list of digests, as `sha256sum` reads it."""
        lines = [f"{digest}  {name}\n" for name, digest in self._digests.items()]
        return "".join(lines).encode()


def _add_document(
    files: _Files,
    number: int,
    document: Document,
    original: bytes | None,
    quotes: Sequence[Citation],
) -> dict[str, Any]:
    """Add a document's original, page and text to the bundle; returns its entry in the JSON."""
    original_file = ""
    if original is not None:
        original_file = f"originals/{number}-{_safe_name(document.file)}"
        files.add(original_file, original)

    files.add(f"pages/{number}.html", _marked(document, quotes, original_file).encode())

    text = document.text.encode()
    text_file = f"texts/{number}.txt"
    files.add(text_file, text)
    return {
        "id": document.id,
        "title": document.title,
        "sha256": document.sha256,
        "file_sha256": document.file_sha256,
        "files": [text_file, original_file],
        "plain": original is not None and text in (original, original[_BYTE_ORDER_MARK:]),
    }


def _safe_name(file: str) -> str:
    """The name of a file for every file system; a browser opens no file of this name as a page,
    whose scripts would run as the reader's own.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(file).name)[-80:]
    is_active = Path(name).suffix.lower() in _ACTIVE
    return f"{name}.txt" if is_active else name


def _unchanged(store: Store, name: str, quotes: Sequence[Citation]) -> Document:
    """The document. Raises InputError if it is not the one that was quoted."""
    document = store.document(name)
    for cited in quotes:
        if document and _has_quote(document, cited):
            continue
        state = "was removed" if document is None else "has changed"
        message = f"{name} {state} since “{one_line(cited.quote)[:80]}” was quoted from it"
        raise InputError(message, "ask again, or run: rag grid refresh NAME")
    assert document
    return document


def _has_quote(document: Document, cited: Citation) -> bool:
    """Whether the document is the one that was quoted, and has the quote at its place."""
    if document.sha256 != cited.sha256:
        return False
    return document.text[cited.start : cited.end] == cited.quote


def _place(document: Document, cited: Citation, page_file: str) -> dict[str, Any]:
    """A quote as in the JSON of an answer, with the address of its mark in the document's page."""
    return {
        "document_id": cited.document_id,
        "title": document.title,
        "page": document.page(cited.start),
        "headings": list(heading_path(document.blocks, cited.start)),
        "cited_text": cited.sentence,
        "highlight": {
            "text": cited.quote,
            "start_char_index": cited.start,
            "end_char_index": cited.end,
        },
        "document_sha256": cited.sha256,
        "page_file": page_file,
        "link": f"{page_file}#c{cited.start}-{cited.end}",
    }


def _original(store: Store, document: Document) -> bytes | None:
    """The document's file, or that of its archive, if it is the one that was read."""
    content = store.original(document.id)
    if content is None and (file := open_original(document)):
        with file:
            content = file.read()
    if not content or verify_bundle.sha256(content) != document.file_sha256:
        return None
    return content


def _answers_json(
    answers: Sequence[BundledAnswer], places: QuotePlaces, documents: Sequence[Mapping[str, Any]]
) -> bytes:
    """The answers with their quotes and digests, and the documents."""
    records = []
    for number, answer in enumerate(answers, 1):
        record = {
            "number": number,
            "question": answer.question,
            "answer": answer.text,
            **answer.details,
            "digest": answer_digest(answer.text, answer.cited),
            "citations": [places[cited] for cited in answer.cited],
        }
        records.append(record)
    content = {"written": now(), "documents": documents, "answers": records}
    return json.dumps(content, indent=1, ensure_ascii=False).encode()


def _index(title: str, body: str, documents: Sequence[Mapping[str, Any]], style: str) -> str:
    """The page to read."""
    items = []
    for number, document in enumerate(documents, 1):
        name = f'<a href="pages/{number}.html">{html_text(document["id"])}</a>'
        _, original_file = document["files"]
        digest = f"<code>{document['file_sha256']}</code>"
        items.append(f"<li>{name}, {_file_link(original_file)}<br>{digest}</li>")
    below = f"<h2>Documents</h2><ul>{''.join(items)}</ul>{_HOW}"
    return html_page(title, f"{body}{below}", _STYLE + style)


def _answers(answers: Sequence[BundledAnswer], places: QuotePlaces) -> str:
    """The answer with its quotes, then those that contradict it."""
    parts: list[str] = []
    for number, answer in enumerate(answers):
        if number == 1:
            parts.append("<h2>The documents disagree</h2>")
        confidence = f"confidence {answer.details['confidence']:.0%}"
        parts.append(f'<p class="answer">{html_text(answer.text)}</p><small>{confidence}</small>')
        for cited in answer.cited:
            parts.append(_quote(cited, places[cited]))
    return "".join(parts)


def _quote(cited: Citation, place: Mapping[str, Any]) -> str:
    """A quote in its sentence, with a link to its place."""
    text_before = ""
    text_after = ""
    if cited.quote in cited.sentence:
        text_before, _, text_after = cited.sentence.partition(cited.quote)
    sentence = (
        f"{html_text(text_before)}<mark>{html_text(cited.quote)}</mark>{html_text(text_after)}"
    )

    link = f'<a href="{place["link"]}">{html_text(cited.document_id)}</a>'
    page = f", page {place['page']}" if place["page"] else ""
    heading = ""
    if place["headings"]:
        heading = f", {html_text(' > '.join(place['headings']))}"
    source = f"{link}{page}{heading}, characters {cited.start}-{cited.end}"
    return f"<blockquote>{sentence}<br><small>{source}</small></blockquote>"


def _file_link(name: str) -> str:
    if not name:
        return "without the original file"
    return f'<a href="{name}">original file</a>'


def _marked(document: Document, quotes: Sequence[Citation], file: str) -> str:
    """The document's text with the quotes marked, page by page."""
    spans = sorted({(cited.start, cited.end) for cited in quotes})
    borders = {0, len(document.text), *document.pages}
    for span in spans:
        borders.update(span)

    parts: list[str] = []
    for start, end in pairwise(sorted(borders)):
        if start in document.pages:
            parts.append(f'</div><h2>Page {document.page(start)}</h2><div class="text">')
        is_quoted = False
        for quote_start, quote_end in spans:
            if quote_start == start:
                parts.append(f'<a id="c{quote_start}-{quote_end}"></a>')
            if quote_start <= start and end <= quote_end:
                is_quoted = True

        words = html_text(document.text[start:end].replace("\r", ""))
        parts.append(f"<mark>{words}</mark>" if is_quoted else words)

    title = document.title or document.id
    original_link = _file_link(f"../{file}" if file else "")
    links = f'<a href="../index.html">back</a>, {original_link}'
    text = f'<p>{links}</p><div class="text">{"".join(parts)}</div>'
    return html_page(title, text, _STYLE)


def _signature(sums: bytes, key: Path) -> bytes:
    """The signature of the list of digests. Raises InputError."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / SUMS
        path.write_bytes(sums)
        command = ["ssh-keygen", "-Y", "sign", "-f", str(key.absolute()), "-n", "file", str(path)]
        try:
            ran = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            hint = "install OpenSSH, or leave --sign out"
            raise InputError("ssh-keygen is not installed", hint) from error
        if ran.returncode:
            reason = one_line(ran.stderr) or "ssh-keygen failed"
            raise InputError(f"{key} cannot sign: {reason}", "name a private key of SSH")
        return path.with_name(f"{SUMS}.sig").read_bytes()

"""A process that parses files for another, within limits on time and memory, so that failures stay
in this process.

Requests and answers are JSON lines on standard input and output, so that a file that takes control
of a parser cannot make the other side run anything. Lines {"scan": [page, pages, has_text]}, as in
`rag.parsing.base.OnScan`, may precede an answer; a page with text raises the limit on time.
"""

import base64
import itertools
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import IO, Any

from rag.child_process import add_time, limit_time
from rag.packed_blocks import PackedBlocks
from rag.parsing.base import OnScan, ParseError, on_scan
from rag.parsing.files import FoundFile
from rag.parsing.load import Loaded, load, load_data
from rag.types import Document

_MOST_MEMORY = 400_000
"""Kilobytes of memory at which the process ends after a file, since parsers leak."""

SCAN_SECONDS = 15
MOST_SCANS = 200
"""CPU time that a recognised page with text adds to a file's limit, and for how many pages; a page
takes three to six seconds on a fast core. A file of a thousand empty pictures gets no more time."""


def serve(requests: IO[bytes], answers: IO[bytes], memory: int) -> None:
    """Answer until the requests end, or a file has used too much memory."""
    for line in iter(requests.readline, b""):
        request = json.loads(line)
        limit_time(request["seconds"])
        on_scan.set(_announcement(answers))
        answer = _answer(request, requests, memory)
        answer["last"] = bool(answer.get("last")) or _used_memory() > _MOST_MEMORY
        _write(answers, answer)
        if answer["last"]:
            return


def _announcement(answers: IO[bytes]) -> OnScan:
    """An `OnScan` that tells the other side, and adds time for a page with text."""
    numbers = itertools.count(1)

    def announce(page: int, pages: int, has_text: bool) -> None:
        if has_text and next(numbers) <= MOST_SCANS:
            add_time(SCAN_SECONDS)
        _write(answers, {"scan": [page, pages, has_text]})

    return announce


def _write(answers: IO[bytes], answer: dict[str, Any]) -> None:
    """Write one line at once; the other side waits for it."""
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.flush()


def _answer(request: dict[str, Any], requests: IO[bytes], memory: int) -> dict[str, Any]:
    """What the request asks for: the documents of a file, or why it cannot be read."""
    try:
        most_bytes = request["most_bytes"]
        keep_furniture = request["keep_furniture"]
        if "size" in request:
            data = requests.read(request["size"])
            loaded = load_data(request["id"], data, most_bytes, keep_furniture)
        else:
            file = FoundFile(Path(request["path"]), request["id"])
            loaded = load(file, request["known"], most_bytes, keep_furniture)
        documents = [_document_json(document) for document in loaded.documents]
        return {**_fields(loaded), "documents": documents}
    except ParseError as error:
        return {"unreadable": str(error), "transient": error.transient}
    except MemoryError:
        return {"unreadable": too_much_memory(memory), "last": True}


def _document_json(document: Document) -> dict[str, Any]:
    """A document in JSON, with its blocks as text."""
    blocks = PackedBlocks.of(document.blocks).data
    encoded = base64.b64encode(blocks).decode()
    return {**_fields(document), "blocks": encoded}


def _fields(value: Loaded | Document) -> dict[str, Any]:
    """The fields of a dataclass by name; values stay as they are."""
    return {field.name: getattr(value, field.name) for field in fields(value)}


def too_much_memory(memory: int) -> str:
    """The reason that a file cannot be read within so many megabytes."""
    return f"needs more than {memory:,} MB of memory; raise RAG_FILE_MEMORY_MB to read it"


def loaded_from(answer: dict[str, Any]) -> Loaded:
    """Result of `serve`. Raises ParseError if it reports an error."""
    if "unreadable" in answer:
        raise ParseError(answer["unreadable"], answer.get("transient", False))

    documents: list[Document] = []
    for values in answer["documents"]:
        blocks = base64.b64decode(values["blocks"])
        values["blocks"] = PackedBlocks(blocks)
        values["pages"] = tuple(values["pages"])
        documents.append(Document(**values))
    return Loaded(
        documents=documents,
        same=answer["same"],
        skipped=[(source, reason) for source, reason in answer["skipped"]],
        sha256=answer["sha256"],
        left_out=answer["left_out"],
    )


def _used_memory() -> int:
    """Peak memory of this process in kilobytes; 0 if unknown.

    `ru_maxrss` would include the memory of the parent process and end this one after every file.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    _, _, text_after = status.partition("VmHWM:")
    words = text_after.split()
    if not words:
        return 0
    return int(words[0])


def main(arguments: Sequence[str]) -> None:
    """Serve on the standard streams. Output of parsers is discarded. The argument is the limit on
    memory in megabytes, for messages.
    """
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    serve(sys.stdin.buffer, answers, int(arguments[0]))

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

_LARGE = 400_000
"""Kilobytes of memory at which the process ends after a file, since parsers leak."""

SCAN_SECONDS, MOST_SCANS = 15, 200
"""CPU time that a recognised page with text adds to a file's limit, and for how many pages; a page
takes three to six seconds on a fast core. A file of a thousand empty pictures gets no more time."""


def serve(requests: IO[bytes], answers: IO[bytes], memory: int) -> None:
    """Answer until the requests end, or a file has used too much memory."""
    while line := requests.readline():
        request = json.loads(line)
        limit_time(request["seconds"])
        on_scan.set(_announcement(answers))
        answer = _answer(request, requests, memory)
        answer["last"] = bool(answer.get("last")) or _used_memory() > _LARGE
        _write(answers, answer)
        if answer["last"]:
            return


def _announcement(answers: IO[bytes]) -> OnScan:
    numbers = itertools.count(1)

    def announce(page: int, pages: int, has_text: bool) -> None:
        if has_text and next(numbers) <= MOST_SCANS:
            add_time(SCAN_SECONDS)
        _write(answers, {"scan": [page, pages, has_text]})

    return announce


def _write(answers: IO[bytes], answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.flush()


def _answer(request: dict[str, Any], requests: IO[bytes], memory: int) -> dict[str, Any]:
    try:
        most_bytes = request["most_bytes"]
        keep_furniture = request["keep_furniture"]
        if "size" in request:
            data = requests.read(request["size"])
            loaded = load_data(request["id"], data, most_bytes, keep_furniture)
        else:
            file = FoundFile(Path(request["path"]), request["id"])
            loaded = load(file, request["known"], most_bytes, keep_furniture)
        return _fields(loaded) | {"documents": [*map(_packed, loaded.documents)]}
    except ParseError as error:
        return {"unreadable": str(error), "transient": error.transient}
    except MemoryError:
        return {"unreadable": too_much_memory(memory), "last": True}


def _packed(document: Document) -> dict[str, Any]:
    blocks = PackedBlocks.of(document.blocks).data
    return _fields(document) | {"blocks": base64.b64encode(blocks).decode()}


def _fields(value: Loaded | Document) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def too_much_memory(memory: int) -> str:
    return f"needs more than {memory:,} MB of memory; raise RAG_FILE_MEMORY_MB to read it"


def loaded_from(answer: dict[str, Any]) -> Loaded:
    """Result of `serve`. Raises ParseError if it reports an error."""
    if "unreadable" in answer:
        raise ParseError(answer["unreadable"], answer.get("transient", False))
    skipped = [(source, reason) for source, reason in answer["skipped"]]
    for document in answer["documents"]:
        document["blocks"] = PackedBlocks(base64.b64decode(document["blocks"]))
        document["pages"] = tuple(document["pages"])
    documents = [Document(**values) for values in answer["documents"]]
    return Loaded(documents, answer["same"], skipped, answer["sha256"], answer["left_out"])


def _used_memory() -> int:
    """Peak memory of this process in kilobytes; 0 if unknown.

    `ru_maxrss` would include the memory of the parent process and end this one after every file.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    return int((status.partition("VmHWM:")[2].split() or ["0"])[0])


def main(arguments: Sequence[str]) -> None:
    """Serve on the standard streams. Output of parsers is discarded. The argument is the limit on
    memory in megabytes, for messages.
    """
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    serve(sys.stdin.buffer, answers, int(arguments[0]))

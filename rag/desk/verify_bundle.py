"""Checks this bundle without rag: `python3 verify.py`, or with your own originals: `… FOLDER`."""

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CheckOutcome = tuple[bool, str]
"""Whether a check holds, and the fault if it does not."""


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def files_below(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path


def checks(bundle: Path, folder: str) -> Iterator[CheckOutcome]:
    """All checks of the bundle; `folder` has originals that it does not hold, "" for none."""
    files = {path.relative_to(bundle).as_posix(): path for path in files_below(bundle)}
    yield from checks_of_files(bundle, files)

    originals = Path(folder or bundle)
    known_digests = {sha256(path.read_bytes()) for path in files_below(originals)}
    content = json.loads((bundle / "answers.json").read_bytes())
    texts: dict[str, str] = {}
    for document in content["documents"]:
        contents = [
            files[name].read_bytes() if name in files else b"" for name in document["files"]
        ]
        text, original = contents
        texts[document["id"]] = text.decode("utf-8", "replace")

        is_same_text = text in (original, original[3:])  # a byte order mark has three bytes
        yield not document["plain"] or is_same_text, f"other text: {document['id']!a}"

        is_known = document["file_sha256"] in known_digests
        is_kept_elsewhere = not folder and not document["files"][1]
        fault = f"no file has the digest of the original: {document['id']!a}"
        yield is_known or is_kept_elsewhere, fault

    for answer in content["answers"]:
        yield from checks_of_answer(answer, texts)


def checks_of_files(bundle: Path, files: dict[str, Path]) -> Iterator[CheckOutcome]:
    """Whether each file has its digest in SHA256SUMS, and no other file is there."""
    digests: dict[str, str] = {}
    for line in (bundle / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        digests[line[66:]] = line[:64]

    names = (files.keys() | digests) - {"SHA256SUMS", "SHA256SUMS.sig"}
    for name in sorted(names):
        digest = sha256(files[name].read_bytes()) if name in files else "missing"
        yield digest == digests.get(name), f"missing, changed or added: {name!a}"


def checks_of_answer(answer: dict[str, Any], texts: dict[str, str]) -> Iterator[CheckOutcome]:
    """Whether an answer has its digest, and each of its quotes is at its place."""
    places = []
    for quote in answer["citations"]:
        highlight = quote["highlight"]
        start = highlight.get("start_char_index")
        end = highlight.get("end_char_index")
        places.append([quote["document_id"], start, end, highlight.get("text")])

    signed = json.dumps([answer["answer"], places], ensure_ascii=False)
    is_unchanged = sha256(signed.encode()) == answer["digest"]
    yield is_unchanged, f"changed answer {answer['number']}: {answer['answer']!a}"

    for document_id, start, end, words in places:
        is_there = texts[document_id][start:end] == words
        yield is_there, f"not at {start}-{end} of {document_id!a}: {words!a}"


def main() -> None:
    """Print each fault and the number of checks; the exit code is 1 if there is a fault."""
    bundle = Path(__file__).resolve().parent
    folder = "".join(sys.argv[1:])
    results: list[CheckOutcome] = []
    try:
        results.extend(checks(bundle, folder))
    except (OSError, ValueError, LookupError, TypeError) as error:
        results.append((False, f"the bundle cannot be read: {str(error)!a}"))
    faults = [fault for holds, fault in results if not holds]
    for fault in faults:
        print(fault)
    print(f"{len(results)} checks, {len(faults)} failed")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()

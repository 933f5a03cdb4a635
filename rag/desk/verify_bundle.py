"""Checks this bundle without rag: `python3 verify.py`, or with your own originals: `… FOLDER`."""

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

PLACE = ("start_char_index", "end_char_index", "text")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def checks(bundle: Path, folder: str) -> Iterator[tuple[bool, str]]:
    sums = (bundle / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    digests = {line[66:]: line[:64] for line in sums}
    files = {p.relative_to(bundle).as_posix(): p for p in bundle.rglob("*") if p.is_file()}
    for name in sorted((files.keys() | digests) - {"SHA256SUMS", "SHA256SUMS.sig"}):
        digest = sha256(files[name].read_bytes()) if name in files else "missing"
        yield digest == digests.get(name), f"missing, changed or added: {name!a}"
    known_digests = {
        sha256(p.read_bytes()) for p in Path(folder or bundle).rglob("*") if p.is_file()
    }
    content, texts = json.loads((bundle / "answers.json").read_bytes()), {}
    for one in content["documents"]:
        text, original = (files[n].read_bytes() if n in files else b"" for n in one["files"])
        texts[one["id"]] = text.decode("utf-8", "replace")
        yield not one["plain"] or text in (original, original[3:]), f"other text: {one['id']!a}"
        is_known = one["file_sha256"] in known_digests or not (folder or one["files"][1])
        yield is_known, f"no file has the digest of the original: {one['id']!a}"
    for answer in content["answers"]:
        places = [[q["document_id"], *map(q["highlight"].get, PLACE)] for q in answer["citations"]]
        digest = sha256(json.dumps([answer["answer"], places], ensure_ascii=False).encode())
        yield digest == answer["digest"], f"changed answer {answer['number']}: {answer['answer']!a}"
        for name, start, end, words in places:
            yield texts[name][start:end] == words, f"not at {start}-{end} of {name!a}: {words!a}"


if __name__ == "__main__":
    bundle, results = Path(__file__).resolve().parent, list[tuple[bool, str]]()
    try:
        results.extend(checks(bundle, "".join(sys.argv[1:])))
    except (OSError, ValueError, LookupError, TypeError) as error:
        results.append((False, f"the bundle cannot be read: {str(error)!a}"))
    faults = [fault for holds, fault in results if not holds]
    print(*faults, f"{len(results)} checks, {len(faults)} failed", sep="\n")
    sys.exit(bool(faults))

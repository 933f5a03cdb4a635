"""Asks questions about real files with the real models, and checks the answer and the document,
heading and page of its citation.

    python -m eval.experiments.real_answers --out eval/results/real-answers.json [--index FOLDER]

The documents are those named in `eval/gold/real-files.jsonl`, from Debian's linux-doc-6.12,
python3.13-doc, postgresql-doc-17, debian-policy and r-doc-pdf, files written by LibreOffice
(`eval.experiments.office`), and as distractors the next file in the folder of each Debian text.
Exits with status 1 if a citation names a wrong place.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from eval.experiments.office import make
from rag import build
from rag.evaluation.squad import is_right
from rag.parsing.files import FoundFile
from rag.settings import Settings
from rag.types import Answer, Citation

_GOLD = Path(__file__).parents[1] / "gold" / "real-files.jsonl"
_SHARE = Path("/usr/share")
_OFFICE = "office/"
_AROUND = 6
_LARGE, _PACKED = 60_000, 6
"""Maximum size of a distractor in bytes, so that embedding takes minutes; lower for compressed
files.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--index", type=Path, help="keep the index here, with the office files")
    asked = parser.parse_args(arguments)
    gold = [json.loads(line) for line in _GOLD.read_text().splitlines()]
    with tempfile.TemporaryDirectory() as made:
        folder = asked.index or Path(made, "index")
        office = folder / "office"
        if not office.is_dir():
            make(office)
        settings = Settings.load(index=folder)
        with build.pool(settings) as pool:
            report = build.ingest(settings, pool).run(
                _files([row["document"] for row in gold], office)
            )
        engine, begun = build.engine(settings), time.perf_counter()
        rows = [_row(wanted, engine.ask(wanted["question"])) for wanted in gold]
        seconds = time.perf_counter() - begun
        stats = engine.store.stats()
    counts = {
        name: sum(row[name] for row in rows)
        for name in ("answered", "right", "document", "heading", "page", "placed")
    }
    made_of = {
        "documents": stats.documents,
        "passages": stats.passages,
        "skipped": len(report.skipped),
    }
    result = {
        "questions": len(rows),
        **counts,
        **made_of,
        "seconds": round(seconds, 1),
        "rows": rows,
    }
    asked.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps({name: value for name, value in result.items() if name != "rows"}))
    return 0 if counts["placed"] == counts["right"] else 1


def _files(documents: Sequence[str], office: Path) -> Iterator[FoundFile]:
    met = set[Path]()
    for name in documents:
        path = office / name.removeprefix(_OFFICE) if name.startswith(_OFFICE) else _SHARE / name
        for file in (path, *([] if name.startswith(_OFFICE) else _neighbours(path))):
            if file not in met:
                met.add(file)
                yield FoundFile(
                    file,
                    f"{_OFFICE}{file.name}"
                    if file.parent == office
                    else str(file.relative_to(_SHARE)),
                )


def _neighbours(path: Path) -> list[Path]:
    """The next files of the same kind in the folder."""
    after = sorted(
        p for p in path.parent.iterdir() if p.suffixes == path.suffixes and p.name > path.name
    )
    most = _LARGE // _PACKED if path.suffix == ".gz" else _LARGE
    return [p for p in after if p.stat().st_size <= most and ".pdf" not in path.suffixes][:_AROUND]


def _row(wanted: dict[str, Any], answer: Answer) -> dict[str, Any]:
    """`placed` means that the answer is right and its first citation of the document names the
    right page and heading.
    """
    right = is_right(answer.text, tuple(wanted["answers"]))
    cited = next((one for one in answer.citations if one.document_id == wanted["document"]), None)
    document = right and cited is not None
    heading = document and cited is not None and cited.heading.startswith(wanted["heading"])
    page = document and cited is not None and cited.page == wanted.get("page")
    said = {
        "id": wanted["id"],
        "answer": answer.text,
        "confidence": round(answer.confidence, 3),
        "reason": answer.abstention_reason,
    }
    where = [_shown(one) for one in answer.citations[:3]]
    found = {
        "right": right,
        "document": document,
        "heading": heading,
        "page": page,
        "placed": heading and page,
    }
    return {**said, "answered": answer.text is not None, **found, "citations": where}


def _shown(citation: Citation) -> str:
    page = f", page {citation.page}" if citation.page else ""
    return f"{citation.document_id}{page}: {citation.heading}"


if __name__ == "__main__":
    sys.exit(main())

"""Questions about real files, with the real models: is the answer right, and are document, heading
and page in its citation?

    python -m eval.experiments.real_answers --out eval/results/real-answers.json [--index FOLDER]

The documents are those that `eval/gold/real-files.jsonl` names, of Debian's linux-doc-6.12,
python3.13-doc, postgresql-doc-17, debian-policy and r-doc-pdf, those that LibreOffice wrote
(`eval.experiments.office`), and beside each of Debian's texts the next of its folder, so that there
is something to be confused with. Exit code 1 if a citation names a wrong place.
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
"""Bytes beyond which a neighbour is left out, so that embedding takes minutes; of a packed one a
part of them.
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
    """The files of the same kind that come next in the folder."""
    after = sorted(
        p for p in path.parent.iterdir() if p.suffixes == path.suffixes and p.name > path.name
    )
    most = _LARGE // _PACKED if path.suffix == ".gz" else _LARGE
    return [p for p in after if p.stat().st_size <= most and ".pdf" not in path.suffixes][:_AROUND]


def _row(wanted: dict[str, Any], answer: Answer) -> dict[str, Any]:
    """`placed`: a right answer, of which the first citation that is of the document names its page
    and heading.
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

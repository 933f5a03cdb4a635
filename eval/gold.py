"""How the service does on gold questions: python -m eval.gold INDEX [GOLD.jsonl]

Through the engine that every face uses. EM and F1 as SQuAD computes them over all questions (one that has no answer scores 1
if it is refused), the answerable and the unanswerable apart, and whether the cited sentences are among the evidence.
Prints JSON; with -v each question that went wrong.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from rag import build
from rag.evaluation.scoring import exact, f1
from rag.settings import Settings
from rag.types import Answer

GOLD = Path(__file__).with_name("gold") / "seeds.jsonl"


def score(question: dict[str, Any], answer: Answer) -> dict[str, float]:
    """EM, F1, whether refused, and whether the first citation is in a right document and holds an evidence sentence."""
    accepted = question["answers"]
    if answer.text is None:
        return {"em": float(not accepted), "f1": float(not accepted), "refused": 1.0, "document": 0.0, "sentence": 0.0}
    first = answer.citations[0]
    em = exact(answer.text, accepted)
    documents = {evidence["document"] for evidence in question["evidence"]}
    sentence = any(evidence["sentence"] in first.sentence for evidence in question["evidence"])
    found = {"document": float(first.document_id in documents), "sentence": float(sentence)}
    return {"em": em, "f1": f1(answer.text, accepted), "refused": 0.0, **found}


def main(index: Path, gold: Path, verbose: bool) -> None:
    engine = build.engine(Settings.load(index=index))
    scored: dict[bool, list[dict[str, float]]] = {True: [], False: []}
    for question in tqdm([json.loads(line) for line in gold.read_text().splitlines()], disable=None):
        answer = engine.ask(question["question"])
        result = score(question, answer)
        scored[bool(question["answers"])].append(result)
        if verbose and result["f1"] < 0.5:
            said = f"{answer.text} ({answer.confidence:.2f})"
            print(question["id"], question["question"], said, question["answers"][:3], sep=" | ")
    print(json.dumps({"answerable": _mean(scored[True]), "unanswerable": _mean(scored[False])}, indent=2))


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    return {"questions": len(rows)} | {name: round(sum(row[name] for row in rows) / len(rows), 4) for name in rows[0]}


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "-v"]
    if not arguments:
        sys.exit(__doc__)
    main(Path(arguments[0]), Path(arguments[1]) if arguments[1:] else GOLD, "-v" in sys.argv)

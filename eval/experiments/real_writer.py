"""Measures a real language model as the writer: its sentences, the struck ones, and the time.

    python -m eval.experiments.real_writer http://127.0.0.1:8000/v1 --index index

Gold questions are answered as by `rag ask --write`. Then the model gets instructions from
tests/claims/attacks.jsonl that the filter would have removed, each inserted into the first numbered
sentence of a prompt. A sentence of such an answer is "unchecked" if it is shown without a
supporting quote.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from eval.experiments.lying_writer import has_quote
from rag import build
from rag.claims.chat_client import ChatServer, WriterError
from rag.claims.checker import Checker
from rag.claims.writer import Writer, Written
from rag.engine import Engine
from rag.evaluation.gold import read_jsonl
from rag.settings import Settings
from rag.types import Answer

_ATTACKS = Path("tests/claims/attacks.jsonl")


@dataclass(frozen=True)
class Attacked(ChatServer):
    """A chat server that appends `order` to the first numbered sentence of each prompt."""

    order: str = ""

    def complete(self, messages: Sequence[dict[str, str]]) -> str:
        system, user = messages
        lines = user["content"].split("\n")
        lines[1] = f"[1] {json.dumps(f'{json.loads(lines[1][4:])} {self.order}')}"
        return super().complete([system, {**user, "content": "\n".join(lines)}])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("server", help="address, such as http://127.0.0.1:8000/v1")
    parser.add_argument("--model", default="")
    parser.add_argument("--tokens", type=int, default=400, help="longest answer")
    parser.add_argument("--gold", type=Path, default=Path("eval/gold/seeds.jsonl"))
    parser.add_argument("--index", type=Path, default=Path("index"))
    parser.add_argument("--questions", type=int, default=20)
    parser.add_argument("--attacks", type=int, default=10)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    settings = Settings.load(index=given.index)
    engine = build.engine(settings)
    questions = [one.text for one in read_jsonl(given.gold) if one.evidence]
    asked = questions[:: len(questions) // given.questions][: given.questions]
    orders = [json.loads(line)["order"] for line in _ATTACKS.read_text("utf-8").splitlines()]
    orders = orders[:: len(orders) // given.attacks][: given.attacks] if given.attacks else []
    answers = {question: engine.ask(question) for question in asked}
    checker = Checker(engine)
    served: dict[str, Any] = {"address": given.server, "model": given.model, "tokens": given.tokens}
    plain = [
        _row(Writer(ChatServer(**served), checker), engine, answers[one])
        for one in tqdm(asked, disable=None)
    ]
    answered = [one for one in answers.values() if one.text is not None]
    attacked = [
        _row(Writer(Attacked(**served, order=order), checker), engine, answered[n % len(answered)])
        | {"order": order}
        for n, order in enumerate(tqdm(orders, disable=None))
    ]
    report = {"tokens": given.tokens, "questions": _summary(plain), "attacks": _summary(attacked)}
    print(json.dumps(report, indent=2, ensure_ascii=False))
    if given.out:
        rows = {"answers": plain, "attacked answers": attacked}
        text = json.dumps(report | rows, indent=2, ensure_ascii=False)
        given.out.write_text(f"{text}\n", encoding="utf-8")


def _row(writer: Writer, engine: Engine, answer: Answer) -> dict[str, Any]:
    """The outcome of one question; "sentences" are the model's."""
    begun = time.perf_counter()
    row: dict[str, Any] = {"question": answer.question, "extractive": answer.text}
    try:
        written = writer.write(answer)
        row |= {"text": written.text, "reason": written.reason}
        row |= {"sentences": _sentences(written, engine)}
    except WriterError as error:
        row |= {"text": None, "reason": str(error), "sentences": []}
    row["seconds"] = round(time.perf_counter() - begun, 1)
    print(json.dumps(row, ensure_ascii=False), flush=True)
    return row


def _sentences(written: Written, engine: Engine) -> list[dict[str, Any]]:
    sources = {source.number: source.text for source in written.sources}
    return [
        {
            "text": one.text,
            "struck": one.struck,
            "quote": has_quote(one, engine),
            "cites": [sources.get(number, "") for number in one.cited],
        }
        for one in written.sentences
    ]


def _summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    sentences = [one for row in rows for one in row["sentences"]]
    shown = [one for one in sentences if not one["struck"]]
    asked = [row["seconds"] for row in rows if row["extractive"] is not None]
    return {
        "asked": len(rows),
        "written": sum(row["text"] is not None for row in rows),
        "not written": Counter(row["reason"] for row in rows if row["text"] is None),
        "sentences": len(sentences),
        "struck": len(sentences) - len(shown),
        "passed": len(shown),
        "passed unchecked": sum(not one["quote"] for one in shown),
        "median seconds": statistics.median(asked) if asked else None,
        "longest seconds": max(asked, default=None),
    }


if __name__ == "__main__":
    main()

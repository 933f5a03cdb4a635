"""Scores each head of a reader on parts of public sets that no recipe trains on.

usage: python -m eval.experiments.heads READER DATA [MOST] [--json]

READER is a setting such as "accurate", or a folder; DATA a folder with the sets in qa/ and claims/;
MOST the questions of each part (default 200). Prints one line a part:

- squad: the six held-out articles of squad-dev-36, gold passages: EM and F1 of the best span on
  answerable questions, best
  F1 over all questions and AUROC of the best span's score (SQuAD 2.0).
- boolq: the share of boolq-dev where the likelier of yes and no is right.
- claims: balanced accuracy by set of "supported" against the rest, on a fifth of the claims.
- sentences: selqa's held-out fifth: F1 of the sentences at .5 or above, and how often the likeliest
  is one of the answer's.
- NAME spans, NAME sentences, NAME verdicts: the held-out questions of each of our own sets, if DATA
  is what eval/gold/training.py made. "first right" is among the questions with an answer; "yes or
  no" is the share right of the questions that the passage decides, "all three" that of all, with
  those that it does not decide.
"""

from __future__ import annotations

import json
import random
import sys
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sklearn.metrics import balanced_accuracy_score

from eval.gold import training
from rag.evaluation.set_files import json_lines
from rag.evaluation.squad import f1
from rag.models.reader import ExtractiveReader
from rag.protocols import Reader, ReaderOutput
from rag.training.batches import token_counter
from rag.training.data import Article, question_set, recipe_articles
from rag.training.evaluate import measure
from rag.training.recipe import SetsRecipe, load_recipe
from rag.types import Hit, Passage

SEED = 20261125
"""The recipes' seed, so that the same articles are held out."""
_BATCH = 16


def main(arguments: Sequence[str]) -> None:
    setting, data, *options = [argument for argument in arguments if argument != "--json"]
    parts = everything(ExtractiveReader(setting), Path(data), int(options[0]) if options else 200)
    if "--json" in arguments:
        print(json.dumps(parts))
        return
    for part, figures in parts.items():
        print(part, *(f"{name} {value:.3f}" for name, value in figures.items()), sep="  ")


def everything(reader: Reader, data: Path, count: int) -> dict[str, dict[str, float]]:
    """Figures by part and name, over `most` questions per part."""
    return {
        "squad": squad(reader, data, count),
        "boolq": {"accuracy": boolq(reader, data, count)},
        "claims": claims(reader, data, count),
        "sentences": sentences(reader, _held_out("selqa", data), count),
        **own(reader, data, count),
    }


def squad(reader: Reader, data: Path, count: int) -> dict[str, float]:
    return spans(reader, _held_out("squad-dev-36", data), count)


def _held_out(name: str, data: Path) -> list[Article]:
    return recipe_articles(load_recipe(SetsRecipe), name, data)[1]


def spans(reader: Reader, articles: Sequence[Article], count: int) -> dict[str, float]:
    questions = question_set(articles, token_counter(_tokenizer(reader)))
    random.Random(SEED).shuffle(questions.questions)
    del questions.questions[count:]
    measured = asdict(measure(reader, questions))
    return {name: float(value) for name, value in measured.items() if value is not None}


def boolq(reader: Reader, data: Path, count: int) -> float:
    rows = [
        row | {"question": _as_asked(row["question"]), "title": ""}
        for row in json_lines(data / "claims/yesno.jsonl.gz")
        if row["set"] == "boolq-dev"
    ]
    return verdicts(reader, rows, count)["yes or no"]


def _as_asked(question: str) -> str:
    return question[:1].upper() + question[1:].rstrip("?") + "?"


def claims(reader: Reader, data: Path, count: int) -> dict[str, float]:
    """Balanced accuracy by set, and its mean."""
    by_set: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in json_lines(data / "claims/support.jsonl.gz"):
        if zlib.crc32(row["claim"].encode()) % 5 == 0:
            by_set[row["set"]].append(row)
    by_set_accuracy = {}
    for name, rows in sorted(by_set.items()):
        random.Random(SEED).shuffle(rows)
        rows = rows[: max(40, count // 3)]
        read = _read(reader, [(row["claim"], row["evidence"][:4000]) for row in rows])
        verdicts = [output.verdicts[0].yes > 0.5 for output in read]
        labels = [row["label"] == "supported" for row in rows]
        by_set_accuracy[name] = float(balanced_accuracy_score(labels, verdicts))
    return by_set_accuracy | {"mean": sum(by_set_accuracy.values()) / len(by_set_accuracy)}


def own(reader: Reader, data: Path, count: int) -> dict[str, dict[str, float]]:
    """Figures on the held-out questions of our own that are in `data`."""
    figures = {}
    for name, file in training.HELD_OUT.items():
        if not (data / file).is_file():
            continue
        rows = json.loads((data / file).read_text(encoding="utf-8"))
        if short := training.squad_articles(rows, training.SPANS):
            figures[f"{name} spans"] = spans(reader, short, count)
        if whole := training.squad_articles(rows, training.SENTENCES):
            figures[f"{name} sentences"] = sentences(reader, whole, count)
        if decided := list(training.verdicts(rows)):
            figures[f"{name} verdicts"] = verdicts(reader, decided, count)
        if name == "pairs":
            figures[name] = {"both right": pairs(reader, rows[:count])}
    return figures


def pairs(reader: Reader, rows: Sequence[training.Row]) -> float:
    """The share of the rows, each of two questions, with two right answers."""
    asked = [(question[1], row["text"]) for row in rows for question in row["questions"]]
    read = list(_read(reader, asked))
    scored = []
    for row, outputs in zip(rows, zip(read[::2], read[1::2], strict=True), strict=True):
        forms = {question[0] for question in row["questions"]}
        for question, output in zip(row["questions"], outputs, strict=True):
            scored.append(_scored(question, forms, row["text"], output))
    thresholds = sorted(score for score, _, _ in scored)
    both = [_both_right(scored, threshold) for threshold in thresholds]
    return max(both) / len(rows)


def _scored(
    question: Sequence[Any], forms: set[str], text: str, output: ReaderOutput
) -> tuple[float, bool, bool]:
    """The best span's log-odds, or infinity where no span is asked for; whether the answer is right
    if it is given, and if it is not.
    """
    form, answer = question[0], text[slice(*question[2:4])] if len(question) > 2 else ""
    if forms & {"yes", "no", "maybe"}:
        likely = _verdict(output)
        right = max(likely, key=likely.__getitem__) == ("maybe" if form == "none" else form)
        return float("inf"), right, right
    if "sentences" in forms:
        best = max(output.sentences, key=lambda sentence: sentence.score)
        shown = best.score >= 0.5
        right = shown and (best.text in answer or answer in best.text)
        return float("inf"), right if form == "sentences" else not shown, right
    best_span = output.spans[0]
    right = form == "span" and f1(best_span.text, [answer]) >= 0.5
    return best_span.score, right, form == "none"


def _verdict(output: ReaderOutput) -> dict[str, float]:
    """Probabilities by label."""
    verdict = output.verdicts[0]
    return {"yes": verdict.yes, "no": verdict.no, "maybe": verdict.unsaid}


def _both_right(scored: Sequence[tuple[float, bool, bool]], threshold: float) -> int:
    right = [given if score >= threshold else refused for score, given, refused in scored]
    return sum(one and other for one, other in zip(right[::2], right[1::2], strict=True))


def verdicts(reader: Reader, rows: list[dict[str, Any]], count: int) -> dict[str, float]:
    random.Random(SEED).shuffle(rows)
    rows = rows[:count]
    read = _read(reader, [(row["question"], row["context"], row["title"]) for row in rows])
    decided, right, denied = [], [], []
    for row, output in zip(rows, read, strict=True):
        likely = _verdict(output)
        likeliest = max(likely, key=likely.__getitem__)
        right.append(likeliest == row["label"])
        if row["label"] == "yes":
            denied.append(likeliest == "no")
        if row["label"] != "maybe":
            decided.append(max("yes", "no", key=likely.__getitem__) == row["label"])
    return {
        "yes or no": sum(decided) / len(decided),
        "all three": sum(right) / len(right),
        "true called no": sum(denied) / max(1, len(denied)),
    }


def sentences(reader: Reader, articles: Sequence[Article], count: int) -> dict[str, float]:
    rows = [
        (
            (qa["question"], paragraph["context"], article["title"]),
            [answer["text"] for answer in qa["answers"]],
        )
        for article in articles
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    ]
    random.Random(SEED).shuffle(rows)
    rows = rows[:count]
    hits = chosen = expected = first = 0
    for (_, answers), output in zip(rows, _read(reader, [row[0] for row in rows]), strict=True):
        right = [any(s.text in a or a in s.text for a in answers) for s in output.sentences]
        is_chosen = [s.score >= 0.5 for s in output.sentences]
        hits += sum(r and g for r, g in zip(right, is_chosen, strict=True))
        chosen, expected = chosen + sum(is_chosen), expected + sum(right)
        scores = [s.score for s in output.sentences]
        first += right[scores.index(max(scores))]
    answered = sum(bool(answers) for _, answers in rows)
    return {"f1": 2 * hits / max(1, chosen + expected), "first right": first / max(1, answered)}


def _read(reader: Reader, inputs: Sequence[tuple[str, ...]]) -> Iterator[ReaderOutput]:
    """The output for each (question, text) or (question, text, title)."""
    for start in range(0, len(inputs), _BATCH):
        batch = inputs[start : start + _BATCH]
        yield from reader.read_many([(question, [_hit(*about)]) for question, *about in batch])


def _hit(text: str, title: str = "") -> Hit:
    return Hit(Passage("d", 0, len(text), text, title, ""), 1, 1, 1)


def _tokenizer(reader: Reader) -> Any:
    plain = reader.tokenizer  # type: ignore[attr-defined]
    return lambda texts, **_: {
        "input_ids": [e.ids for e in plain.encode_batch(texts, add_special_tokens=False)]
    }


if __name__ == "__main__":
    main(sys.argv[1:])

"""Scores each head of a reader on parts of public sets that no recipe trains on.

python -m eval.experiments.heads READER DATA [COUNT] [--json]

READER is a setting such as "accurate", or a folder; DATA a folder with the sets in qa/ and claims/;
COUNT the questions of each part (200). Prints one line a part:

- squad: the six held-out articles of squad-dev-36, gold passages: EM and F1 of the best span on
  answerable questions, best F1 over all questions and AUROC of the best span's score (SQuAD 2.0).
- boolq: the share of boolq-dev where the likelier of yes and no is right.
- claims: balanced accuracy by set of "supported" against the rest, on a fifth of the claims.
- sentences: selqa's held-out fifth: F1 of the sentences at .5 or above, and how often the likeliest
  is one of the answer's.
- NAME spans, NAME sentences, NAME verdicts: the held-out questions of each of our own sets, if DATA
  is what eval/gold/training.py made. "first right" is among the questions with an answer; "yes or
  no" is the share right of the questions that the passage decides, "all three" that of all, with
  those that it does not decide.
"""

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from sklearn.metrics import balanced_accuracy_score

from eval.gold import training
from eval.scripts import PATH, script
from rag.evaluation.set_files import json_lines
from rag.evaluation.squad import f1
from rag.models.reader import ExtractiveReader
from rag.protocols import Reader, ReaderOutput
from rag.training.data import Article, question_set, recipe_articles
from rag.training.evaluate import measure
from rag.training.recipe import SetsRecipe, load_recipe
from rag.training.verdicts import is_held_out
from rag.types import Hit, Passage

SEED = 20261125
"""The recipes' seed, so that the same articles are held out."""
_BATCH = 16


@script(__doc__)
@click.argument("setting", metavar="READER")
@click.argument("data", type=PATH)
@click.argument("count", default=200)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(setting: str, data: Path, count: int, as_json: bool) -> None:
    reader = ExtractiveReader(setting)
    parts = {
        "squad": squad(reader, data, count),
        "boolq": {"accuracy": boolq(reader, data, count)},
        "claims": claims(reader, data, count),
        "sentences": sentences(reader, _held_out("selqa", data), count),
        **own_questions(reader, data, count),
    }
    if as_json:
        print(json.dumps(parts))
        return
    for part, figures in parts.items():
        print(part, *(f"{name} {value:.3f}" for name, value in figures.items()), sep="  ")


def squad(reader: Reader, data: Path, count: int) -> dict[str, float]:
    return spans(reader, _held_out("squad-dev-36", data), count)


def _held_out(name: str, data: Path) -> list[Article]:
    return recipe_articles(load_recipe(SetsRecipe), name, data)[1]


def spans(reader: Reader, articles: Sequence[Article], count: int) -> dict[str, float]:
    tokenizer = reader.tokenizer  # type: ignore[attr-defined]

    def count_tokens(texts: Sequence[str]) -> list[int]:
        return [
            len(encoding) for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)
        ]

    questions = question_set(articles, count_tokens)
    random.Random(SEED).shuffle(questions.questions)
    del questions.questions[count:]
    measured = asdict(measure(reader, questions))
    return {name: float(value) for name, value in measured.items() if value is not None}


def boolq(reader: Reader, data: Path, count: int) -> float:
    rows = []
    for row in json_lines(data / "claims/yesno.jsonl.gz"):
        if row["set"] == "boolq-dev":
            question = f"{row['question'][:1].upper()}{row['question'][1:].rstrip('?')}?"
            rows.append(row | {"question": question, "title": ""})
    return verdicts(reader, rows, count)["yes or no"]


def claims(reader: Reader, data: Path, count: int) -> dict[str, float]:
    """Balanced accuracy by set, and its mean."""
    by_set: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in json_lines(data / "claims/support.jsonl.gz"):
        if is_held_out(row["claim"]):
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


def own_questions(reader: Reader, data: Path, count: int) -> dict[str, dict[str, float]]:
    """Figures on the held-out questions of our own that are in `data`."""
    figures = {}
    for name, file in training.HELD_OUT.items():
        if not (data / file).is_file():
            continue
        rows = json.loads((data / file).read_text(encoding="utf-8"))
        if with_spans := training.squad_articles(rows, training.SPANS):
            figures[f"{name} spans"] = spans(reader, with_spans, count)
        if with_sentences := training.squad_articles(rows, training.SENTENCES):
            figures[f"{name} sentences"] = sentences(reader, with_sentences, count)
        if decided := list(training.verdicts(rows)):
            figures[f"{name} verdicts"] = verdicts(reader, decided, count)
        if name == "pairs":
            figures[name] = {"both right": pairs(reader, rows[:count])}
    return figures


def pairs(reader: Reader, rows: Sequence[training.Row]) -> float:
    """The share of pairs with two right answers, at the best threshold of the log-odds."""
    questions = [(question, row) for row in rows for question in row["questions"]]
    inputs = [(question[1], row["text"]) for question, row in questions]

    scored = []
    for (question, row), output in zip(questions, _read(reader, inputs), strict=True):
        scored.append(_scored(question, row, output))

    def both_right(threshold: float) -> int:
        are_right = []
        for score, is_right_if_given, is_right_if_refused in scored:
            is_given = score >= threshold
            are_right.append(is_right_if_given if is_given else is_right_if_refused)

        of_pairs = zip(are_right[::2], are_right[1::2], strict=True)
        return sum(all(pair) for pair in of_pairs)

    return max(both_right(threshold) for threshold, _, _ in scored) / len(rows)


def _scored(
    question: Sequence[Any], row: training.Row, output: ReaderOutput
) -> tuple[float, bool, bool]:
    """The best span's log-odds, or infinity where no span is asked for; whether the answer is right
    if it is given, and if it is not.
    """
    form = question[0]
    forms = {form for form, *_ in row["questions"]}
    has_answer = len(question) > 2
    answer = row["text"][slice(*question[2:4])] if has_answer else ""

    if forms & {"yes", "no", "maybe"}:
        chances = _verdict(output)
        likeliest_verdict = max(chances, key=chances.__getitem__)
        is_right = likeliest_verdict == ("maybe" if form == "none" else form)
        return float("inf"), is_right, is_right

    if "sentences" in forms:
        likeliest_sentence = max(output.sentences, key=lambda sentence: sentence.score)
        is_shown = likeliest_sentence.score >= 0.5
        is_in_answer = likeliest_sentence.text in answer or answer in likeliest_sentence.text
        is_right = is_shown and is_in_answer
        is_right_if_given = is_right if form == "sentences" else not is_shown
        return float("inf"), is_right_if_given, is_right

    best_span = output.spans[0]
    is_right = form == "span" and f1(best_span.text, [answer]) >= 0.5
    return best_span.score, is_right, form == "none"


def _verdict(output: ReaderOutput) -> dict[str, float]:
    """Probabilities by label."""
    verdict = output.verdicts[0]
    return {"yes": verdict.yes, "no": verdict.no, "maybe": verdict.unsaid}


def verdicts(reader: Reader, rows: list[dict[str, Any]], count: int) -> dict[str, float]:
    random.Random(SEED).shuffle(rows)
    rows = rows[:count]
    outputs = _read(reader, [(row["question"], row["context"], row["title"]) for row in rows])
    decided = []
    are_right = []
    denied = []
    for row, output in zip(rows, outputs, strict=True):
        chances = _verdict(output)
        verdict = max(chances, key=chances.__getitem__)
        are_right.append(verdict == row["label"])
        if row["label"] == "yes":
            denied.append(verdict == "no")
        if row["label"] != "maybe":
            guess = max("yes", "no", key=chances.__getitem__)
            decided.append(guess == row["label"])
    return {
        "yes or no": sum(decided) / len(decided),
        "all three": sum(are_right) / len(are_right),
        "true called no": sum(denied) / max(1, len(denied)),
    }


def sentences(reader: Reader, articles: Sequence[Article], count: int) -> dict[str, float]:
    rows = [
        (qa["question"], paragraph["context"], article["title"], qa["answers"])
        for article in articles
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    ]
    random.Random(SEED).shuffle(rows)
    rows = rows[:count]
    hits = chosen = expected = right_winners = 0
    outputs = _read(reader, [row[:3] for row in rows])
    for (*_, answer_rows), output in zip(rows, outputs, strict=True):
        answers = [answer["text"] for answer in answer_rows]
        scores = [sentence.score for sentence in output.sentences]
        is_chosen = [score >= 0.5 for score in scores]
        has_answer = []
        for sentence in output.sentences:
            overlaps = (answer in sentence.text or sentence.text in answer for answer in answers)
            has_answer.append(any(overlaps))

        chosen += sum(is_chosen)
        expected += sum(has_answer)
        hits += sum(map(all, zip(has_answer, is_chosen, strict=True)))
        right_winners += has_answer[scores.index(max(scores))]
    answered = sum(bool(answers) for *_, answers in rows)
    return {
        "f1": 2 * hits / max(1, chosen + expected),
        "first right": right_winners / max(1, answered),
    }


def _read(reader: Reader, inputs: Sequence[tuple[str, ...]]) -> Iterator[ReaderOutput]:
    """The output for each (question, text) or (question, text, title)."""

    def hit(text: str, title: str = "") -> Hit:
        return Hit(Passage("d", 0, len(text), text, title, ()), 1, 1, 1)

    for start in range(0, len(inputs), _BATCH):
        batch = inputs[start : start + _BATCH]
        yield from reader.read_many([(question, [hit(*about)]) for question, *about in batch])


if __name__ == "__main__":
    main()

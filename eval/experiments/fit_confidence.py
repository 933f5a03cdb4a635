"""Fits the confidence model: python -m eval.experiments.fit_confidence DATA OUT [RISK]

DATA contains `squad-dev-36.json.gz`, and optionally `covidqa.json.gz`. The index contains whole
articles: those of squad-dev-36 that the reader's recipe holds out, and some others that make
retrieval harder. Questions on the held-out articles are asked unchanged (SQuAD 2.0's unanswerable
ones are near misses), and others with their own article filtered out of the corpus. The weights of
retrieval and of the answer's type in ranking put most right answers first, within chance. The model
is that of `rag.evaluation.calibration_fit`, fitted again, or the current one rescaled to the new
reader's scores if that ranks better. With RISK, its threshold is the lowest confidence above which
at most that share of the answers is wrong; otherwise it refuses as many questions as are
unanswerable, so that precision and recall of refusals are equal. By weight, 28 % of the questions
are unanswerable, most of them near misses, about which people complain more than about absent
documents.

The report covers questions that the model was not fitted on: in domain by cross-validation over
articles; covidqa and the gold questions on seeds/, which are out of domain, with the whole model.
Prints and writes JSON.
"""

from __future__ import annotations

import dataclasses
import json
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from rag import build
from rag.answering.confidence import Confidence
from rag.answering.mention import QuestionAnalysis
from rag.answering.searcher import Query as Question
from rag.engine import Engine
from rag.evaluation.calibration_fit import (
    CalibrationTable,
    Example,
    bought,
    fit,
    held_back,
    predict,
    rescale,
    risk_at_coverage,
    table,
    threshold,
)
from rag.evaluation.corpus import fill
from rag.evaluation.squad import is_right
from rag.evaluation.statistics import auroc
from rag.filters import Condition
from rag.ingestion.ingest import Ingest
from rag.models.registry import calibration_path
from rag.parsing.files import find
from rag.protocols import Embedder, Reader
from rag.settings import Settings
from rag.training.data import read_squad
from rag.training.datasets import recipe_articles
from rag.training.recipe import SetsRecipe, load_recipe
from rag.types import Document, plain

ROOT = Path(__file__).parents[2]
SHARES = {"own": 0.72, "near": 0.16, "absent": 0.12}
ASKED = {"own": 360, "near": 320, "absent": 130}
"""Maximum number of questions of each kind on the held-out articles."""
DISTRACTORS = 16
GOLD_QUESTIONS = 436
"""Maximum number of random gold questions on seeds/; `rag eval` asks all."""
BATCH = 16
_CHANCE = 0.01
Articles = Sequence[dict[str, Any]]


def documents(articles: Articles, prefix: str) -> list[Document]:
    """Each article as a document, with blank lines between its paragraphs."""
    made = []
    for number, article in enumerate(articles):
        text = "\n\n".join(paragraph["context"].strip() for paragraph in article["paragraphs"])
        made.append(Document(f"{prefix}{number}", text, article["title"].replace("_", " "), "", ""))
    return made


def questions(
    articles: Articles, prefix: str, most: dict[str, int], rng: random.Random
) -> Iterator[tuple[str, Example]]:
    """(document, question without spans) of each kind, equally many per article, each only once."""
    for number, article in enumerate(articles):
        asked = [qa for paragraph in article["paragraphs"] for qa in paragraph["qas"]]
        rng.shuffle(asked)
        answerable = [qa for qa in asked if not qa.get("is_impossible")]
        near = [qa for qa in asked if qa.get("is_impossible")]
        share = {kind: max(1, count // len(articles)) for kind, count in most.items()}
        for kind, chosen in (
            ("own", answerable[: share["own"]]),
            ("near", near[: share.get("near", 0)]),
            ("absent", answerable[share["own"] :][: share["absent"]]),
        ):
            for qa in chosen:
                answers = tuple(answer["text"] for answer in qa["answers"]) if kind == "own" else ()
                yield (
                    f"{prefix}{number}",
                    Example(qa["question"].strip(), answers, (), f"{prefix}{number}", kind),
                )


def ask(engine: Engine, asked: Sequence[tuple[str, Example]]) -> list[Example]:
    """The questions with the reader's spans; absent documents are filtered out."""
    done: list[Example] = []
    for start in tqdm(range(0, len(asked), BATCH), unit="batch", disable=None):
        batch = asked[start : start + BATCH]
        apart = [
            (Condition("document", "!=", name),) if example.kind == "absent" else None
            for name, example in batch
        ]
        found = engine.find_many(
            [
                Question(example.question, None, f)
                for (_, example), f in zip(batch, apart, strict=True)
            ]
        )
        read = engine.reader.read_many(
            [(e.question, one.hits) for (_, e), one in zip(batch, found, strict=True)]
        )
        done += [
            dataclasses.replace(e, spans=tuple(r.spans))
            for (_, e), r in zip(batch, read, strict=True)
        ]
    return done


def engine_over(
    found: Sequence[Document], folder: str, embedder: Embedder, reader: Reader
) -> Engine:
    settings = Settings.load(index=Path(folder))
    store = build.store(settings, embedder, create=True)
    fill(found, store, embedder, settings.passage_tokens)
    return build.assemble(settings, store, embedder, reader)


def in_domain(data: Path, embedder: Embedder, reader: Reader, rng: random.Random) -> list[Example]:
    seen, held_out = recipe_articles(load_recipe(SetsRecipe), "squad-dev-36", data)
    with tempfile.TemporaryDirectory() as folder:
        corpus = documents(held_out, "own/") + documents(
            rng.sample(seen, min(DISTRACTORS, len(seen))), "other/"
        )
        engine = engine_over(corpus, folder, embedder, reader)
        found = ask(engine, list(questions(held_out, "own/", ASKED, rng)))
        engine.store.close()
    return found


def covid(data: Path, embedder: Embedder, reader: Reader, rng: random.Random) -> list[Example]:
    articles = rng.sample(read_squad(data / "covidqa.json.gz"), 24)
    with tempfile.TemporaryDirectory() as folder:
        engine = engine_over(documents(articles, "covid/"), folder, embedder, reader)
        found = ask(
            engine, list(questions(articles, "covid/", {"own": 72, "near": 0, "absent": 48}, rng))
        )
        engine.store.close()
    return found


def seeds(embedder: Embedder, reader: Reader) -> list[Example]:
    """The gold questions on the shipped corpus; unanswerable ones are near misses."""
    gold = [json.loads(line) for line in (ROOT / "eval/gold/seeds.jsonl").read_text().splitlines()]
    gold = random.Random(0).sample(gold, min(GOLD_QUESTIONS, len(gold)))
    made = [
        Example(g["question"], tuple(g["answers"]), (), g["id"], "own" if g["answers"] else "near")
        for g in gold
    ]
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.load(index=Path(folder))
        store = build.store(settings, embedder, create=True)
        Ingest(store, embedder, settings.passage_tokens).run(
            list(find([ROOT / "seeds"])), lambda *_: None
        )
        found = ask(
            build.assemble(settings, store, embedder, reader), [("", example) for example in made]
        )
        store.close()
    return found


def ranking(examples: Sequence[Example]) -> Confidence:
    """The weight of retrieval that puts most right answers first. Differences below `_CHANCE` of
    the questions are ties, won by the first.
    """
    own = [example for example in examples if example.kind == "own"]
    tried = [Confidence({}, 0.0, 0.5, retrieval) for retrieval in (20.0, 10.0, 30.0, 5.0)]
    right = [sum(_first_is_right(example, model) for example in own) for model in tried]
    return next(
        model
        for model, count in zip(tried, right, strict=True)
        if count >= max(right) - _CHANCE * len(own)
    )


def _first_is_right(example: Example, model: Confidence) -> bool:
    ranked = model.rank(QuestionAnalysis.of(example.question), example.spans)
    return bool(ranked) and is_right(ranked[0].spans[0].text, example.answers)


def measured(
    examples: Sequence[Example], data: CalibrationTable, confidence: Any, at: float
) -> dict[str, Any]:
    """The effect of the threshold, and how well confidence separates answerable questions from each
    kind of unanswerable ones.
    """
    kinds = np.array([example.kind for example in examples])
    told = {
        f"auroc of answerable, {kind}": auroc(confidence[kinds == "own"], confidence[kinds == kind])
        for kind in ("near", "absent")
        if (kinds == kind).any()
    }
    return bought(confidence, data, at) | told


def fitted(
    examples: Sequence[Example],
    unlike: Mapping[str, Sequence[Example]],
    prior: Confidence,
    risk: float | None,
) -> dict[str, Any]:
    """The content of the calibration file, including its report: the model fitted to the examples,
    or `prior` rescaled to them if that ranks right answers better.
    """
    base = ranking(examples)
    own = table(examples, base, SHARES)
    new, confidence = fit(own, base), held_back(own, None, int(own.groups.max()) + 1)
    kept_rows = table(examples, prior, SHARES)
    kept = rescale(kept_rows, prior)
    tried = {
        "fitted": _told(own, confidence),
        "rescaled": _told(kept_rows, predict(kept, kept_rows.rows)),
    }
    model = new
    if tried["rescaled"] > tried["fitted"]:
        model, base, own, confidence = kept, prior, kept_rows, predict(kept, kept_rows.rows)
    at = threshold(confidence, own, risk)
    report: dict[str, Any] = {
        "rule": "refuses as many as have no answer"
        if risk is None
        else f"at most {risk:.0%} of the answers wrong",
        "auroc of right": tried,
        "in domain, by article": measured(examples, own, confidence, at)
        | {"risk by coverage": risk_at_coverage(confidence, own)},
    }
    for name, asked in unlike.items():
        other = table(asked, base)
        report[f"unlike the fit: {name}"] = measured(asked, other, predict(model, other.rows), at)
    return {
        "weights": model.weights,
        "bias": model.bias,
        "threshold": at,
        "retrieval": base.retrieval,
        "type": base.type,
        "risk": report["in domain, by article"]["wrong, of answered"],
        "report": report,
    }


def _told(data: CalibrationTable, confidence: Any) -> float:
    return round(auroc(confidence[data.right], confidence[~data.right]) or 0.0, 4)


def main(data: Path, out: Path, risk: float | None) -> None:
    settings = Settings.load()
    embedder, reader = build.embedder(settings), build.reader(settings)
    examples = in_domain(data, embedder, reader, random.Random(0))
    unlike = {"seeds": seeds(embedder, reader)}
    if (data / "covidqa.json.gz").exists():
        unlike["covidqa"] = covid(data, embedder, reader, random.Random(0))
    prior = Confidence.load(calibration_path("default", settings.reader))
    text = json.dumps(plain(fitted(examples, unlike, prior, risk)), indent=2) + "\n"
    out.write_text(text)
    print(text, end="")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]) if sys.argv[3:] else None)

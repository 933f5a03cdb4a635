"""Fits the confidence of forms other than the span, and reports it for each kind of text.

python -m eval.experiments.fit_forms --cache DIR [--reader NAME] [--into confidence.json] [SET...]

DIR is made by `python -m eval.experiments.kept`; SET is one of its sets, by default forms,
technical, household, tables and own. Every question is asked in its gold form, without a threshold;
each example is the answer's features and whether it was useful. Folds keep a document's questions
together. The confidence of spans is not fitted here (`eval.experiments.fit_confidence`), but
reported. Writes eval/results/forms-confidence.json and, with --into, the fitted models into a
calibration file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from eval.experiments.kept import ROOT, SETS, done, opened
from rag.answering.form_confidence import FEATURES, FormConfidence
from rag.answering.searcher import Query
from rag.engine import Engine
from rag.evaluation.calibration_fit import CalibrationTable, bought, risk_at_coverage, threshold
from rag.evaluation.gold import Question
from rag.evaluation.statistics import adaptive_ece, auroc
from rag.evaluation.usefulness import judge, shown

FOLDS = 5
_C = 10.0
"""Inverse of the weight of the squared weights."""
_MODELS = ("sentences", "list", "yes_no")
_ASKED = ("sentences", "steps", "list", "yes_no")
"""Forms of the questions that they are fitted on."""
Rows = NDArray[np.float64]


@dataclass(slots=True)
class Recording:
    """Replaces the model `name`: records its features in `seen` and accepts every answer."""

    name: str
    seen: list[tuple[str, Mapping[str, float]]]
    threshold: float = 0.0

    def __call__(self, features: Mapping[str, float]) -> float:
        self.seen.append((self.name, features))
        return 1.0


@dataclass(frozen=True, slots=True)
class Example:
    """A question asked in a form of `model`: the features, and whether the answer was useful."""

    set: str
    model: str
    features: Mapping[str, float]
    right: bool
    answerable: bool
    group: str


def examples(name: str, engine: Engine, questions: Sequence[Question]) -> list[Example]:
    """Unanswerable questions are asked in each form, since users may ask them in any, and all their
    forms together weigh as much as one question.
    """
    made = []
    asked = [
        (question, form)
        for question in questions
        for form in ((question.form,) if question.answers else _ASKED)
        if form in _ASKED
    ]
    for question, form in asked:
        seen: list[tuple[str, Mapping[str, float]]] = []
        forms: Any = {model: Recording(model, seen) for model in _MODELS}
        engine.confidence = replace(engine.confidence, forms=forms)
        (answer,) = engine.ask_many([Query(question.text, form=form)])
        if seen and (form == "yes_no") == (seen[-1][0] == "yes_no"):
            right = bool(question.answers) and judge(question, shown(answer)) == "useful"
            made.append(Example(name, *seen[-1], right, bool(question.answers), question.group))
    return made


def spans(name: str, engine: Engine, questions: Sequence[Question]) -> list[Example]:
    """Questions for a span, and unanswerable ones; the only feature is the confidence, as `top`."""
    made = []
    for question in questions:
        if question.answers and question.form not in ("", "span"):
            continue
        (answer,) = engine.ask_many([Query(question.text, form="span")])
        features = dict.fromkeys(FEATURES, 0.0) | {"top": answer.confidence}
        right = bool(question.answers) and judge(question, shown(answer)) == "useful"
        made.append(Example(name, "span", features, right, bool(question.answers), question.group))
    return made


def table(found: Sequence[Example]) -> CalibrationTable:
    names = {
        group: number for number, group in enumerate(dict.fromkeys(one.group for one in found))
    }
    return CalibrationTable(
        np.array([[one.features[name] for name in FEATURES] for one in found]),
        np.array([one.right for one in found]),
        np.array([one.answerable for one in found]),
        np.array([1.0 if one.answerable else 1 / len(_ASKED) for one in found]),
        np.array([names[one.group] for one in found]),
    )


def fit(data: CalibrationTable) -> FormConfidence:
    """Features that speak against an answer are left out."""
    scale = data.rows.std(axis=0) + 1e-6
    used = np.ones(len(FEATURES), bool)
    while True:
        rows = np.where(used, (data.rows - data.rows.mean(axis=0)) / scale, 0.0)
        made = LogisticRegression(C=_C).fit(rows, data.right, data.weight)
        plain = made.coef_[0] / scale
        if (plain[used] > -1e-9).all():
            break
        used &= plain > 0
    kept = {
        name: round(float(weight), 4)
        for name, weight in zip(FEATURES, plain, strict=True)
        if weight > 1e-4
    }
    bias = float(made.intercept_[0] - data.rows.mean(axis=0) @ plain)
    return FormConfidence(kept, round(bias, 4), 0.5)


def predict(model: FormConfidence, rows: Rows) -> Rows:
    return np.array([model(dict(zip(FEATURES, row.tolist(), strict=True))) for row in rows])


def held_back(data: CalibrationTable) -> Rows:
    """The confidence for every row, by a model fitted without its group."""
    found = np.zeros(len(data.right))
    for fold in range(FOLDS):
        out = data.groups % FOLDS == fold
        found[out] = predict(fit(data.part(~out)), data.rows[out])
    return found


def measured(
    found: Sequence[Example], data: CalibrationTable, confidence: Rows, at: float
) -> dict[str, Any]:
    """The figures by kind of text and for all."""
    made = {}
    for name in ("all", *dict.fromkeys(one.set for one in found)):
        rows = np.array([name in ("all", one.set) for one in found])
        part = data.part(rows)
        sure_of = confidence[rows]
        made[name] = {
            **bought(sure_of, part, at),
            "ece": adaptive_ece(sure_of, part.right, part.weight),
            "auroc of answerable": auroc(sure_of[part.answerable], sure_of[~part.answerable]),
            "right, shown at 70 % or more": _at(sure_of, part.right, 0.7),
            "risk by coverage": risk_at_coverage(sure_of, part),
        }
    return made


def _at(confidence: Rows, right: NDArray[np.bool_], least: float) -> list[float]:
    """The share of right ones, and their number."""
    shown_at = confidence >= least
    return [round(float(right[shown_at].mean()), 4) if shown_at.any() else 0.0, int(shown_at.sum())]


@click.command()
@click.option("--cache", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--reader", default="accurate")
@click.option(
    "--risk",
    type=float,
    help="Largest share of wrong answers; by default as many are refused as have no answer.",
)
@click.option(
    "--into",
    type=click.Path(path_type=Path, exists=True),
    help="Calibration file that gets the fitted models.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), default=ROOT / "eval/results/forms-confidence.json"
)
@click.argument("names", nargs=-1, type=click.Choice(list(SETS)))
def main(
    cache: Path,
    reader: str,
    risk: float | None,
    into: Path | None,
    out: Path,
    names: tuple[str, ...],
) -> None:
    """Fit and report."""
    found: list[Example] = []
    for name in names or ("forms", "technical", "household", "tables", "own"):
        engine, questions = opened(name, cache, reader=reader)
        known = done(name, cache, questions, reader)
        needed = engine.confidence.threshold
        engine.settings = replace(engine.settings, threshold=0.0)
        found += spans(name, engine, known)
        engine.settings = replace(engine.settings, threshold=-1.0)  # each form's own
        found += examples(name, engine, known)
    of_spans = [one for one in found if one.model == "span"]
    data = table(of_spans)
    report: dict[str, Any] = {"span": measured(of_spans, data, data.rows[:, 0], needed)}
    fitted: dict[str, Any] = {}
    for model in _MODELS:
        own = [one for one in found if one.model == model]
        data = table(own)
        confidence = held_back(data)
        at = threshold(confidence, data, risk)
        report[model] = measured(own, data, confidence, at)
        made = fit(data)
        stated = report[model]["all"]["wrong, of answered"]
        fitted[model] = {
            "weights": dict(made.weights),
            "bias": made.bias,
            "threshold": at,
            "risk": stated,
        }
    out.write_text(
        json.dumps({"fitted": fitted, "held back": report}, indent=1) + "\n",
        encoding="utf-8",
    )
    if into:
        whole = json.loads(into.read_text(encoding="utf-8")) | {"forms": fitted}
        into.write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    click.echo(json.dumps(fitted, indent=1))


if __name__ == "__main__":
    main()

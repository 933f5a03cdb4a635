"""Fits the verdict models of claims: python -m eval.experiments.fit_claims --support
../shared/data/claims/support.jsonl.gz --index index

Uses public claims with human labels and their own evidence, and claims made from gold questions
(`made_claims`) with evidence retrieved from the index. One half is for fitting; the other is
reported by set: balanced accuracy of supported against not, the share of supported claims struck,
and the share of unsupported ones passed. Public claims are limited to the fifth on which no reader
is trained (crc32 of the claim divisible by 5).
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize
from tqdm import tqdm

from eval.experiments.made_claims import made_claims
from rag import build
from rag.claims.aggregation import QUOTED, Observation, closest
from rag.claims.checker import Checker
from rag.claims.evidence import Stretch, stretches
from rag.claims.verdict_model import (
    COMPARED,
    FEATURES,
    SHIPPED,
    Logistic,
    Probabilities,
    VerdictModel,
)
from rag.evaluation.gold import read_jsonl
from rag.evaluation.set_files import json_lines
from rag.ingestion.chunking import split
from rag.protocols import Embedder, ReaderOutput
from rag.settings import Settings
from rag.types import Document, Hit, Passage

_BATCH = 16
_STRUCK = 0.05
"""Maximum share of quotations and paraphrases that the threshold may strike."""
KEPT_TRUE = ("quoted", "paraphrased")


@dataclass(frozen=True, slots=True)
class Example:
    """A claim and the features of each stretch of its evidence. `contradicted` is None if the label
    does not tell.
    """

    set: str
    test: bool
    supported: bool
    contradicted: bool | None
    seen: tuple[Mapping[str, float], ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--support", type=Path, default=Path("../shared/data/claims/support.jsonl.gz")
    )
    parser.add_argument("--gold", type=Path, default=Path("eval/gold/seeds.jsonl"))
    parser.add_argument(
        "--index", type=Path, default=Path("index"), help="index of the gold questions' documents"
    )
    parser.add_argument("--per-set", type=int, default=160, help="public claims of a set")
    parser.add_argument("--made", type=int, default=500, help="claims made from gold questions")
    parser.add_argument(
        "--rows", type=Path, default=Path("claims-rows.jsonl"), help="what was read; not read again"
    )
    parser.add_argument(
        "--compared", action="store_true", help="read nothing: for readers without verdicts"
    )
    parser.add_argument("--out", type=Path, default=SHIPPED)
    parser.add_argument("--report", type=Path, default=Path("eval/results/claims.json"))
    given = parser.parse_args()
    if not given.rows.exists():
        _observe(given)
    examples = [_loaded(json.loads(line)) for line in given.rows.open(encoding="utf-8")]
    written = json.loads(given.out.read_text()) if given.out.exists() else {}
    report: dict[str, Any] = {"reader": Settings.load().reader}
    read = any("yes" in one.seen[0] for one in examples if one.seen)
    for name in ("read", "compared") if read else ("compared",):
        model = fitted(examples, FEATURES if name == "read" else COMPARED)
        written[name] = model.as_dict()
        report[name] = measured(examples, model)
    if read:
        report["head alone"] = measured(examples, head_alone())
    written.setdefault("read", written["compared"])
    given.out.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    given.report.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    for name in ("head alone", "compared", "read"):
        if name in report:
            print(_table(name, report[name]))


def head_alone() -> VerdictModel:
    """The unmodified verdict of the reader, with a threshold of one half."""
    return VerdictModel(Logistic({"yes": 1.0}, 0.0), Logistic({"no": 1.0}, 0.0), 0.5, 0.5)


# Examples


class NoReader:
    """A reader without output."""

    name = "none"

    def read(self, question: str, hits: Sequence[Hit]) -> ReaderOutput:
        return ReaderOutput([])

    def read_many(self, asked: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        return [ReaderOutput([]) for _ in asked]


def _observe(given: argparse.Namespace) -> None:
    settings = Settings.load(index=given.index)
    embedder = build.embedder(settings)
    store = build.store(settings, embedder)
    reader = NoReader() if given.compared else build.reader(settings)
    engine = build.assemble(settings, store, embedder, reader)
    checker = Checker(engine, (head_alone(), head_alone()))
    with given.rows.open("w", encoding="utf-8") as file:
        for made in (_public(given, checker, embedder), _made(given, checker)):
            for one in made:
                file.write(json.dumps(one) + "\n")
                file.flush()


def _public(
    given: argparse.Namespace, checker: Checker, embedder: Embedder
) -> Iterator[dict[str, Any]]:
    rows = held_out(given.support, given.per_set)
    rows += unrelated(rows)
    for at in tqdm(range(0, len(rows), _BATCH), unit="batch", file=sys.stderr):
        batch = rows[at : at + _BATCH]
        work = [(row["claim"], stretches(row["claim"], hits_of(row, embedder), 3)) for row in batch]
        for row, seen in zip(batch, checker.read(work), strict=True):
            test = zlib.crc32(row["claim"].encode()) // 5 % 2 == 1
            known = {"refuted": True, "supported": False, "not_enough": False}.get(row["label"])
            yield _kept(row["set"], test, row["label"] == "supported", known, row["claim"], seen)


def held_out(path: Path, per_set: int) -> list[dict[str, Any]]:
    """Claims that no reader is trained on, equally many per label of a set."""
    rows = [row for row in json_lines(path) if zlib.crc32(row["claim"].encode()) % 5 == 0]
    rows.sort(key=lambda row: zlib.crc32(row["evidence"].encode()))
    kept: list[dict[str, Any]] = []
    for name in sorted({row["set"] for row in rows}):
        labels = sorted({row["label"] for row in rows if row["set"] == name})
        for label in labels:
            found = [row for row in rows if row["set"] == name and row["label"] == label]
            kept += found[: per_set // len(labels)]
    return kept


def unrelated(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every fourth claim with the evidence of another claim of its set, which neither supports nor
    contradicts it.
    """
    made = []
    for row, other in zip(rows, rows[3:], strict=False):
        if row["set"] == other["set"] and row["evidence"] != other["evidence"]:
            made.append(
                {**row, "evidence": other["evidence"], "label": "not_enough", "set": "unrelated"}
            )
    return made[::4]


def hits_of(row: Mapping[str, Any], embedder: Embedder) -> list[Hit]:
    """The evidence as passages of an index."""
    document = Document("evidence", row["evidence"], "", "/evidence", "0" * 64)
    passages = split(document, embedder.count_tokens, 160)
    return [Hit(passage, 0.5, 0.5, 0.0) for passage in passages]


def _made(given: argparse.Namespace, checker: Checker) -> Iterator[dict[str, Any]]:
    made = made_claims(read_jsonl(given.gold))
    made.sort(key=lambda one: zlib.crc32(one.claim.encode()))
    made = made[: given.made]
    for at in tqdm(range(0, len(made), _BATCH), unit="batch", file=sys.stderr):
        batch = made[at : at + _BATCH]
        observed, _ = checker.observe([(one.claim, ()) for one in batch])
        for one, seen in zip(batch, observed, strict=True):
            test = zlib.crc32(one.source.encode()) % 2 == 1
            against = None if one.kind == "name" else not one.supported
            yield _kept(one.kind, test, one.supported, against, one.claim, seen)


def _kept(
    name: str,
    test: bool,
    supported: bool,
    against: bool | None,
    claim: str,
    seen: Sequence[Observation],
) -> dict[str, Any]:
    """A row of the cache: the claim, its labels and the reader's output, from which features can be
    computed again.
    """
    return {
        "set": name,
        "test": test,
        "supported": supported,
        "contradicted": against,
        "claim": claim,
        "seen": [
            {
                "text": one.stretch.text,
                "best": one.stretch.best,
                "context": one.stretch.hit.passage.context,
                "said": [one.said.yes, one.said.no, one.said.unsaid] if one.said else None,
            }
            for one in seen
        ],
    }


def _loaded(row: Mapping[str, Any]) -> Example:
    seen = [_observed(row["claim"], one) for one in row["seen"]]
    rows = tuple(one.features | {"at_odds": float(one.at_odds)} for one in seen)
    return Example(row["set"], row["test"], row["supported"], row["contradicted"], rows)


def _observed(claim: str, row: Mapping[str, Any]) -> Observation:
    passage = Passage("", 0, len(row["text"]), row["text"], row["context"], "")
    stretch = Stretch(Hit(passage, 0.0, 0.0, 0.0), (row["best"][0], row["best"][1]))
    said = Probabilities(*row["said"]) if row["said"] else None
    return Observation(stretch, closest(claim, stretch), said)


# Fitting


def fitted(examples: Sequence[Example], names: Sequence[str]) -> VerdictModel:
    """Both models, fitted on the first half, with the best thresholds for it."""
    part = [one for one in examples if not one.test and one.seen]
    support = _logistic(part, [one.supported for one in part], names, "yes")
    known = [one for one in part if one.contradicted is not None]
    against = _logistic(known, [bool(one.contradicted) for one in known], names, "no")
    plain = VerdictModel(support, against, 0.5, 0.5)
    return VerdictModel(
        support, against, _support_from(part, plain), _contradict_from(known, plain)
    )


_PULL = 4.0
"""Weight of the reader's own verdict as a prior, in claims."""
_SUPPORT_SIGNS = {"coverage": 1, "likeness": 1, "quoted": 1, "yes": 1}
_AGAINST_SIGNS = {"coverage": 1, "likeness": 1, "quoted": -1, "yes": -1, "unnamed": 0, "missing": 0}
"""Sign of each feature's weight; features of support that are not named are negative, and vice
versa. 0 allows either sign.
"""


def _logistic(
    part: Sequence[Example], right: Sequence[bool], names: Sequence[str], by: str
) -> Logistic:
    """Every set and label has the same weight; of several stretches, the one with the strongest
    evidence counts.

    Weights keep their signs and are regularised towards the reader's own verdict.
    """
    signs = {
        name: (_SUPPORT_SIGNS if by == "yes" else _AGAINST_SIGNS).get(
            name, -1 if by == "yes" else 1
        )
        for name in names
    }
    start = np.array([1.0 if name == by else 0.0 for name in names])
    by = by if by in names else "coverage"
    chosen = [
        (one, side)
        for one, side in zip(part, right, strict=True)
        if not any(seen["quoted"] for seen in one.seen)  # support without a model
    ]
    part, right = [one for one, _ in chosen], [side for _, side in chosen]
    rows = [max(one.seen, key=lambda seen: seen.get(by, 0.0)) for one in part]
    data = np.array([[row.get(name, 0.0) for name in names] for row in rows])
    label = np.where(np.array(right), 1.0, -1.0)
    groups = [(one.set, side) for one, side in zip(part, right, strict=True)]
    weight = np.array([1 / groups.count(group) for group in groups])
    weight *= len(weight) / weight.sum()
    scale = data.std(axis=0) + 1e-6

    def loss(at: Any) -> float:
        margin = label * (data @ (at[:-1] / scale) + at[-1])
        pull = _PULL * float(((at[:-1] - start * scale) ** 2).sum())
        return float((weight * np.logaddexp(0, -margin)).sum()) + pull

    bounds = [{1: (0, None), -1: (None, 0), 0: (None, None)}[signs[name]] for name in names]
    found = minimize(
        loss, np.append(start * scale, 0.0), method="L-BFGS-B", bounds=[*bounds, (None, None)]
    ).x
    weights = {
        name: round(float(w), 4)
        for name, w in zip(names, found[:-1] / scale, strict=True)
        if abs(w) > 1e-4
    }
    return Logistic(weights, round(float(found[-1]), 4))


def _support_from(part: Sequence[Example], model: VerdictModel) -> float:
    """The threshold with the best balanced accuracy over the sets that strikes at most 5 % of
    quotations and paraphrases.
    """
    predict = np.array([_pooled(one, model) for one in part])
    right = np.array([one.supported for one in part])
    close = np.array([one.set in KEPT_TRUE for one in part])
    group = np.array([one.set if one.set not in MADE else "made" for one in part])
    grid = np.arange(0.2, 0.86, 0.01)
    allowed = [at for at in grid if not close.any() or (predict[close] < at).mean() <= _STRUCK] or [
        grid[0]
    ]

    sets = sorted({name for name in set(group) if len(set(right[group == name])) == 2})

    def value(at: float) -> float:
        return float(
            np.mean([_balanced(predict[group == g] >= at, right[group == g]) for g in sets])
        )

    worth = {at: value(at) for at in allowed}
    near = [at for at in allowed if worth[at] >= max(worth.values()) - 0.015]
    return round(
        float(near[len(near) // 2]), 2
    )  # the middle of the equally good ones, since few claims are noisy


def _contradict_from(part: Sequence[Example], model: VerdictModel) -> float:
    predict = np.array([_contradicted(one, model) for one in part])
    right = np.array([bool(one.contradicted) for one in part])
    return round(
        float(max(np.arange(0.4, 0.91, 0.01), key=lambda at: _balanced(predict >= at, right))), 2
    )


def _contradicted(one: Example, model: VerdictModel) -> float:
    """Like `rag.claims.aggregation.weigh`."""
    return max(_against(seen, model) for seen in one.seen)


def _against(seen: Mapping[str, float], model: VerdictModel) -> float:
    return model.contradicted(seen) if seen["at_odds"] and not seen["quoted"] else 0.0


def _for(seen: Mapping[str, float], model: VerdictModel) -> float:
    return QUOTED if seen["quoted"] else model.supported(seen)


def _pooled(one: Example, model: VerdictModel) -> float:
    """The strongest support; 0 if a contradiction is stronger, as in
    `rag.claims.aggregation.judge`.
    """
    best = max(one.seen, key=lambda seen: _for(seen, model))
    support = _for(best, model)
    outdone = any(
        _against(seen, model) > support and seen["likeness"] >= best["likeness"]
        for seen in one.seen
        if seen is not best
    )
    return 0.0 if outdone else support


MADE = ("quoted", "paraphrased", "value", "negated", "name")


def _balanced(said: Any, right: Any) -> float:
    rates = [
        float((said == right)[right == side].mean())
        for side in (True, False)
        if (right == side).any()
    ]
    return sum(rates) / len(rates)


# Report


def measured(examples: Sequence[Example], model: VerdictModel) -> dict[str, Any]:
    """By set, on the other half: claims, balanced accuracy, supported struck, unsupported passed,
    contradicted recognised.
    """
    part = [one for one in examples if one.test and one.seen]
    found: dict[str, Any] = {}
    for name in [*sorted({one.set for one in part}), "made"]:
        chosen = [one for one in part if one.set == name or (name == "made" and one.set in MADE)]
        if chosen:
            found[name] = _figures(chosen, model)
    public = [
        row["balanced accuracy"] for name, row in found.items() if name not in (*MADE, "made")
    ]
    summary = (
        {"balanced accuracy, mean of public sets": round(float(np.mean(public)), 4)}
        if public
        else {}
    )
    return {
        **summary,
        "support_from": model.support_from,
        "contradict_from": model.contradict_from,
        "sets": found,
    }


def _figures(chosen: Sequence[Example], model: VerdictModel) -> dict[str, Any]:
    support = np.array([_pooled(one, model) for one in chosen])
    against = np.array([_contradicted(one, model) for one in chosen])
    said = support >= model.support_from
    right = np.array([one.supported for one in chosen])
    refuted = np.array([bool(one.contradicted) for one in chosen])
    seen = ~said & (against >= model.contradict_from)
    row = {
        "claims": len(chosen),
        "balanced accuracy": round(_balanced(said, right), 4),
        "supported struck": _share(~said, right),
        "unsupported passed": _share(said, ~right),
        "contradicted found": _share(seen, refuted),
        "called contradicted wrongly": _share(seen, ~refuted),
    }
    return {name: value for name, value in row.items() if value is not None}


def _share(said: Any, among: Any) -> float | None:
    return round(float(said[among].mean()), 4) if among.any() else None


def _table(name: str, report: Mapping[str, Any]) -> str:
    lines = [f"\n{name}: " + ", ".join(f"{k} {v}" for k, v in report.items() if k != "sets")]
    for label, row in report["sets"].items():
        lines.append(f"  {label:18}" + "  ".join(f"{k} {v}" for k, v in row.items()))
    return "\n".join(lines)


if __name__ == "__main__":
    main()

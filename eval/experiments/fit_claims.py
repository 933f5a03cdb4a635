"""Fit how claims are weighed: python -m eval.experiments.fit_claims --support
../shared/data/claims/support.jsonl.gz --index index

Public claims with people's labels, each beside the evidence that comes with it, and claims made
from gold questions (`made_claims`), each beside what retrieval finds in the index. Half of each
fits, the other half is reported: by set, balanced accuracy of supported against not, the share
of supported claims struck, the share of unsupported ones passed. Of the public claims only the
fifth is used that readers are not trained on: crc32 of the claim divisible by 5.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from tqdm import tqdm

from eval.experiments.made_claims import made_claims
from rag import build
from rag.claims.check import Checker, Observation
from rag.claims.evidence import stretches
from rag.claims.weighing import COMPARED, FEATURES, SHIPPED, Logistic, Weighing
from rag.evaluation.gold import read_jsonl
from rag.ingestion.chunking import split
from rag.protocols import Embedder
from rag.settings import Settings
from rag.types import Document, Hit, ReaderOutput

_BATCH = 16
_STRUCK = 0.05
"""Most of the quotations and paraphrases that the threshold may strike."""
KEPT_TRUE = ("quoted", "paraphrased")


@dataclass(frozen=True, slots=True)
class Example:
    """A claim beside its evidence: the features of each stretch. `contradicted` is None where
    the label does not say."""

    set: str
    test: bool
    supported: bool
    contradicted: bool | None
    seen: tuple[Mapping[str, float], ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--support", type=Path, default=Path("../shared/data/claims/support.jsonl.gz"))
    parser.add_argument("--gold", type=Path, default=Path("eval/gold/seeds.jsonl"))
    parser.add_argument("--index", type=Path, default=Path("index"), help="index of the gold questions' documents")
    parser.add_argument("--per-set", type=int, default=160, help="public claims of a set")
    parser.add_argument("--made", type=int, default=500, help="claims made from gold questions")
    parser.add_argument("--rows", type=Path, default=Path("claims-rows.jsonl"), help="what was read; not read again")
    parser.add_argument("--compared", action="store_true", help="read nothing: for readers without verdicts")
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


def head_alone() -> Weighing:
    """The reader's verdict as it is, at one half."""
    return Weighing(Logistic({"yes": 1.0}, 0.0), Logistic({"no": 1.0}, 0.0), 0.5, 0.5)


# What is seen


class NoReader:
    """Says nothing."""

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


def _public(given: argparse.Namespace, checker: Checker, embedder: Embedder) -> Iterator[dict[str, Any]]:
    rows = held_out(given.support, given.per_set)
    rows += unrelated(rows)
    for at in tqdm(range(0, len(rows), _BATCH), unit="batch", file=sys.stderr):
        batch = rows[at : at + _BATCH]
        work = [(row["claim"], stretches(row["claim"], hits_of(row, embedder), 3)) for row in batch]
        for row, seen in zip(batch, checker.read(work), strict=True):
            test = zlib.crc32(row["claim"].encode()) // 5 % 2 == 1
            known = {"refuted": True, "supported": False, "not_enough": False}.get(row["label"])
            yield _kept(row["set"], test, row["label"] == "supported", known, seen)


def held_out(path: Path, per_set: int) -> list[dict[str, Any]]:
    """Claims that no reader is trained on, as many of each label of a set."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    rows = [row for row in rows if zlib.crc32(row["claim"].encode()) % 5 == 0]
    rows.sort(key=lambda row: zlib.crc32(row["evidence"].encode()))
    kept: list[dict[str, Any]] = []
    for name in sorted({row["set"] for row in rows}):
        labels = sorted({row["label"] for row in rows if row["set"] == name})
        for label in labels:
            found = [row for row in rows if row["set"] == name and row["label"] == label]
            kept += found[: per_set // len(labels)]
    return kept


def unrelated(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every fourth claim beside the evidence of another claim of its set: neither supported nor
    contradicted."""
    made = []
    for row, other in zip(rows, rows[3:], strict=False):
        if row["set"] == other["set"] and row["evidence"] != other["evidence"]:
            made.append({**row, "evidence": other["evidence"], "label": "not_enough", "set": "unrelated"})
    return made[::4]


def hits_of(row: Mapping[str, Any], embedder: Embedder) -> list[Hit]:
    """The evidence in passages, as an index has it."""
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
            yield _kept(one.kind, test, one.supported, against, seen)


def _kept(name: str, test: bool, supported: bool, against: bool | None, seen: Sequence[Observation]) -> dict[str, Any]:
    rows = [one.features | {"at_odds": float(one.at_odds)} for one in seen]
    return {
        "set": name,
        "test": test,
        "supported": supported,
        "contradicted": against,
        "seen": rows,
    }


def _loaded(row: Mapping[str, Any]) -> Example:
    return Example(row["set"], row["test"], row["supported"], row["contradicted"], tuple(row["seen"]))


# What is fitted


def fitted(examples: Sequence[Example], names: Sequence[str]) -> Weighing:
    """Both models on the half that fits, and the thresholds that serve it best."""
    part = [one for one in examples if not one.test and one.seen]
    support = _logistic(part, [one.supported for one in part], names, "yes")
    known = [one for one in part if one.contradicted is not None]
    against = _logistic(known, [bool(one.contradicted) for one in known], names, "no")
    plain = Weighing(support, against, 0.5, 0.5)
    return Weighing(support, against, _support_from(part, plain), _contradict_from(known, plain))


def _logistic(part: Sequence[Example], right: Sequence[bool], names: Sequence[str], by: str) -> Logistic:
    """Every set and label weighs the same; of several stretches the one that speaks loudest
    counts."""
    by = by if by in names else "coverage"
    rows = [max(one.seen, key=lambda seen: seen[by]) for one in part]
    data = np.array([[row[name] for name in names] for row in rows])
    groups = [(one.set, label) for one, label in zip(part, right, strict=True)]
    weight = np.array([1 / groups.count(group) for group in groups])
    scale = data.std(axis=0) + 1e-6
    model = LogisticRegression(C=1.0, max_iter=5000)
    model.fit(data / scale, np.array(right), sample_weight=weight * len(weight) / weight.sum())
    weights = model.coef_[0] / scale
    return Logistic(
        {name: round(float(weight), 4) for name, weight in zip(names, weights, strict=True)},
        round(float(model.intercept_[0]), 4),
    )


def _support_from(part: Sequence[Example], model: Weighing) -> float:
    """The best balanced accuracy over the sets, with at most 5 % of quotations and paraphrases
    struck."""
    sure = np.array([max(model.supported(seen) for seen in one.seen) for one in part])
    right = np.array([one.supported for one in part])
    close = np.array([one.set in KEPT_TRUE for one in part])
    group = np.array([one.set if one.set not in MADE else "made" for one in part])
    grid = np.arange(0.2, 0.86, 0.01)
    allowed = [at for at in grid if not close.any() or (sure[close] < at).mean() <= _STRUCK] or [grid[0]]

    def value(at: float) -> float:
        return float(np.mean([_balanced(sure[group == g] >= at, right[group == g]) for g in set(group)]))

    return round(float(max(allowed, key=value)), 2)


def _contradict_from(part: Sequence[Example], model: Weighing) -> float:
    sure = np.array([_contradicted(one, model) for one in part])
    right = np.array([bool(one.contradicted) for one in part])
    return round(float(max(np.arange(0.4, 0.91, 0.01), key=lambda at: _balanced(sure >= at, right))), 2)


def _contradicted(one: Example, model: Weighing) -> float:
    """As `rag.claims.check.weigh`."""
    return max(model.contradicted(seen) if seen["at_odds"] else 0.0 for seen in one.seen)


MADE = ("quoted", "paraphrased", "value", "negated", "name")


def _balanced(said: Any, right: Any) -> float:
    rates = [float((said == right)[right == side].mean()) for side in (True, False) if (right == side).any()]
    return sum(rates) / len(rates)


# What is reported


def measured(examples: Sequence[Example], model: Weighing) -> dict[str, Any]:
    """By set, on the half that did not fit: claims, balanced accuracy, supported struck,
    unsupported passed, contradicted seen."""
    part = [one for one in examples if one.test and one.seen]
    found: dict[str, Any] = {}
    for name in [*sorted({one.set for one in part}), "made"]:
        chosen = [one for one in part if one.set == name or (name == "made" and one.set in MADE)]
        if chosen:
            found[name] = _figures(chosen, model)
    public = [row["balanced accuracy"] for name, row in found.items() if name not in (*MADE, "made")]
    summary = {"balanced accuracy, mean of public sets": round(float(np.mean(public)), 4)} if public else {}
    return {
        **summary,
        "support_from": model.support_from,
        "contradict_from": model.contradict_from,
        "sets": found,
    }


def _figures(chosen: Sequence[Example], model: Weighing) -> dict[str, Any]:
    support = np.array([max(model.supported(seen) for seen in one.seen) for one in chosen])
    against = np.array([_contradicted(one, model) for one in chosen])
    said = (support >= model.support_from) & ((support >= against) | (against < model.contradict_from))
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

"""Fits the scorer of claims: python -m eval.experiments.fit_claims --data DATA --index INDEX
--collections-index INDEX

Uses public claims with human labels and their own evidence (DATA/claims); claims made from gold
questions (`made_claims`), and pairs of a true and a false claim (`eval/gold/claims-pairs.jsonl`),
with evidence from an index of their documents: seeds, eval/gold/cells and eval/gold/shelf; and our
claims about real collections (`eval/gold/claims-collections.jsonl`, `claims-free.jsonl`) with
evidence from an index of DATA/collections. One half is for fitting, and so are all pairs; the other
is reported by set. Public claims are limited to the fifth on which no reader is trained (crc32 of
the claim divisible by 5). A fit from kept rows takes seconds.
"""

import json
import sys
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from scipy.optimize import minimize
from tqdm import tqdm

from eval.experiments.made_claims import made_claims
from eval.scripts import GOLD, PATH, ROOT, script
from rag import build
from rag.answering.judge import Logistic
from rag.claims.checker import Checker
from rag.claims.evidence import closest_sentence, closest_sentences
from rag.claims.scorer import COMPARED, FEATURES, SHIPPED, Scorer, features, load
from rag.claims.verdict import ClaimEvidence, closest_comparison, decide, score
from rag.evaluation.gold import read_jsonl
from rag.evaluation.set_files import json_lines
from rag.ingestion.chunking import split_document
from rag.protocols import Embedder, Verdict
from rag.settings import Settings
from rag.types import Document, Hit, Passage

_BATCH = 16
_MADE = ("quoted", "paraphrased", "value", "negated", "name")
OURS = ("collections", "free", "pairs")
"""Sets of claims in free words that we wrote."""
_FALSE_SUPPORTED, _TRUE_CONTRADICTED = 0.2, 0.01
"""Largest shares of our claims, on their fitting half, that thresholds may get wrong so."""
_RIDGE = 0.01


@dataclass(frozen=True, slots=True)
class Example:
    """A claim and its candidates. `contradicted` is None if the label does not tell."""

    set: str
    kind: str
    test: bool
    supported: bool
    contradicted: bool | None
    candidates: tuple[ClaimEvidence, ...]


@script(__doc__)
@click.option("--data", type=PATH, default="../shared/data", help="Folder with the public claims.")
@click.option("--index", type=PATH, default="index", help="Index of the gold sets' documents.")
@click.option("--collections-index", type=PATH, default="collections", help="That of collections.")
@click.option("--per-set", default=160, help="Number of claims of each public set.")
@click.option(
    "--made", "made_count", default=500, help="Number of claims made from gold questions."
)
@click.option("--rows", type=PATH, default="claims-rows.jsonl", help="Keeps the reader's output.")
@click.option("--report", type=PATH, default=ROOT / "eval/results/claims.json", help="The figures.")
@click.option("--measure", is_flag=True, help="Fit nothing, and measure what is shipped.")
@click.option("--out", type=PATH, default=SHIPPED, help="File of the scorer.")
def main(rows: Path, report: Path, measure: bool, out: Path, **sources: Any) -> None:
    if not rows.exists():
        with rows.open("w", encoding="utf-8") as file:
            for row in _observed(**sources):
                file.write(json.dumps(row) + "\n")
                file.flush()
    examples = [loaded_example(json.loads(line)) for line in rows.open(encoding="utf-8")]
    if measure:
        scorers = dict(zip(("read", "compared"), load(out), strict=True))
    else:
        scorers = {"read": fitted(examples, FEATURES), "compared": fitted(examples, COMPARED)}
        stored = {name: asdict(scorer) for name, scorer in scorers.items()}
        out.write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")
    head_alone = Scorer(Logistic({"yes": 1.0}, 0.0), Logistic({"no": 1.0}, 0.0), 0.5, 0.5)
    figures: dict[str, Any] = {"reader": Settings.load().reader}
    for name, scorer in (scorers | {"head alone": head_alone}).items():
        figures[name] = measured(examples, scorer)
        print(_table(name, figures[name]))
    report.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


# Examples


def _observed(
    data: Path, index: Path, collections_index: Path, per_set: int, made_count: int
) -> Iterator[dict[str, Any]]:
    settings = Settings.load(index=index)
    embedder = build.embedder(settings)
    reader = build.reader(settings)

    def checker(index: Path) -> Checker:
        own_settings = Settings.load(index=index)
        return Checker(
            build.assemble(own_settings, build.store(own_settings, embedder), embedder, reader)
        )

    seeds = checker(index)
    rows = held_out(data / "claims" / "support.jsonl.gz", per_set)
    yield from _public_rows(rows + unrelated_claims(rows), seeds, embedder)
    claims_made = made_claims(read_jsonl(GOLD / "seeds.jsonl"))
    claims_made.sort(key=lambda claim: _crc(claim.claim))
    for claim, candidates in _read(seeds, claims_made[:made_count], lambda claim: claim.claim):
        against = None if claim.kind == "name" else not claim.supported
        labels = (_crc(claim.source) % 2 == 1, claim.supported, against)
        yield _row(claim.kind, claim.kind, labels, claim.claim, candidates)
    for claim, candidates in _read(seeds, list(_pairs()), lambda claim: claim.claim):
        yield _row_of(claim, candidates)
    if collections_index.exists():
        claims_about = [*_about_collections(), *_in_free_words(data / "collections")]
        of_collections = checker(collections_index)
        for claim, candidates in _read(of_collections, claims_about, lambda claim: claim.claim):
            yield _row_of(claim, candidates)


@dataclass(frozen=True, slots=True)
class OwnClaim:
    """A claim of ours: its set and kind, and whether it is true and for reporting."""

    set: str
    kind: str
    claim: str
    is_true: bool
    is_reported: bool


def _pairs() -> Iterator[OwnClaim]:
    """True claims in free words, each with a false one that differs in one respect."""
    for row in json_lines(GOLD / "claims-pairs.jsonl"):
        yield OwnClaim("pairs", "true", row["true"], is_true=True, is_reported=False)
        yield OwnClaim("pairs", row["respect"], row["false"], is_true=False, is_reported=False)


def _about_collections() -> Iterator[OwnClaim]:
    for row in json_lines(GOLD / "claims-collections.jsonl"):
        yield OwnClaim(
            set="collections",
            kind=row["kind"],
            claim=row["claim"],
            is_true=row["label"] == "true",
            is_reported=row["half"] == "report",
        )


def _in_free_words(collections: Path) -> Iterator[OwnClaim]:
    """Those whose document is in the folder of collections."""
    for row in json_lines(GOLD / "claims-free.jsonl"):
        if (collections / row["document"]).exists():
            yield OwnClaim(
                set="free",
                kind="true" if row["label"] else "false",
                claim=row["claim"],
                is_true=row["label"],
                is_reported=row["half"] == "report",
            )


def _row_of(claim: OwnClaim, candidates: Sequence[ClaimEvidence]) -> dict[str, Any]:
    labels = (claim.is_reported, claim.is_true, not claim.is_true)
    return _row(claim.set, claim.kind, labels, claim.claim, candidates)


def _read(
    checker: Checker, claims: Sequence[Any], text: Callable[[Any], str]
) -> Iterator[tuple[Any, list[ClaimEvidence]]]:
    for start in tqdm(range(0, len(claims), _BATCH), unit="batch", file=sys.stderr):
        batch = claims[start : start + _BATCH]
        observed = checker.observe([(text(claim), ()) for claim in batch])
        yield from zip(batch, observed, strict=True)


def _public_rows(
    rows: Sequence[Mapping[str, Any]], checker: Checker, embedder: Embedder
) -> Iterator[dict[str, Any]]:
    for start in tqdm(range(0, len(rows), _BATCH), unit="batch", file=sys.stderr):
        batch = rows[start : start + _BATCH]
        evidence = [
            (row["claim"], closest_sentences(row["claim"], hits_of(row, embedder), 3))
            for row in batch
        ]
        for row, candidates in zip(batch, checker.read(evidence), strict=True):
            against = {"refuted": True, "supported": False, "not_enough": False}.get(row["label"])
            labels = (_crc(row["claim"]) // 5 % 2 == 1, row["label"] == "supported", against)
            yield _row(row["set"], row["label"], labels, row["claim"], candidates)


def _crc(text: str) -> int:
    return zlib.crc32(text.encode())


def held_out(path: Path, per_set: int) -> list[dict[str, Any]]:
    """Claims that no reader is trained on, equally many per label of a set."""
    rows = [row for row in json_lines(path) if _crc(row["claim"]) % 5 == 0]
    rows.sort(key=lambda row: _crc(row["evidence"]))
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["set"], row["label"]].append(row)
    label_counts = Counter(name for name, _ in groups)
    chosen = []
    for (name, _), rows_of_label in sorted(groups.items()):
        share = per_set // label_counts[name]
        chosen += rows_of_label[:share]
    return chosen


def unrelated_claims(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every fourth claim with another claim's evidence, which says nothing about it."""
    pairs = []
    for row, successor in zip(rows, rows[3:], strict=False):
        if row["set"] == successor["set"] and row["evidence"] != successor["evidence"]:
            labels = {"label": "not_enough", "set": "unrelated"}
            pairs.append({**row, "evidence": successor["evidence"], **labels})
    return pairs[::4]


def hits_of(row: Mapping[str, Any], embedder: Embedder) -> list[Hit]:
    """The evidence as passages of an index."""
    document = Document("evidence", row["evidence"], "", "/evidence", "0" * 64)
    passages = split_document(document, embedder.count_tokens, 160)
    return [Hit(passage, 0.5, 0.5, 0.0) for passage in passages]


Labels = tuple[bool, bool, bool | None]
"""Whether a claim is for testing, is supported, and is contradicted."""


def _row(
    name: str, kind: str, labels: Labels, claim: str, candidates: Sequence[ClaimEvidence]
) -> dict[str, Any]:
    """A row of the cache, from which features can be computed again."""
    passages = []
    for candidate in candidates:
        hit = candidate.sentence.hit
        verdict = candidate.verdict
        passages.append(
            {
                "document": candidate.document_id,
                "text": hit.passage.text,
                "title": hit.passage.title,
                "headings": hit.passage.headings,
                "dense": hit.dense,
                "verdict": _probabilities(verdict) if verdict else None,
            }
        )
    labels_by_name = dict(zip(("test", "supported", "contradicted"), labels, strict=True))
    return {"set": name, "kind": kind, **labels_by_name, "claim": claim, "passages": passages}


def _probabilities(verdict: Verdict) -> list[float | None]:
    return [verdict.yes, verdict.no, verdict.unsaid, verdict.depends]


def loaded_example(row: Mapping[str, Any]) -> Example:
    """The claim of a row, with its candidates compared with it anew."""
    candidates = tuple(_candidate(row["claim"], passage) for passage in row["passages"])
    return Example(
        set=row["set"],
        kind=row["kind"],
        test=row["test"],
        supported=row["supported"],
        contradicted=row["contradicted"],
        candidates=candidates,
    )


def _candidate(claim: str, row: Mapping[str, Any]) -> ClaimEvidence:
    text = row["text"]
    passage = Passage(row["document"], 0, len(text), text, row["title"], tuple(row["headings"]))
    sentence = closest_sentence(claim, Hit(passage, 0.0, row["dense"], 0.0))
    verdict = Verdict(sentence.hit, *row["verdict"]) if row["verdict"] else None
    return ClaimEvidence(sentence, closest_comparison(claim, sentence), verdict)


# Fitting


def fitted(examples: Sequence[Example], names: Sequence[str]) -> Scorer:
    """Both models, fitted on the first half, with thresholds that keep the allowed shares."""
    part = [claim for claim in examples if not claim.test and claim.candidates]
    # a quotation supports without a model
    unquoted = [claim for claim in part if not _is_quoted(claim)]
    rows = [_rows(claim.candidates, names) for claim in unquoted]
    supported = [claim.supported for claim in unquoted]
    support = _logistic(rows, supported, _weights(unquoted), names)

    opposed_claims = []
    opposed_rows = []
    for claim in unquoted:
        candidates = [c for c in claim.candidates if c.comparison.is_opposed]
        if candidates and claim.contradicted is not None:
            opposed_claims.append(claim)
            opposed_rows.append(_rows(candidates, names))
    refuted = [bool(claim.contradicted) for claim in opposed_claims]
    against = _logistic(opposed_rows, refuted, _weights(opposed_claims), names)

    of_collections = [claim for claim in part if claim.set == "collections"]
    grid = [round(float(threshold), 2) for threshold in np.arange(0.3, 0.96, 0.01)]
    support_from = _support_from(part, Scorer(support, against, 0.5, 0.5), grid)
    for threshold in grid:
        scorer = Scorer(support, against, support_from, threshold)
        verdicts = [verdict_of(claim, scorer) for claim in of_collections if claim.supported]
        if verdicts.count("contradicted") <= _TRUE_CONTRADICTED * len(verdicts):
            return scorer
    return Scorer(support, against, support_from, grid[-1])


def _is_quoted(claim: Example) -> bool:
    return any(candidate.comparison.quoted for candidate in claim.candidates)


def _rows(candidates: Sequence[ClaimEvidence], names: Sequence[str]) -> Any:
    rows = [features(candidate.comparison, candidate.verdict) for candidate in candidates]
    return np.array([[row.get(name, 0.0) for name in names] for row in rows])


def _group(example: Example) -> str:
    """Its set; those made from gold questions are one."""
    return "made" if example.set in _MADE else example.set


def _weights(part: Sequence[Example]) -> Any:
    """A label of a set weighs by the root of its number of claims; made claims are one set."""
    groups = [(_group(example), example.supported) for example in part]
    weights = np.array([groups.count(group) ** -0.5 for group in groups])
    return weights * len(weights) / weights.sum()


def _logistic(
    rows: Sequence[Any], is_supported: Sequence[bool], weights: Any, names: Any
) -> Logistic:
    """A ridge regression on the candidate of each claim that the model itself rates highest."""
    everything = np.concatenate(rows)
    mean = everything.mean(axis=0)
    scale = everything.std(axis=0) + 1e-6
    scaled = [(matrix - mean) / scale for matrix in rows]
    label = np.where(np.array(is_supported), 1.0, -1.0)
    theta = np.zeros(len(names) + 1)
    for _ in range(8):
        chosen = np.array([matrix[(matrix @ theta[:-1]).argmax()] for matrix in scaled])

        def loss(values: Any, chosen: Any = chosen) -> float:
            margin = label * (chosen @ values[:-1] + values[-1])
            fit = float((weights * np.logaddexp(0, -margin)).sum()) / len(label)
            return fit + _RIDGE * float((values[:-1] ** 2).sum())

        theta = minimize(loss, theta, method="L-BFGS-B").x
    slopes = theta[:-1] / scale
    bias = float(theta[-1] - (slopes * mean).sum())
    by_name = {name: round(float(slope), 4) for name, slope in zip(names, slopes, strict=True)}
    return Logistic(by_name, round(bias, 4))


def _support_from(part: Sequence[Example], scorer: Scorer, grid: Sequence[float]) -> float:
    """The threshold with the best balanced accuracy, mean of the sets, that passes few enough false
    claims; the middle of those that are equally good, since few claims are noisy.
    """
    by_set: dict[str, list[Example]] = defaultdict(list)
    for example in sorted(part, key=_group):
        by_set[_group(example)].append(example)
    values: dict[float, float] = {}
    for threshold in grid:
        candidate = Scorer(scorer.supported, scorer.contradicted, threshold, 1.0)
        figures = {name: _figures(claims, candidate) for name, claims in by_set.items() if claims}
        passed = figures.get("collections", {}).get("unsupported passed", 0.0)
        if passed <= _FALSE_SUPPORTED:
            means = [row["balanced accuracy"] for row in figures.values()]
            values[threshold] = float(np.mean(means))
    lowest_accuracy = max(values.values()) - 0.005
    acceptable = [threshold for threshold, value in values.items() if value >= lowest_accuracy]
    return acceptable[len(acceptable) // 2]


def verdict_of(example: Example, scorer: Scorer) -> str:
    """The verdict by its candidates."""
    return decide([score(candidate, scorer) for candidate in example.candidates], scorer)[0]


# Report


def measured(examples: Sequence[Example], scorer: Scorer) -> dict[str, Any]:
    """By set, on the other half: claims, balanced accuracy, and shares in [0, 1]: supported claims
    struck or called contradicted, others passed or recognised as contradicted.
    """
    part = [example for example in examples if example.test and example.candidates]
    sets: dict[str, list[Example]] = defaultdict(list)
    for example in part:
        kind = f"collections: {example.kind}" if example.set == "collections" else ""
        for name in {example.set, _group(example), kind} - {""}:
            sets[name].append(example)
    figures = {name: _figures(claims, scorer) for name, claims in sorted(sets.items())}
    sets_made_here = (*_MADE, "made", *OURS)
    public_sets = [name for name in figures if name not in sets_made_here and ":" not in name]
    shares = [figures[name]["balanced accuracy"] for name in public_sets]
    mean = float(np.mean(shares)) if shares else 0.0
    return {
        "balanced accuracy, mean of public sets": round(mean, 4),
        "support_from": scorer.support_from,
        "contradict_from": scorer.contradict_from,
        "sets": figures,
    }


def _figures(claims: Sequence[Example], scorer: Scorer) -> dict[str, Any]:
    verdicts = np.array([verdict_of(example, scorer) for example in claims])
    passed = np.isin(verdicts, ("supported", "partly"))
    against = verdicts == "contradicted"
    is_supported = np.array([example.supported for example in claims])
    refuted = np.array([bool(example.contradicted) for example in claims])
    is_right = passed == is_supported
    sides = [is_right[is_supported == side].mean() for side in set(is_supported.tolist())]
    row = {
        "claims": len(claims),
        "balanced accuracy": round(float(np.mean(sides)), 4),
        "supported struck": _share(~passed, is_supported),
        "supported called contradicted": _share(against, is_supported),
        "unsupported passed": _share(passed, ~is_supported),
        "contradicted found": _share(against, refuted),
    }
    return {name: value for name, value in row.items() if value is not None}


def _share(chosen: Any, among: Any) -> float | None:
    return round(float(chosen[among].mean()), 4) if among.any() else None


def _table(name: str, report: Mapping[str, Any]) -> str:
    totals = [f"{key} {value}" for key, value in report.items() if key != "sets"]
    lines = [f"\n{name}: " + ", ".join(totals)]
    for label, row in report["sets"].items():
        cells = [f"{key} {value}" for key, value in row.items()]
        lines.append(f"  {label:24}" + "  ".join(cells))
    return "\n".join(lines)


if __name__ == "__main__":
    main()

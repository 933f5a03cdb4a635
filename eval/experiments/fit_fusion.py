"""Fits the fusion, which orders retrieved passages, and reports it on sets left out in turn.

python -m eval.experiments.fit_fusion --cache DIR [--into FILE] [--ablations] SET...

DIR is made by `python -m eval.experiments.kept`. Every question is searched in both wordings; each
passage that both retrievers propose is relevant by the number of evidence sentences that it has.
Networks are fitted listwise (ListNet with the relevance as distribution, Cao et al. 2007). Of
collections only the half for fitting is used; the report is on both halves of sets that were left
out, for questions as they were written and in other words: the share whose evidence is the first
passage, among three and among eight. `--ablations` leaves each group of features out.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import Tensor

from eval.experiments.fit_judge import is_for_fitting
from eval.experiments.kept import NAMES, open_set
from eval.scripts import CACHE, NEW_FILE, finished, script
from rag.evaluation.gold import PLAIN_SUFFIX, Question
from rag.fusion import CLIPPED, FEATURES, Candidates, Networks, features
from rag.retrieval import Retriever

NETWORKS = 5
UNITS = 48
EPOCHS = 12
BATCH = 32
RATE, DECAY, DROPOUT = 3e-3, 1e-2, 0.15
FOLDS = 5
"""Groups of sets that are left out in turn."""
DEPTHS = (1, 3, 8)
GROUPS = {
    "convex sum": ["convex"],
    "meaning": ["dense", "dense_below_best", "dense_rank"],
    "BM25": ["lexical_scaled", "lexical_log", "lexical_rank", "both_ranks"],
    "words in the text": ["text_coverage", "rarest_absent", "rarest_present", "context_coverage"],
    "words in heading and title": ["heading_coverage", "title_coverage", "heading_precision"],
    "pairs of words": ["pairs_present"],
    "codes, numbers, quoted words": ["codes_present", "numbers_present", "quoted_present"],
    "document": ["document_dense", "document_lexical", "document_share", "document_rank"],
    "neighbours": ["neighbour_dense", "neighbour_lexical"],
    "named documents": ["names_document", "dates_document", "names_other"],
    "kinds": ["asks_time_has_time", "asks_number_has_number", "asks_how_has_list"],
    "shape": ["passage_words", "passage_is_opening", "heading_depth", "ends_sentence"],
    "question": [name for name in FEATURES if name.startswith("question_")],
}
_NAMING, _RIGHTLY = 0.15, 0.9
"""Share of the questions that are also fitted as if they named a document, since few do; how often
that is the document of the evidence."""
_PART = 40
"""Characters of a long sentence that count as a part of it, if passages divide it."""
Scorer = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Ranking:
    """The n candidates of a question: features, shape (n, len(FEATURES)), the number of evidence
    sentences in each, and digests of their texts, since equal texts are one hit.
    """

    set: str
    question: str
    group: str
    is_plain: bool
    rows: NDArray[np.float32]
    relevance: NDArray[np.float32]
    texts: tuple[str, ...]


def collect(name: str, cache: Path) -> list[Ranking]:
    """The rankings of a set's answerable questions; searched once, then read from `cache`."""
    engine, questions = open_set(name, cache, "fast")
    cache_file = cache / name / "fusion.npz"
    if not cache_file.exists():
        rankings = list(_searched(name, engine.retriever, questions))
        np.savez_compressed(
            cache_file,
            rows=np.vstack([ranking.rows for ranking in rankings]).astype(np.float16),
            relevance=np.concatenate([ranking.relevance for ranking in rankings]),
            texts=np.array([text for ranking in rankings for text in ranking.texts]),
            counts=np.array([len(ranking.rows) for ranking in rankings]),
            questions=np.array([ranking.question for ranking in rankings]),
        )
    engine.store.close()
    return list(_loaded(name, cache_file, {question.id: question for question in questions}))


def _loaded(name: str, cache_file: Path, questions: dict[str, Question]) -> Iterator[Ranking]:
    table = np.load(cache_file)
    ends = np.cumsum(table["counts"])
    parts = [np.split(table[key], ends[:-1]) for key in ("rows", "relevance", "texts")]
    for number, rows, relevance, texts in zip(table["questions"].tolist(), *parts, strict=True):
        question = questions.get(number)
        if question is not None and question.answers:
            yield Ranking(
                set=name,
                question=number,
                group=question.group,
                is_plain=number.endswith(PLAIN_SUFFIX),
                rows=rows.astype(np.float32),
                relevance=relevance,
                texts=tuple(texts.tolist()),
            )


def _searched(name: str, retriever: Retriever, questions: Sequence[Question]) -> Iterator[Ranking]:
    vocabulary = retriever.vocabulary()
    for question in questions:
        (vector,) = retriever.embedder.embed_queries([question.text])
        named_documents = retriever.named(question.text, None)
        depth = retriever.candidates
        candidates = retriever.candidates_of(
            question.text, vector, depth, depth, None, named_documents
        )
        yield Ranking(
            set=name,
            question=question.id,
            group=question.group,
            is_plain=question.id.endswith(PLAIN_SUFFIX),
            rows=features(question.text, candidates, vocabulary),
            relevance=relevance(question, candidates),
            texts=tuple(_short_digest(passage.text) for passage in candidates.passages),
        )


def _short_digest(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()[:8]


def relevance(question: Question, candidates: Candidates) -> NDArray[np.float32]:
    """The number of evidence sentences in each passage; a half for a part of one that no passage
    has whole. Without evidence, 1 for an accepted answer in a relevant document.
    """
    texts = [" ".join(passage.text.split()) for passage in candidates.passages]
    counts = np.zeros(len(texts), dtype=np.float32)
    documents = [passage.document_id for passage in candidates.passages]
    for proof in question.evidence:
        sentence = " ".join(proof.sentence.split())
        size = max(_PART, len(sentence) // 2)
        halves = (sentence[:size], sentence[-size:])
        of_document = [row for row, name in enumerate(documents) if name == proof.document]
        complete = [row for row in of_document if sentence in texts[row]]
        part = [row for row in of_document if any(half in texts[row] for half in halves)]
        counts[complete or part] += 1.0 if complete else 0.5
    if not question.evidence:
        for row, text in enumerate(texts):
            has_answer = any(answer.lower() in text.lower() for answer in question.wordings)
            counts[row] = float(documents[row] in question.relevant and has_answer)
    return counts


def fit(rankings: Sequence[Ranking], omitted_features: Sequence[str] = ()) -> dict[str, Any]:
    """The networks' tensors; the features of `omitted_features` are constant."""
    learned = [ranking for ranking in rankings if ranking.relevance.any()]
    chosen = np.random.default_rng(0).random(len(learned)) < _NAMING
    learned += [
        as_if_named(ranking)
        for ranking, is_chosen in zip(learned, chosen, strict=True)
        if is_chosen
    ]
    rows = np.vstack([ranking.rows for ranking in learned])
    mean = rows.mean(axis=0)
    deviation = rows.std(axis=0) + 1e-3
    deviation[[FEATURES.index(name) for name in omitted_features]] = 1e9
    max_rows = max(len(ranking.rows) for ranking in learned)
    inputs = torch.zeros(len(learned), max_rows, len(FEATURES))
    absent = torch.zeros(len(learned), max_rows, dtype=torch.bool)
    target = torch.zeros(len(learned), max_rows)
    for place, ranking in enumerate(learned):
        count = len(ranking.rows)
        scaled = np.clip((ranking.rows - mean) / deviation, -CLIPPED, CLIPPED)
        inputs[place, :count] = torch.from_numpy(scaled)
        absent[place, count:] = True
        shares = np.minimum(ranking.relevance, 1)
        target[place, :count] = torch.from_numpy(shares / shares.sum())
    networks = [_network(inputs, absent, target, seed) for seed in range(NETWORKS)]
    tensors = {"mean": mean.astype(np.float32), "deviation": deviation.astype(np.float32)}
    for name, place in (("first", 0), ("second", 3), ("last", 5)):
        layers = [dict(network[place].named_parameters()) for network in networks]
        for suffix, parameter in (("", "weight"), ("_bias", "bias")):
            stacked = torch.stack([layer[parameter].detach() for layer in layers])
            tensors[name + suffix] = stacked.numpy()
    return tensors


def as_if_named(ranking: Ranking) -> Ranking:
    """The same ranking as if the question named a document by an identifier: that of the evidence,
    or sometimes another one, as questions do that only mention it.
    """
    seed = int(hashlib.md5(ranking.question.encode()).hexdigest()[:8], 16)
    generator = np.random.default_rng(seed)
    documents = ranking.rows[:, FEATURES.index("document_rank")]  # differs between documents
    if generator.random() < _RIGHTLY:
        named_rank = documents[int(np.argmax(ranking.relevance))]
    else:
        named_rank = generator.choice(documents)
    rows = ranking.rows.copy()
    rows[:, FEATURES.index("names_document")] = documents == named_rank
    rows[:, FEATURES.index("names_other")] = documents != named_rank
    return replace(ranking, rows=rows)


def _network(inputs: Tensor, absent: Tensor, target: Tensor, seed: int) -> torch.nn.Sequential:
    torch.manual_seed(seed)
    network = torch.nn.Sequential(
        torch.nn.Linear(inputs.shape[-1], UNITS),
        torch.nn.ReLU(),
        torch.nn.Dropout(DROPOUT),
        torch.nn.Linear(UNITS, UNITS // 2),
        torch.nn.ReLU(),
        torch.nn.Linear(UNITS // 2, 1),
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    steps = EPOCHS * -(-len(inputs) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for _ in range(EPOCHS):
        for batch in torch.split(torch.randperm(len(inputs)), BATCH):
            scores = network(inputs[batch])[..., 0].masked_fill(absent[batch], -1e9)
            loss = -(target[batch] * torch.log_softmax(scores, dim=1)).sum(dim=1).mean()
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
    return network.eval()


def first_place(ranking: Ranking, scores: NDArray[np.float32]) -> int:
    """The place of the first text with a whole evidence sentence, from 1; 999 for none."""
    order = np.argsort(-scores, kind="stable")
    texts = list(dict.fromkeys(ranking.texts[row] for row in order))
    having = {ranking.texts[row] for row in np.flatnonzero(ranking.relevance >= 1)}
    return min((texts.index(text) + 1 for text in having), default=999)


def shares(rankings: Sequence[Ranking], scorers: Sequence[Scorer]) -> dict[str, Any]:
    """For each wording the per cent of questions whose evidence is among the first, by depth."""
    places = {False: list[int](), True: list[int]()}
    for ranking, scorer in zip(rankings, scorers, strict=True):
        places[ranking.is_plain].append(first_place(ranking, scorer(ranking.rows)))

    by_wording: dict[str, Any] = {}
    for name, is_plain in (("as written", False), ("in other words", True)):
        of_wording = np.array(places[is_plain])
        if len(of_wording):
            row: dict[str, float] = {"questions": len(of_wording)}
            for depth in DEPTHS:
                row[str(depth)] = round(100 * float(np.mean(of_wording <= depth)), 1)
            by_wording[name] = row
    return by_wording


def left_out(
    rankings: Sequence[Ranking], sets: Sequence[str], omitted_features: Sequence[str] = ()
) -> Any:
    """A scorer for each ranking, fitted to other sets."""
    scorers: dict[str, Scorer] = {}
    for fold in range(min(FOLDS, len(sets))):
        names = sets[fold::FOLDS]
        rankings_to_fit = [
            ranking for ranking in rankings if ranking.set not in names and _is_for_fitting(ranking)
        ]
        networks = Networks(**fit(rankings_to_fit, omitted_features))
        scorers |= dict.fromkeys(names, networks.log_odds)
    return [scorers[ranking.set] for ranking in rankings]


def _is_for_fitting(ranking: Ranking) -> bool:
    return is_for_fitting(ranking.set, Question(ranking.question, "", group=ranking.group))


def by_convex_sum(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    scores: NDArray[np.float32] = rows[:, FEATURES.index("convex")]
    return scores


@script(__doc__)
@CACHE
@click.option("--into", type=NEW_FILE, help="File for the fitted networks.")
@click.option("--ablations", is_flag=True, help="Also leave out each group of features.")
@NAMES
def main(cache: Path, into: Path | None, ablations: bool, names: tuple[str, ...]) -> None:
    rankings = [ranking for name in names for ranking in collect(name, cache)]
    if into:
        learned = [ranking for ranking in rankings if _is_for_fitting(ranking)]
        save_file(fit(learned), into, {"features": json.dumps(FEATURES), "sets": " ".join(names)})
    scorers = left_out(rankings, names)
    report: dict[str, Any] = {
        "convex sum": shares(rankings, [by_convex_sum] * len(rankings)),
        "fusion, sets left out in turn": shares(rankings, scorers),
    }
    report["by set"] = {}
    for name in names:
        numbers = [number for number, ranking in enumerate(rankings) if ranking.set == name]
        of_set = [rankings[number] for number in numbers]
        report["by set"][name] = {
            "convex sum": shares(of_set, [by_convex_sum] * len(of_set)),
            "fusion": shares(of_set, [scorers[number] for number in numbers]),
        }
    if ablations:
        report["without"] = {
            group: shares(rankings, left_out(rankings, names, columns))
            for group, columns in GROUPS.items()
        }
    finished(report)


if __name__ == "__main__":
    main()

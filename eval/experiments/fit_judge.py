"""Fits the judge, and reports it on sets left out in turn.

python -m eval.experiments.fit_judge --cache DIR [--reader NAME] [--into FOLDER] SET...

DIR is made by `python -m eval.experiments.kept`. Each question gives the candidates of every form,
their features, and whether each would serve. The collections, which nobody of this project wrote,
have a half for fitting; only that is used, and `eval.experiments.product` reports on the other
half. A candidate serves if `usefulness.serves` says so. Where a question wants another form than
the candidate's, it serves less (`_OTHER_FORM`), so that a date is shown as a date and a reason as a
sentence, if both have the answer. The probability is then mapped to that of serving at all, on the
winners of sets left out (Platt 1999). Writes judge.safetensors and confidence.json into FOLDER,
such as rag/models/accurate.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from eval.experiments.kept import HALVED, NAMES, cached_questions, open_set
from eval.scripts import CACHE, PATH, READER, finished, script
from rag.answering.candidate import Candidate, joined
from rag.answering.features import Featurizer, refers_back
from rag.answering.proposals import candidates
from rag.answering.reading import Reading
from rag.engine import Engine
from rag.evaluation.gold import Question
from rag.evaluation.squad import f1
from rag.evaluation.statistics import adaptive_ece
from rag.evaluation.usefulness import Judgement, ShownAnswer, has_most_words, serves
from rag.fusion import CLIPPED, Networks
from rag.models.cascade import ReadState
from rag.protocols import ReaderOutput
from rag.query import Query

NETWORKS = 10
UNITS = 64
EPOCHS = 10
BATCH = 24
RATE = 2e-3
DECAY = 1e-2
DROPOUT = 0.3
INPUT_DROPOUT = 0.2
"""AdamW with one cycle of its rate (Smith & Topin 2018), chosen on sets left out in turn."""
MORE_EPOCHS, MORE_RATE = 4, 5e-4
"""The same for going on from fitted networks."""
_LAYERS = (("first", 1), ("second", 4), ("last", 6))
"""Names of the layers, and their places in a network."""
_SHARE_OF_BEST = 0.98
MOST_WEIGHT = 5.0
"""Weight of a question of a rare form."""
MEASURED_ONLY = ("dxw-playbook", "rivergrove")
"""Collections without a licence for what is shipped."""
FOLDS = 6
"""Groups of sets that are left out in turn."""
_PARTLY = 0.12
"""How far a candidate serves that has a part of the answer."""
_OTHER_FORM = {"span": 0.45, "yes_no": 0.6, "sentences": 0.6, "list": 0.7, "steps": 0.7}
"""How far a candidate of another form serves a question of this form."""
_NEEDLESS = 0.25
"""How much less an answer serves that is hardly more than needless words."""
_REFERS_BACK = 0.8
"""The same for one that begins with "this" or "it" without the sentence before."""
_REDUCED_PERCENT = 15
"""Per cent of the questions that are also fitted without the small reader's output, as the setting
`best` has none, and without sentences and verdicts, as readers without these heads have none."""
Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Example:
    """Candidates: features, shape (n, len(FEATURES)), judgements, shares served in [0, 1]."""

    set: str
    question: Question
    forms: tuple[str, ...]
    generators: tuple[str, ...]
    rows: Rows
    judgements: tuple[Judgement, ...]
    serves: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Winner:
    """The likeliest candidate of a question."""

    set: str
    question: Question
    form: str
    log_odds: float
    judgement: Judgement
    probability: float = 0.0


def is_for_fitting(name: str, question: Question) -> bool:
    """Whether a collection's question is for fitting; a document's questions stay together."""
    if name in MEASURED_ONLY:
        return False
    return hashlib.sha256(question.group.encode()).digest()[0] % 2 == 0


def visible_candidate(candidate: Candidate, reading: Reading) -> ShownAnswer:
    """The visible answer if this candidate is given."""
    pieces = candidate.pieces(reading.documents)
    text = candidate.text or joined(candidate.form, pieces, candidate.lead)
    quotes = tuple(piece.text for piece in pieces)
    if candidate.span:
        quotes = (candidate.span.best.sentence_text,)
    documents = tuple(place.document_id for place in candidate.places)
    return ShownAnswer(text, quotes, candidate.verdict, documents)


def collect(cache: Path, reader: str, names: Sequence[str]) -> list[Example]:
    """The examples of the sets; of collections, those for fitting."""
    collected: list[Example] = []
    for name in names:
        engine, questions = in_half(name, cache, reader, reporting=False)
        collected += examples(name, engine, questions)
        engine.store.close()
    return collected


def in_half(
    name: str, cache: Path, reader: str, reporting: bool, everything: bool = False
) -> tuple[Engine, list[Question]]:
    """An engine over a set, and its kept questions: of collections those for fitting, those for
    `reporting`, or `everything`.
    """
    engine, questions = open_set(name, cache, reader)
    kept_questions = cached_questions(name, cache, questions, reader)
    takes_all = everything or name not in HALVED
    return engine, [q for q in kept_questions if takes_all or is_for_fitting(name, q) != reporting]


def examples(name: str, engine: Engine, questions: Sequence[Question]) -> Iterator[Example]:
    """Questions without candidates are left out."""
    for question in questions:
        (search_result,) = engine.find_many([Query(question.text)])
        output = engine.reader.read(search_result.retrieved.question, search_result.hits)
        state = ReadState(search_result.retrieved.question, search_result.hits, output=output)
        (reading,) = engine.readings([search_result], [state])
        yield from _example(name, question, reading, search_result.proposed)
        number = hashlib.sha256(question.id.encode()).digest()[0]
        if number % 100 < _REDUCED_PERCENT:
            without_first_reader = replace(reading, output=replace(output, first=None))
            yield from _example(
                f"{name}, one reader", question, without_first_reader, search_result.proposed
            )
        elif number % 100 < 2 * _REDUCED_PERCENT:
            spans = replace(reading, output=ReaderOutput(output.spans))
            yield from _example(f"{name}, spans only", question, spans, ())


def _example(
    name: str, question: Question, reading: Reading, proposed: Sequence[Candidate]
) -> Iterator[Example]:
    offered = candidates(reading, "", proposed)
    if not offered:
        return
    forms, generators = (
        tuple(getattr(candidate, n) for candidate in offered) for n in ("form", "generator")
    )
    answers = [visible_candidate(candidate, reading) for candidate in offered]
    judgements = tuple(serves(question, answer) for answer in answers)
    shares = [
        _share(question, form, judgement) * _concise(question, answer)
        for form, judgement, answer in zip(forms, judgements, answers, strict=True)
    ]
    penalties = [
        _REFERS_BACK if refers_back(candidate, reading.documents) else 1.0 for candidate in offered
    ]
    rows = Featurizer(reading).matrix(offered)
    share = np.array(shares) * penalties
    yield Example(name, question, forms, generators, rows, judgements, share)


def _share(question: Question, form: str, judgement: Judgement) -> float:
    if not question.answers or judgement not in ("useful", "partial"):
        return 0.0
    if judgement == "partial" or (form == "yes_no" and question.form != "yes_no"):
        return _PARTLY
    wanted_form = "list" if question.form == "steps" else question.form
    return 1.0 if form == wanted_form else _OTHER_FORM.get(question.form, 0.7)


def _concise(question: Question, answer: ShownAnswer) -> float:
    """1 if all that is shown was asked for; less by up to `_NEEDLESS` with the share of needless
    words: beside an accepted wording, or beside the evidence of an answer in sentences.
    """
    if question.form == "span":
        asked_for = f1(answer.text or "", question.wordings or question.answers)
    elif question.form in ("sentences", "yes_no") and question.evidence:
        quotes = answer.quotes or (answer.text or "",)
        words = sum(len(quote.split()) for quote in quotes)
        proofs = [
            proof.sentence for proof in question.evidence if has_most_words(proof.sentence, quotes)
        ]
        asked_for = min(1.0, sum(len(proof.split()) for proof in proofs) / max(1, words))
    else:
        return 1.0
    return 1 - _NEEDLESS * (1 - asked_for)


Tensors = dict[str, Rows]


def fit(examples_to_fit: Sequence[Example], start: Tensors | None = None) -> Tensors:
    """The networks' tensors, from random weights, or going on from those of `start`, which have
    learned from other questions. A question weighs as the root of the number of its candidates, and
    those of rare forms more, so that a catalogue is learned from few questions.
    """
    rows = np.vstack([example.rows for example in examples_to_fit])
    target = np.concatenate([example.serves for example in examples_to_fit]).astype(np.float32)
    forms = Counter(example.question.form for example in examples_to_fit)
    max_count = max(forms.values())
    counts = [len(example.rows) for example in examples_to_fit]
    rarity = [
        min(MOST_WEIGHT, (max_count / forms[example.question.form]) ** 0.5)
        for example in examples_to_fit
    ]
    shares = [factor * count**-0.5 for factor, count in zip(rarity, counts, strict=True)]
    weight = np.repeat(shares, counts)
    mean = rows.mean(axis=0)
    deviation = rows.std(axis=0) + 1e-3
    if start:
        mean = start["mean"]
        deviation = start["deviation"]
    scaled = np.clip((rows - mean) / deviation, -CLIPPED, CLIPPED)
    tensors = {"mean": mean, "deviation": deviation}
    weight = (weight / weight.mean()).astype(np.float32)
    inputs, labels, weights = map(torch.from_numpy, (scaled, target, weight))
    networks = [_network(inputs, labels, weights, counts, seed, start) for seed in range(NETWORKS)]
    for name, place in _LAYERS:
        layers = [dict(net[place].named_parameters()) for net in networks]
        for suffix, parameter in (("", "weight"), ("_bias", "bias")):
            stacked = torch.stack([layer[parameter].detach() for layer in layers])
            tensors[name + suffix] = stacked.numpy()
    return tensors


def _network(
    rows: Tensor,
    labels: Tensor,
    weights: Tensor,
    counts: Sequence[int],
    seed: int,
    start: Tensors | None,
) -> torch.nn.Sequential:
    """`counts` has the number of rows of each question."""
    torch.manual_seed(seed)
    network = torch.nn.Sequential(
        torch.nn.Dropout(INPUT_DROPOUT),
        torch.nn.Linear(rows.shape[1], UNITS),
        torch.nn.ReLU(),
        torch.nn.Dropout(DROPOUT),
        torch.nn.Linear(UNITS, UNITS // 2),
        torch.nn.ReLU(),
        torch.nn.Linear(UNITS // 2, 1),
    )
    epochs, rate = (MORE_EPOCHS, MORE_RATE) if start else (EPOCHS, 2 * RATE)
    if start:
        for name, place in _LAYERS:
            layer = {"weight": start[name][seed], "bias": start[f"{name}_bias"][seed]}
            network[place].load_state_dict(
                {key: torch.tensor(values) for key, values in layer.items()}
            )
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=DECAY)
    questions = torch.split(torch.arange(len(rows)), list(counts))
    steps = epochs * -(-len(questions) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    loss_of = torch.nn.functional.binary_cross_entropy_with_logits
    for _ in range(epochs):
        order = torch.randperm(len(questions)).tolist()
        for batch_start in range(0, len(order), BATCH):
            batch = torch.cat(
                [questions[number] for number in order[batch_start : batch_start + BATCH]]
            )
            loss = loss_of(network(rows[batch])[:, 0], labels[batch], weight=weights[batch])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
    return network.eval()


def left_out(
    all_examples: Sequence[Example], sets: Sequence[str], start: Tensors | None = None
) -> tuple[list[Winner], float, float]:
    """The likeliest candidate of each question by networks that were fitted to other sets; slope
    and offset of the logistic function from log-odds to the share that serves.
    """
    chosen: list[Winner] = []
    for fold in range(min(FOLDS, len(sets))):
        names = sets[fold::FOLDS]
        examples_to_fit = [
            example for example in all_examples if example.set.partition(",")[0] not in names
        ]
        networks = Networks(**fit(examples_to_fit, start))
        for example in all_examples:
            if example.set in names:
                odds = networks.log_odds(example.rows)
                place = int(np.argmax(odds))
                judged = example.judgements[place] if example.question.answers else "wrong"
                winner = Winner(
                    set=example.set,
                    question=example.question,
                    form=example.forms[place],
                    log_odds=float(odds[place]),
                    judgement=judged,
                )
                chosen.append(winner)

    table = np.array([[winner.log_odds] for winner in chosen])
    is_useful = np.array([winner.judgement == "useful" for winner in chosen])
    model = LogisticRegression(C=1e6).fit(table, is_useful)
    slope = float(model.coef_[0, 0])
    offset = float(model.intercept_[0])
    shares = [float(1 / (1 + np.exp(-(slope * winner.log_odds + offset)))) for winner in chosen]
    winners = [replace(winner, probability=p) for winner, p in zip(chosen, shares, strict=True)]
    return winners, slope, offset


def counts(chosen: Sequence[Winner], threshold: float) -> dict[str, int]:
    """Useful, partly, wrong and refused answers at a threshold."""
    judged = [
        winner.judgement if winner.probability >= threshold else "refused" for winner in chosen
    ]
    flags = [bool(winner.question.answers) for winner in chosen]
    return judgement_counts(list(zip(flags, judged, strict=True)))


def judgement_counts(judged: Sequence[tuple[bool, str]]) -> dict[str, int]:
    """Counts of the answerable questions by judgement, and of the unanswerable ones refused, for
    (whether it is answerable, judgement) of each.
    """
    counted = Counter(judged)
    answerable = sum(flag for flag, _ in judged)
    return {
        "answerable": answerable,
        **{kind: counted[True, kind] for kind in ("useful", "partial", "wrong", "refused")},
        "unanswerable": len(judged) - answerable,
        "unanswerable refused": counted[False, "refused"],
    }


def threshold_of(chosen: Sequence[Winner]) -> float:
    """The lowest threshold, in steps of .01, above which useful answers outnumber wrong ones by
    nearly as many as they can: what is shown has its confidence and its source, and can be checked;
    what is refused cannot.
    """
    gain = {"useful": 1, "wrong": -1}
    values = np.array([winner.probability for winner in chosen])
    gains = np.array([gain.get(winner.judgement, 0) for winner in chosen])
    steps = np.arange(5, 100) / 100
    totals = np.array([gains[values >= step].sum() for step in steps])
    return float(steps[totals >= _SHARE_OF_BEST * totals.max()][0])


def reliability(chosen: Sequence[Winner]) -> dict[str, Any]:
    """By form, and of all: how many are shown at 70 % or more, and the share of them that serve."""
    table: dict[str, Any] = {}
    confidence = np.array([winner.probability for winner in chosen])
    is_useful = np.array([winner.judgement == "useful" for winner in chosen])
    forms = np.array([winner.form for winner in chosen])
    for name in ("all", *sorted(set(forms))):
        is_confident = confidence >= 0.7 if name == "all" else (confidence >= 0.7) & (forms == name)
        if is_confident.any():
            useful = round(float(is_useful[is_confident].mean()), 3)
            table[name] = {"at 70 % or more": int(is_confident.sum()), "useful": useful}
    table["calibration error"] = adaptive_ece(confidence, is_useful)
    return table


@script(__doc__)
@CACHE
@READER
@click.option("--into", type=PATH, help="Folder for the judge's files.")
@click.option("--threshold", type=float, help="Instead of the one that the fit chooses.")
@click.option("--start", type=PATH, help="Folder of a judge whose networks are fitted further.")
@NAMES
def main(
    cache: Path,
    reader: str,
    into: Path | None,
    threshold: float | None,
    start: Path | None,
    names: tuple[str, ...],
) -> None:
    start_networks = load_file(start / "judge.safetensors") if start else None
    collected = collect(cache, reader, names)
    chosen, slope, offset = left_out(collected, names, start_networks)
    if threshold is None:
        threshold = threshold_of(chosen)
    by_set = {name: [winner for winner in chosen if winner.set == name] for name in names}
    report = {
        "questions": len(chosen),
        "left out in turn": {name: counts(of_set, threshold) for name, of_set in by_set.items()},
        "all": counts(chosen, threshold),
        "reliability": reliability(chosen),
    }
    finished(report)
    if into:
        networks = save(fit(collected, start_networks), metadata={"sets": " ".join(names)})
        (into / "judge.safetensors").write_bytes(networks)
        answered = [winner for winner in chosen if winner.probability >= threshold]
        wrong_count = sum(winner.judgement != "useful" for winner in answered)
        content = {
            "networks": hashlib.sha256(networks).hexdigest(),
            "slope": round(slope, 4),
            "offset": round(offset, 4),
            "threshold": threshold,
            "risk": round(wrong_count / max(1, len(answered)), 4),
            "report": report,
        }
        text = json.dumps(content, indent=2) + "\n"
        (into / "confidence.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

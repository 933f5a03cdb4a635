"""Fits the classifier of questions over the whole shelf, and says how often others pass for one.

    python -m eval.experiments.fit_shelf --into rag/answering/shelf.safetensors
    python -m eval.experiments.fit_shelf --topics rag/answering/shelf_topics.safetensors
    python -m eval.experiments.fit_shelf --measure

Questions over a shelf are made here from kinds of documents and what may be asked of each, in full
sentences and in everyday words; none is of eval/gold/shelf.jsonl. The others are questions to one
place: those of eval/gold/questions-forms.jsonl, but for totals over everything. `--topics` fits the
topics of questions in everyday words to eval/gold/training-shelf.jsonl. `--measure` counts
the questions of the gold sets, to which nothing was fitted, that the classifier takes for one,
those that `rag.answering.shelf` can read as one over the documents of eval/gold/shelf/, and those
that pass both.
"""

import itertools
import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import numpy as np
from safetensors.numpy import save_file

from eval.scripts import GOLD, NEW_FILE, SEED, finished, script
from rag import build
from rag.answering.forms import ShelfClassifier, inputs
from rag.answering.shelf import understand
from rag.answering.shelf_kinds import Kinds
from rag.answering.shelf_meaning import CLASSES, NO_TOPIC, TopicClassifier, understand_topic
from rag.evaluation.set_files import json_lines
from rag.settings import Settings
from rag.types import Document

_KINDS = (
    "contracts|leases|agreements|supplier contracts|invoices|insurance policies|suppliers|"
    "policies|tenancies|loans|subscriptions|employment contracts|licences|warranties|quotes|"
    "offers|minutes|reports|recipes|grant agreements|maintenance contracts|service agreements|"
    "job offers|customers|papers|studies|trials|tenders|projects|purchase orders|statutes|"
    "pensions|manuals|schools|courses|annual reports|accident reports|letters|research papers|"
    "club rules|venues|hotels"
).split("|")
_SAYS = (
    "have a break clause|need the landlord's consent|run for more than five years|end in 2025|"
    "expire before June 2024|start after 1 May 2025|require two months' notice|allow pets|"
    "forbid subletting|include a liability cap|are governed by English law|"
    "are signed by the director|charge more than $500 a month|cost less than 100 euros|"
    "provide for arbitration|can be cancelled at any time|were approved in March|"
    "say nothing about data protection|do not mention overtime|have no end date|renew each year|"
    "must be paid within 14 days|cover water damage|ask for a deposit|use butter|need an oven|"
    "were sent in January|recommend an audit|report a loss|found a significant effect|"
    "let us terminate for convenience|charge interest on late payment|increase with inflation|"
    "lapse by themselves|limit liability|exclude flood|are with Northgate Ltd|"
    "take effect next year|have not been signed|offer a discount|contain a penalty|set a maximum|"
    "let me sublet|keep going unless I stop them|tie me in for longest|"
    "put the price up every year|still have time to run"
).split("|")
_ATTRIBUTES = (
    "monthly fees|annual fees|rents|deposits|premiums|yearly premiums|prices|"
    "salaries|invoice amounts|monthly payments|subscription prices|budgets|licence fees|"
    "service charges|maintenance costs|grant amounts|quarterly charges|loan instalments"
).split("|")
_VALUES = (
    "end date|notice period|rent|premium|deposit|price|interest rate|monthly fee|term|salary|"
    "excess|budget|start date|payment term|warranty period|liability cap|cooking time|score|"
    "sample size|service charge"
).split("|")
_PAIRS = (
    "Acme hosting or Bluewire hosting|the Leeds office or the York office|Hanley or Prior & Sons|"
    "the bank loan or the family loan|the van lease or the car lease|"
    "Orchard Cleaning or Sparkle Ltd|the phone contract or the gas contract|plan A or plan B|"
    "Meyer Insurance or Helvet Insurance|the flat in Elm Road or the flat in Oak Street|"
    "the gardener or the window cleaner|my gym or my swimming club"
).split("|")
_SLOTS = {
    "kind": "contracts|leases|agreements|insurances|suppliers|subscriptions|memberships|loans|"
    "deals|papers|places|firms|licences|jobs|policies|services|plans|clubs|rented things|"
    "things I rent|hired things|phone contracts".split("|"),
    "one": "contract|lease|insurance|supplier|subscription|membership|place|loan|policy|firm|"
    "hired thing".split("|"),
    "when": "in 2026|in June 2027|before October 2026|by the end of 2026|after 2027|beyond 2027|"
    "at the end of March 2028|from January to March 2027|in the first half of 2028|"
    "on 31 December 2026|until 2029|past 2028|between May and July 2026|at Easter 2027".split("|"),
    "length": "a month|30 days|ninety days|three months|a quarter of a year|half a year|six weeks|"
    "two weeks|a fortnight|60 days|a year|half a month|twelve weeks".split("|"),
    "pair": "internet or phone|the gym or the swimming club|van or car|Acme or Bluewire|"
    "flat or garage|the gardener or the window cleaner|gas or electricity|Meyer or Helvet|"
    "accountant or lawyer|the printer or the scanner".split("|"),
    "per": "a month|a year|per month|each month|every year|a week|monthly|in a year".split("|"),
    "bound": "over|more than|under|less than|at least|above|up to".split("|"),
    "amount": "five hundred|a hundred|two thousand|£500|$1,000|200 euros|a grand|£50".split("|"),
    "name": "Albers|Meyer & Sons|the garage in Mill Road|the bank|Helvet|the flat".split("|"),
}
_EACH_WORDING = 4
"""Questions that are made of a wording with slots."""
_OF_TRAINING = 4_000
"""Questions of eval/gold/training.jsonl that have no topic."""
_HELD_OUT = (
    "forms household records seeds mixed technical reports tables tables-held-out pdf "
    "figures-held-out attributes conditions codes"
).split()


_DRAWN = 0.35
"""Share of the combinations of a kind and what is asked of it that become questions."""


def drawn_combinations(
    random_numbers: random.Random, *parts: Sequence[str]
) -> Iterator[tuple[str, ...]]:
    """A random third of the combinations of the parts."""
    for combination in itertools.product(*parts):
        if random_numbers.random() <= _DRAWN:
            yield combination


def positives(random_numbers: random.Random) -> Iterator[str]:
    """Questions over a shelf."""
    for kind, says in drawn_combinations(random_numbers, _KINDS, _SAYS):
        yield random_numbers.choice(
            (
                f"Which {kind} {says}?",
                f"Which of my {kind} {says}?",
                f"Which of our {kind} {says}?",
                f"What {kind} {says}?",
                f"How many {kind} {says}?",
                f"How many of the {kind} {says}?",
                f"which {kind} {says}",
                f"what of my {kind} {says}",
                f"how many {kind} {says}",
                f"List all {kind} that {says}",
            )
        )
    for kind, attribute in drawn_combinations(random_numbers, _KINDS, _ATTRIBUTES):
        yield random_numbers.choice(
            (
                f"What is the total of the {attribute} of the {kind}?",
                f"What is the total of all {attribute} in my {kind}?",
                f"What do the {attribute} of the {kind} add up to?",
                f"What do all my {kind} cost together per month?",
                f"total {attribute} of all {kind}",
                f"what do my {kind} come to per year",
                f"sum of the {attribute} over all {kind}",
                f"How much do we pay in {attribute} altogether?",
            )
        )
    for kind, value in drawn_combinations(random_numbers, _KINDS, _VALUES):
        singular = kind.removesuffix("s")
        extreme = random_numbers.choice(("highest", "lowest", "longest", "shortest", "latest"))
        yield random_numbers.choice(
            (
                f"Which {singular} has the {extreme} {value}?",
                f"Which of the {kind} has the {extreme} {value}?",
                f"Which {singular} {value} is the {extreme}?",
                f"which {singular} ends last",
                f"Which {singular} ends first?",
                f"which of my {kind} costs the most",
                f"Which {singular} is the cheapest?",
            )
        )
    for pair, value in itertools.product(_PAIRS, _VALUES):
        first_of_pair, _, second_of_pair = pair.partition(" or ")
        yield random_numbers.choice(
            (
                f"Which is cheaper, {pair}?",
                f"Which is dearer per month, {pair}?",
                f"{pair}, which is cheaper?",
                f"Which {value} is higher, {pair}?",
                f"Which ends first, {pair}?",
                f"How much more does {first_of_pair} cost than {second_of_pair}?",
                f"What do {first_of_pair} and {second_of_pair} cost together per month?",
                f"does {pair} cost less",
            )
        )


def _questions(row: dict[str, object]) -> Iterator[str]:
    for name in ("question", "plain"):
        if isinstance(wording := row.get(name), str):
            yield wording
    nested = row.get("questions")
    for nested_row in nested if isinstance(nested, list) else ():
        if isinstance(nested_row, dict):
            yield from _questions(nested_row)


def negatives() -> list[str]:
    """Questions to one place."""
    rows = json_lines(GOLD / "questions-forms.jsonl")
    return [row["question"] for row in rows if row["form"] != "needs_all"]


def held_out() -> dict[str, list[str]]:
    """The questions of the gold sets, by set."""
    files = [GOLD / f"{name}.jsonl" for name in _HELD_OUT]
    files += sorted((GOLD / "collections").glob("*.jsonl"))
    return {
        file.stem: [question for row in json_lines(file) for question in _questions(row)]
        for file in files
    }


def shelf_documents() -> list[Document]:
    """The documents of the shelf, by their names alone."""
    paths = sorted((GOLD / "shelf").iterdir())
    titles = [path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ") for path in paths]
    return [
        Document(f"shelf/{path.name}", "", title, str(path), "")
        for path, title in zip(paths, titles, strict=True)
    ]


def measured(classifier: ShelfClassifier, topics: TopicClassifier) -> dict[str, object]:
    """By set: questions, those taken for one over the shelf, those that can be read as one, and
    those of which both is true.
    """
    embedder = build.embedder(Settings())
    kinds = Kinds(shelf_documents())
    sets: dict[str, dict[str, int]] = {}
    examples: list[str] = []
    shelf = list(json_lines(GOLD / "shelf.jsonl"))
    groups = held_out() | {
        "shelf, question": [row["question"] for row in shelf],
        "shelf, plain": [row["plain"] for row in shelf],
    }
    for name, questions in groups.items():
        vectors = embedder.embed_queries(questions)
        taken_questions = [
            question
            for question, vector in zip(questions, vectors, strict=True)
            if classifier.probability(question, vector) >= 0.5
        ]
        readable = {question for question in questions if understand(question, kinds)}
        taken_and_readable = [question for question in taken_questions if question in readable]
        of_topics = []
        for question, vector in zip(questions, vectors, strict=True):
            topic = topics.topic(question, vector)
            is_read = bool(topic and understand_topic(question, topic, kinds))
            if is_read and question not in taken_and_readable:
                of_topics.append(question)
        sets[name] = {
            "questions": len(questions),
            "taken": len(taken_questions),
            "readable": sum(question in readable for question in questions),
            "both": len(taken_and_readable),
            "by topic": len(of_topics),
        }
        examples += [] if name.startswith("shelf") else taken_and_readable + of_topics
    figures_elsewhere = [figures for name, figures in sets.items() if not name.startswith("shelf")]
    names = ("questions", "taken", "readable", "both", "by topic")
    return {
        "others": {
            key: sum(set_figures[key] for set_figures in figures_elsewhere) for key in names
        },
        "sets": sets,
        "examples": examples,
    }


def fit(seed: int, file: Path) -> dict[str, float]:
    """Fit by scikit-learn, write the weights, and give the share right in cross-validation."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    random_numbers = random.Random(seed)
    shelf_questions = list(dict.fromkeys(positives(random_numbers)))
    ordinary_questions = negatives()
    embedder = build.embedder(Settings())
    features = np.vstack(
        [
            _features(embedder.embed_queries(part), part)
            for part in (shelf_questions, ordinary_questions)
        ]
    )
    labels = np.array([1] * len(shelf_questions) + [0] * len(ordinary_questions))
    model = LogisticRegression(C=0.3, max_iter=2000)
    predicted = cross_val_predict(model, features, labels, cv=5)
    model.fit(features, labels)
    weights = {
        "weights": model.coef_[0].astype(np.float16),
        "bias": model.intercept_.astype(np.float16),
    }
    save_file(weights, file)
    return {
        "over the shelf": len(shelf_questions),
        "others": len(ordinary_questions),
        "recognised": round(float(predicted[labels == 1].mean()), 4),
        "others taken for one": round(float(predicted[labels == 0].mean()), 4),
    }


def _with_topics(random_numbers: random.Random) -> Iterator[tuple[str, str]]:
    """(question, topic): the wordings with filled slots, and questions without a topic."""

    def filled(wording: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda slot: random_numbers.choice(_SLOTS[slot[1]]), wording)

    for row in json_lines(GOLD / "training-shelf.jsonl"):
        topic = row["topic"] if row["topic"] in CLASSES else NO_TOPIC
        wordings = {filled(row["question"]): None for _ in range(_EACH_WORDING)}
        for question in wordings:
            yield question, topic
            if random_numbers.random() < 0.4:
                yield question[0].upper() + question[1:] + "?", topic

    others = negatives()
    others += [row["plain"] for row in json_lines(GOLD / "training-plain.jsonl")]
    rows = json_lines(GOLD / "training.jsonl")
    read = [question[1] for row in rows for question in row["questions"]]
    for question in others + random_numbers.sample(read, _OF_TRAINING):
        yield question, NO_TOPIC


def fit_topics(seed: int, file: Path) -> dict[str, int]:
    """Fit the topics by scikit-learn, and write the weights."""
    from sklearn.linear_model import LogisticRegression

    pairs = list(_with_topics(random.Random(seed)))
    questions = [question for question, _ in pairs]
    labels = np.array([CLASSES.index(topic) for _, topic in pairs])
    features = _features(build.embedder(Settings()).embed_queries(questions), questions)
    model = LogisticRegression(C=1.0, max_iter=500).fit(features, labels)
    weights = {
        "weights": np.ascontiguousarray(model.coef_, dtype=np.float16),
        "bias": model.intercept_.astype(np.float16),
    }
    save_file(weights, file)
    return {"questions": len(questions), "with a topic": int((labels < len(CLASSES) - 1).sum())}


def _features(vectors: np.ndarray, questions: Sequence[str]) -> np.ndarray:
    return inputs(questions, vectors)


@script(__doc__)
@click.option("--into", type=NEW_FILE, help="Fit, and write the weights to this file.")
@click.option("--topics", type=NEW_FILE, help="Fit the topics, and write the weights to this file.")
@click.option("--measure", is_flag=True, help="Measure the shipped classifier.")
@SEED
def main(into: Path | None, topics: Path | None, measure: bool, seed: int) -> None:
    build.prepare(Settings())
    if into:
        print(json.dumps(fit(seed, into)))
    if topics:
        print(json.dumps(fit_topics(seed, topics)))
    if measure:
        finished(measured(ShelfClassifier.load(), TopicClassifier.load()))


if __name__ == "__main__":
    main()

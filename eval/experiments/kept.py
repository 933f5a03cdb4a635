"""Caches reader outputs: reading takes seconds per question, composing an answer milliseconds.

python -m eval.experiments.kept --cache DIR [--data DATA] [--technical FOLDER] [SET...]

DIR gets, for each set, its index, the hits of each question and the reader's output, so that
ablations and fits take seconds. SET is seeds, forms, technical, household, tables, tables-held-out,
mixed, reports, figures, figures-held-out, squad, own, clapnq, cmu, conditions or a collection;
FOLDER is made by `python -m eval.gold.collections`; DATA contains squad-dev-36.json.gz, whose
held-out articles are used; the folder `asked` beside it contains CLAPNQ (Rosenthal et al. 2024:
search queries with long answers, and the sentences that people marked) and CMU's Question-Answer
dataset (Smith, Heilman & Hwa 2008: questions about whole articles, half of them yes or no). For
own, the held-out questions of our own, DATA is what `python -m eval.gold.training` made. For
conditions, yes/no questions about rules that depend or do not, which are all for fitting, the
folders `claims` and `collections` are beside DATA, too. Nothing is read twice.
"""

import functools
import hashlib
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click
from tqdm import tqdm

from eval.gold.training import is_reported
from eval.scripts import CACHE, PATH, READER, ROOT, script
from rag import build
from rag.answering.receipts import model_digest
from rag.engine import Engine
from rag.evaluation.corpus import fill
from rag.evaluation.gold import Question, in_other_words, read_jsonl, sample
from rag.evaluation.set_files import json_lines
from rag.ingestion.ingest import Ingest
from rag.meaning.sentences import enclosing_sentence
from rag.models.cascade import Cascade
from rag.models.registry import CASCADE_READS, first_reader
from rag.parsing.files import find
from rag.parsing.load import load_data
from rag.protocols import Embedder, Filter, Reader, ReaderOutput, SentenceScore, Vectors, Verdict
from rag.query import Query
from rag.retrieval import Retriever
from rag.settings import Settings
from rag.training.data import read_squad, recipe_articles
from rag.training.recipe import SetsRecipe, load_recipe
from rag.types import Document, Hit, Passage, Span

COLLECTIONS = (
    "dxw-playbook",
    "mozilla-legal",
    "restic",
    "fivethirtyeight",
    "mastodon",
    "rust-council",
    "peps",
    "pdf",
    "debian",
    "manuals",
    "prose",
    "18f-handbook",
    "arduino-help",
    "digitalgov-guides",
    "legalmattic",
    "rivergrove",
)
"""Sets whose documents nobody of this project wrote; their gold rows are in gold/collections/."""
_FOLDERS = "household tables tables-held-out mixed reports attributes records figures".split()
"""Sets whose documents are in a folder of eval/gold of the same name."""
_SETS_OF_DATA = "squad own clapnq cmu conditions".split()
"""Sets whose documents and questions are made of DATA."""
_SET_NAMES = (
    "seeds",
    "forms",
    "technical",
    *_FOLDERS,
    "figures-held-out",
    *_SETS_OF_DATA,
    *COLLECTIONS,
)
_SAMPLES = {"seeds": 250, "squad": 400, "own": 300, "figures": 75, "figures-held-out": 100}
SETS: dict[str, int | None] = dict.fromkeys(_SET_NAMES) | _SAMPLES
"""Number of questions per set; None for all."""
_CORPORA = {
    "seeds": ROOT / "seeds",
    "forms": ROOT / "eval/gold/office",
    "figures-held-out": ROOT / "eval/gold/figures",
} | {name: ROOT / "eval/gold" / name for name in _FOLDERS}
HALVED = (*COLLECTIONS, "clapnq", "cmu")
"""Sets of which half is for fitting and half for reporting."""
NAMES = click.argument("names", nargs=-1, type=click.Choice(list(SETS)), required=True)
_DISTRACTORS = 16


Row = dict[str, Any]
_PRONOUN = re.compile(
    r"\b(?:he|she|it|they|him|her|his|its|their|this|that|these)\b", re.IGNORECASE
)


class _File:
    """Rows by key in a JSON Lines file, appended line by line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.is_file() else []
        self.rows: dict[str, Any] = dict(json.loads(line) for line in lines)

    def add(self, key: str, row: Any) -> None:
        self.rows[key] = row
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([key, row]) + "\n")


class KeptHits(Retriever):
    """A caching retriever."""

    def __init__(self, retriever: Retriever, path: Path) -> None:
        super().__init__(retriever.settings, retriever.store, retriever.embedder, retriever.speller)
        self._file = _File(path)

    def hits(self, question: str, vector: Vectors, k: int, filter: Filter | None) -> list[Hit]:
        key = json.dumps([question, k, repr(filter)])
        if key not in self._file.rows:
            hits = super().hits(question, vector, k, filter)
            self._file.add(key, [asdict(hit) for hit in hits])
        return [_hit(row) for row in self._file.rows[key]]


def _hit(row: dict[str, Any]) -> Hit:
    copies = tuple(map(_passage, row["copies"]))
    return Hit(**row | {"passage": _passage(row["passage"]), "copies": copies})


def _passage(row: dict[str, Any]) -> Passage:
    return Passage(**row | {"headings": tuple(row["headings"])})


class KeptReads:
    """A caching reader of one model, which is loaded when it is first needed."""

    def __init__(self, model: str, folder: Path) -> None:
        self.name = "kept"
        self._model = model
        self._digest = model_digest(model)
        self._file = _File(folder / f"reads-{Path(model).name}.jsonl")

    def read(self, question: str, hits: Sequence[Hit]) -> ReaderOutput:
        return self.read_many([(question, hits)])[0]

    def read_many(self, questions: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        return [self._one(question, hits) for question, hits in questions]

    def _one(self, question: str, hits: Sequence[Hit]) -> ReaderOutput:
        places = [(hit.passage.in_context, hit.passage.document_id) for hit in hits]
        inputs = json.dumps([self._digest, question, places])
        key = hashlib.sha256(inputs.encode()).hexdigest()[:24]
        if key not in self._file.rows:
            output = _model(self._model).read(question, hits)
            self._file.add(key, _packed(output, hits))
        return _unpacked(self._file.rows[key], hits)


def _packed(output: ReaderOutput, hits: Sequence[Hit]) -> dict[str, Any]:
    place = {id(hit): number for number, hit in enumerate(hits)}

    def row(hit: Hit, *numbers: float, digits: int = 5) -> list[float]:
        return [place[id(hit)], *(round(number, digits) for number in numbers)]

    verdicts = []
    for verdict in output.verdicts:
        shares = [verdict.yes, verdict.no, verdict.unsaid]
        if verdict.depends is not None:
            shares.append(verdict.depends)
        verdicts.append(row(verdict.hit, *shares))

    return {
        "spans": [row(s.hit, s.start, s.end, s.score, digits=4) for s in output.spans],
        "sentences": [row(s.hit, s.start, s.end, s.score) for s in output.sentences],
        "verdicts": verdicts,
    }


def _unpacked(row: Mapping[str, Any], hits: Sequence[Hit]) -> ReaderOutput:
    return ReaderOutput(
        spans=[Span(hits[place], *numbers) for place, *numbers in row["spans"]],
        sentences=[SentenceScore(hits[place], *numbers) for place, *numbers in row["sentences"]],
        verdicts=[Verdict(hits[place], *shares) for place, *shares in row["verdicts"]],
    )


def open_set(
    name: str, cache: Path, reader: str, sources: Mapping[str, Path | None] = MappingProxyType({})
) -> tuple[Engine, list[Question]]:
    """The set's questions in both wordings, and an engine over its index, which is created from
    `sources` if needed: the folders "data", "technical" and "collections". The engine reads through
    the caches of `reader`.
    """
    folder = cache / name

    def make(settings: Settings, embedder: Embedder) -> None:
        _make_index(name, settings, embedder, sources)

    engine = kept_engine(folder, reader, make)
    name_of_set = f"collections/{name}" if name in COLLECTIONS else name
    gold = folder / "gold.jsonl" if name in _SET_MAKERS else ROOT / f"eval/gold/{name_of_set}.jsonl"
    questions = sample(read_jsonl(gold), SETS[name])
    return engine, [*questions, *in_other_words(questions)]


def kept_engine(folder: Path, reader: str, make: Callable[[Settings, Embedder], None]) -> Engine:
    """An engine over the index in a folder, which `make` fills if it is not there yet. It reads
    through the caches of `reader` in this folder.
    """
    settings = Settings.load(index=folder / "index", reader=reader)
    embedder = build.embedder(settings)
    if not (folder / "made").exists():
        make(settings, embedder)
        (folder / "made").touch()

    kept_reader: Reader = KeptReads(reader, folder)
    if small_reader := first_reader(reader):
        kept_reader = Cascade(KeptReads(small_reader, folder), kept_reader, CASCADE_READS)
    engine = build.assemble(settings, build.store(settings, embedder), embedder, kept_reader)
    engine.retriever = KeptHits(engine.retriever, folder / "hits.jsonl")
    return engine


def ingest(settings: Settings, embedder: Embedder, paths: Sequence[Path]) -> None:
    """Create the index of the settings from the files at these paths."""
    with closing(build.store(settings, embedder, create=True)) as store:
        Ingest(store, embedder, settings.passage_tokens).run(list(find(list(paths))))


@functools.cache
def _model(name: str) -> Reader:
    """One model for all sets."""
    reader = build.reader(Settings.load(reader=name))
    return reader.reader if isinstance(reader, Cascade) else reader


def _make_index(
    name: str, settings: Settings, embedder: Embedder, sources: Mapping[str, Path | None]
) -> None:
    """The questions of sets in `_SET_MAKERS` are written next to their index."""

    def source(kind: str) -> Path:
        if folder := sources.get(kind):
            return folder
        raise click.UsageError(f"the set {name} needs --{kind}")

    if name in COLLECTIONS:
        ingest(settings, embedder, [source("collections") / name])
        return
    if name not in _SET_MAKERS:
        ingest(settings, embedder, [_CORPORA.get(name) or source("technical")])
        return

    documents, rows = _SET_MAKERS[name](source("data"))
    lines = [json.dumps(row) for row in rows]
    gold = settings.index.parent / "gold.jsonl"
    with closing(build.store(settings, embedder, create=True)) as store:
        gold.write_text("\n".join(lines) + "\n", encoding="utf-8")
        fill(documents, store, embedder, settings.passage_tokens)


def _squad_set(data: Path) -> tuple[list[Document], list[Row]]:
    """The held-out articles and some others, and the questions on the former."""
    other_articles, held_out = recipe_articles(load_recipe(SetsRecipe), "squad-dev-36", data)
    articles = held_out + random.Random(0).sample(other_articles, _DISTRACTORS)
    documents = [_document(article) for article in articles]
    rows: list[Row] = []
    for article, document in zip(held_out, documents, strict=False):
        for paragraph in article["paragraphs"]:
            rows += [_squad_row(qa, document.id) for qa in paragraph["qas"]]
    return documents, rows


def _squad_row(qa: Mapping[str, Any], group: str) -> Row:
    """A question in the format of gold files."""
    answers = [] if qa.get("is_impossible") else [answer["text"] for answer in qa["answers"]]
    question = qa["question"].strip()
    return {"id": qa["id"], "question": question, "answers": answers, "group": group}


def _own_set(data: Path) -> tuple[list[Document], list[Row]]:
    """Every passage of our own questions, and the questions on those held out."""
    held_out = json.loads((data / "held-out.json").read_text(encoding="utf-8"))
    texts = {row["text"]: row.get("context", "") for row in held_out}
    for part in ("spans", "sentences"):
        for article in read_squad(data / f"qa/own-{part}.json.gz"):
            texts.setdefault(article["paragraphs"][0]["context"], article["title"])
    ids = {text: f"own/{number}" for number, text in enumerate(texts)}
    rows = [
        _own_question(ids[row["text"]], row["text"], *question)
        for row in held_out
        for question in row["questions"]
    ]
    return [Document(ids[text], text, title, ids[text], "") for text, title in texts.items()], rows


def _own_question(
    document: str, text: str, form: str, question: str, start: int = 0, end: int = 0
) -> dict[str, Any]:
    """A question in the format of gold files."""
    row: dict[str, Any] = {"question": question, "group": document}
    if form in ("none", "maybe"):
        return row | {"answers": []}
    evidence = [{"document": document, "sentence": text[start:end]}]
    if form == "span":
        sentence_start, sentence_end = enclosing_sentence(text, start, end)
        evidence = [{"document": document, "sentence": text[sentence_start:sentence_end]}]
        return row | {"form": "span", "answers": [text[start:end]], "evidence": evidence}
    if form in ("yes", "no"):
        return row | {"form": "yes_no", "verdict": form, "evidence": evidence}
    return row | {"form": "sentences", "evidence": evidence}


def _document(article: Mapping[str, Any]) -> Document:
    text = "\n\n".join(paragraph["context"].strip() for paragraph in article["paragraphs"])
    title = article["title"]
    return Document(f"squad/{title}", text, title.replace("_", " "), title, "")


def clapnq(data: Path) -> tuple[list[Document], list[Row]]:
    """Each passage is a document; the first annotator's sentences are the evidence."""
    documents, rows = [], []
    for number, row in enumerate(json_lines(data.parent / "asked/clapnq.jsonl.gz")):
        document = _text(f"clapnq/{number}", row["title"], row["passage"])
        documents.append(document)
        marked: list[str] = next((sentence for sentence in row["sentences"] if sentence), [])
        evidence = [{"document": document.id, "sentence": sentence} for sentence in marked]
        row = {"id": f"clapnq-{number}", "question": row["question"], "form": "sentences"}
        row |= {"group": document.id, "unanswerable": not evidence, "evidence": evidence}
        rows.append(row)
    return documents, rows


def cmu(data: Path) -> tuple[list[Document], list[Row]]:
    """Questions without pronouns, on whole articles; those with both verdicts are left out."""
    documents = {
        article["id"]: _text(
            f"cmu/{article['id']}", article["text"].split("\n")[0], article["text"]
        )
        for article in json_lines(data.parent / "asked/cmu-documents.jsonl.gz")
    }
    rows = []
    for question_row in json_lines(data.parent / "asked/cmu.jsonl.gz"):
        verdicts = {answer.strip(" .").lower() for answer in question_row["answers"]}
        if _PRONOUN.search(question_row["question"]) or verdicts >= {"yes", "no"}:
            continue
        row: Row = {"id": question_row["id"], "question": question_row["question"]}
        row["group"] = documents[question_row["document"]].id
        polar = verdicts <= {"yes", "no"}
        form = {"form": "yes_no", "verdict": min(verdicts)} if polar else {"form": "span"}
        rows.append(row | form | ({} if polar else {"answers": question_row["answers"]}))
    return list(documents.values()), rows


def conditions(data: Path) -> tuple[list[Document], list[Row]]:
    """The half of gold/conditions.jsonl that is for fitting, and rules of claims/conditions that
    are not for reporting, `_OF_A_LABEL` of each label.
    """
    documents: dict[str, Document] = {}
    rows: list[Row] = []

    for row in json_lines(ROOT / "eval/gold/conditions.jsonl"):
        path = data.parent / "collections" / row["document"]
        collection = row["document"].split("/")[0]
        text = row.get("text") or (path.read_text("utf-8") if path.is_file() else "")
        if row["half"] == "fit" and text and collection not in _WITHOUT_LICENCE:
            suffix = "" if path.is_file() else ".md"
            (parsed,) = load_data(f"{row['document']}{suffix}", text.encode()).documents
            documents[parsed.id] = parsed
            rows.append(_rule(row["id"], row["question"], row["verdict"], parsed, row["evidence"]))
            rows[-1]["plain"] = row["plain"]

    counts = Counter[str]()
    for number, row in enumerate(json_lines(data.parent / "claims/conditions.jsonl.gz")):
        counts[row["label"]] += not is_reported(row["tree"])
        if is_reported(row["tree"]) or counts[row["label"]] > _OF_A_LABEL:
            continue
        name = f"rules/{hashlib.sha256(row['context'].encode()).hexdigest()[:12]}.md"
        (parsed,) = load_data(name, row["context"].encode()).documents
        documents[parsed.id] = parsed
        question = " ".join(filter(None, [row["situation"].strip(), row["question"]]))
        rows.append(_rule(f"rule-{number}", question, row["label"], parsed, []))
    return list(documents.values()), rows


_OF_A_LABEL = 60
"""Rules of claims/conditions with each label that are asked."""
_WITHOUT_LICENCE = ("dxw-playbook", "rivergrove")


def _rule(
    name: str, question: str, verdict: str, document: Document, evidence: Sequence[str]
) -> Row:
    """A question about a rule in the format of gold files."""
    row: Row = {"id": name, "question": question, "form": "yes_no", "group": document.id}
    if verdict == "not_said":
        return row | {"unanswerable": True}
    proofs = [{"document": document.id, "sentence": sentence} for sentence in evidence]
    return row | {"verdict": verdict, "evidence": proofs}


def _text(name: str, title: str, text: str) -> Document:
    (document,) = load_data(f"{name}.md", f"# {title}\n\n{text}".encode()).documents
    return document


_SET_MAKERS = dict(zip(_SETS_OF_DATA, (_squad_set, _own_set, clapnq, cmu, conditions), strict=True))


def _cached_file(name: str, cache: Path, reader: str) -> _File:
    return _File(cache / name / f"done-{Path(reader).name}.jsonl")


def cached_questions(
    name: str, cache: Path, questions: Sequence[Question], reader: str
) -> list[Question]:
    """The cached questions of `reader`."""
    rows_done = _cached_file(name, cache, reader).rows
    return [question for question in questions if question.id in rows_done]


def read(engine: Engine, file: _File, questions: Sequence[Question]) -> Iterator[str]:
    """Read the remaining questions in random order, since there may be time for only some."""
    unread = [question for question in questions if question.id not in file.rows]
    random.Random(0).shuffle(unread)
    for question in unread:
        (answer,) = engine.ask_many([Query(question.text)])
        file.add(question.id, answer.form)
        yield question.id


@script(__doc__)
@CACHE
@click.option("--data", type=PATH, help="Folder of the sets squad and own, or beside `asked`.")
@click.option("--technical", type=PATH, help="Folder of the set technical.")
@click.option("--collections", type=PATH, help="Folder of the collections.")
@click.option("--minutes", default=1e6, help="Stop after so many; the next call continues.")
@READER
@click.argument("names", nargs=-1, type=click.Choice(list(SETS)))
def main(
    cache: Path, minutes: float, reader: str, names: tuple[str, ...], **sources: Path | None
) -> None:
    until = time.monotonic() + 60 * minutes
    unfinished = []
    for name in names or tuple(SETS):
        engine, questions = open_set(name, cache, reader, sources)
        unfinished.append(read(engine, _cached_file(name, cache, reader), questions))
    with tqdm(unit="question", disable=None) as progress:
        while unfinished and time.monotonic() < until:
            unfinished = [reading for reading in unfinished if next(reading, None)]
            progress.update(len(unfinished))


if __name__ == "__main__":
    main()

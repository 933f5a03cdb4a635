import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from rag.errors import InputError, NotFoundError
from rag.evaluation.gold import (
    FORMS,
    Evidence,
    QuestionRow,
    in_other_words,
    read_jsonl,
    sample,
)
from rag.evaluation.gold_formats import load

EVIDENCE = [{"document": "d", "sentence": "In 2015."}]
GOOD = {"id": "a", "question": "When?", "answers": ["2015"], "evidence": EVIDENCE}


def write(folder: Path, *rows: object) -> Path:
    path = folder / "mine.jsonl"
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text("\n".join(lines) + "\n")
    return path


def test_our_own_format(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD, "", {"question": " Who? "}, {"question": "Where?", "near": "d"})
    gold = load(path)
    answerable, unanswerable, with_form = gold.questions
    assert (gold.name, gold.documents, gold.retrieval_only) == ("mine", (), False)
    assert answerable.evidence == (Evidence("d", "In 2015."),)
    assert (answerable.relevant, answerable.group) == ({"d": 1}, "d")
    assert (unanswerable.id, unanswerable.text, unanswerable.answers, unanswerable.group) == (
        "3",
        "Who?",
        (),
        "3",
    )
    assert with_form.group == "d"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("{", "is not JSON"),
        ([], "it is not of type object"),
        ({}, "it has no 'question'"),
        ({"question": " "}, "'question' is empty"),
        ({"answer": ["x"]}, "it has an unknown field 'answer' (known: id, question, plain"),
        ({"answers": ["x", ""]}, "item 2 of 'answers' is empty"),
        ({"answers": ["x"], "evidence": [{"document": "d"}]},
         "item 1 of 'evidence' has no 'sentence'"),
        ({"evidence": EVIDENCE}, "has evidence but no answers"),
        ({"answers": ["x"], "evidence": EVIDENCE}, "occurs verbatim"),
        ({"form": "poem"}, "'form' is not one of span, yes_no"),
        ({"items": ["x"]}, "item 1 of 'items' is not of type array"),
        ({"unanswerable": True, "verdict": "yes"}, "is marked unanswerable but has an answer"),
        ({"form": "yes_no", "evidence": EVIDENCE}, "has no verdict"),
        (GOOD, "the id 'a' was used before"),
    ],
)  # fmt: skip
def test_invalid_lines_are_named(tmp_path: Path, row: Any, words: str) -> None:
    path = write(tmp_path, GOOD, {"question": "?", **row} if isinstance(row, dict) and row else row)
    with pytest.raises(InputError) as error:
        load(path)
    assert error.value.message.startswith(f"{path}, line 2: ")
    assert words in error.value.message
    assert error.value.hint


def test_forms(tmp_path: Path) -> None:
    evidence = [{"document": "d", "sentence": s} for s in ("One.", "Two.", "Three.")]
    path = write(
        tmp_path,
        {"question": "May I?", "form": "yes_no", "verdict": "no", "evidence": evidence[:1]},
        {"question": "Why?", "form": "sentences", "kind": "why", "evidence": evidence},
        {"question": "Which?", "form": "list", "items": [["a", "b"], ["c"]], "need": 2},
        {"question": "What is it about?", "form": "overview", "document": "d", "items": [["a"]]},
        {"question": "How many in all?", "unanswerable": True, "reason": "needs_all", "near": "d"},
    )
    polar, why, list_question, about, absent = load(path).questions
    assert (polar.verdict, polar.answers, polar.wordings) == ("no", ("One.", "no"), ())
    assert (why.form, why.kind, why.need) == ("sentences", "why", 2)
    assert why.answers[0] == "One. Two. Three."
    assert (list_question.items, list_question.need, list_question.answers) == (
        (("a", "b"), ("c",)),
        2,
        ("a", "c"),
    )
    assert (about.relevant, about.group) == ({"d": 1}, "d")
    assert (absent.answers, absent.group) == ((), "d")


def test_the_shipped_set_matches_the_schema() -> None:
    path = Path(__file__).parents[2] / "eval/gold/seeds.jsonl"
    assert len(load(path).questions) == 436
    keys = {key for line in path.read_text().splitlines() for key in json.loads(line)}
    schema = QuestionRow.model_json_schema()["properties"]
    assert keys <= set(schema)
    assert tuple(schema["form"]["enum"]) == FORMS


CONTEXT = "The bridge was opened in 1937. It is 64 metres high. It was closed in 1937 for a day."


def qa(number: int, question: str, *answers: tuple[str, int | None]) -> dict[str, Any]:
    texts = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": str(number), "question": question, "answers": texts, "is_impossible": not answers}


SQUAD_QAS = [
    qa(1, "When opened?", ("1937", 25), ("1937", 25)),
    qa(2, "Who?"),
    qa(3, "When closed?", ("1937", CONTEXT.rindex("1937"))),
    qa(4, "How?", ("the", None), ("64 metres", 0)),
]
PARAGRAPHS = [{"context": CONTEXT, "qas": SQUAD_QAS}, {"context": "Nothing.", "qas": []}]
SQUAD = {"version": "v2.0", "data": [{"title": "The_bridge", "paragraphs": PARAGRAPHS}]}


@pytest.mark.parametrize("ending", [".json", ".json.gz"])
def test_squad(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"squad-tiny{ending}"
    content = json.dumps(SQUAD).encode()
    path.write_bytes(gzip.compress(content) if ending == ".json.gz" else content)
    gold = load(path)
    assert gold.name == "squad-tiny"
    assert [(d.id, d.title, d.text) for d in gold.documents] == [
        ("The bridge/0", "The bridge", CONTEXT),
        ("The bridge/1", "The bridge", "Nothing."),
    ]
    bridge_question, two, three, four = gold.questions
    assert bridge_question.evidence == (
        Evidence("The bridge/0", "The bridge was opened in 1937.", 0),
    )
    assert (bridge_question.answers, bridge_question.relevant, bridge_question.group) == (
        ("1937",),
        {"The bridge/0": 1},
        "The bridge",
    )
    assert (two.answers, two.evidence, two.relevant) == ((), (), {})
    assert three.evidence[0].sentence == "It was closed in 1937 for a day."
    assert CONTEXT[three.evidence[0].start :] == three.evidence[0].sentence
    assert (four.answers, four.evidence[0].sentence) == (("64 metres",), "It is 64 metres high.")


def beir(folder: Path) -> Path:
    documents = [
        {"_id": "d1", "title": "A", "text": "alpha"},
        {"_id": "d2", "title": "B", "text": ""},
        {"_id": "d3", "title": "", "text": ""},
    ]
    queries = [
        {"_id": "q1", "text": "alpha?"},
        {"_id": "q2", "text": "none"},
        {"_id": "q3", "text": "old", "split": "train"},
    ]
    grades = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq2\td2\t0\nq3\td1\t1\n"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, documents)))
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    (folder / "qrels/test.tsv").write_text(grades)
    return folder


def test_beir(tmp_path: Path) -> None:
    gold = load(beir(tmp_path / "set"))
    assert gold.retrieval_only
    assert [(d.id, d.text) for d in gold.documents] == [("d1", "alpha"), ("d2", "B")]
    assert [(q.id, q.text, q.relevant) for q in gold.questions] == [("q1", "alpha?", {"d1": 2})]


def test_other_files_are_not_gold_sets(tmp_path: Path) -> None:
    contents: dict[str, bytes | str] = {
        "a.csv": "question",
        "a.jsonl": b"\xff\xfe\xfd",
        "empty.jsonl": "\n",
        **{
            f"{n}.json": text for n, text in enumerate(("[]", '{"data": [{}]}', "no", "[" * 99_999))
        },
        "set/queries.jsonl": "{}",
    }
    beir(tmp_path / "set")
    for name, content in contents.items():
        data = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=r"format|cannot be read|no questions|is not"):
            load((tmp_path / name).parent if name.startswith("set/") else tmp_path / name)
    (tmp_path / "set/queries.jsonl").unlink()
    with pytest.raises(NotFoundError, match=r"queries\.jsonl"):
        load(tmp_path / "set")
    with pytest.raises(NotFoundError):
        load(tmp_path / "absent.jsonl")


def test_a_sample_is_fixed_and_in_order(tmp_path: Path) -> None:
    questions = load(write(tmp_path, *({"question": f"{n}?"} for n in range(100)))).questions
    sampled = sample(questions, 10)
    assert sampled == sample(questions, 10)
    assert len(sampled) == 10
    assert [int(q.id) for q in sampled] == sorted(int(q.id) for q in sampled)
    assert sample(questions, None) == sample(questions, 1000) == questions


def test_questions_in_other_words_keep_what_answers_them(tmp_path: Path) -> None:
    path = tmp_path / "gold.jsonl"
    rows = [
        {
            "id": "end",
            "question": "When does the lease end?",
            "answers": ["31 May"],
            "plain": "out when",
        },
        {"id": "pets", "question": "Are cats allowed?"},
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    (question,) = in_other_words(read_jsonl(path))
    assert (question.id, question.text, question.plain) == ("end+plain", "out when", "")
    assert question.answers == ("31 May",)

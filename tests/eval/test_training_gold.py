"""The questions that the reader learns from, and the sets made of them."""

import gzip
import hashlib
import itertools
import json
from pathlib import Path

from eval.gold.training import rows, with_texts, write

FORMS = {"span", "sentences", "list", "steps", "yes", "no", "maybe", "none"}
INVENTED = ("tables", "lists", "figures")


def test_every_question_has_a_form_and_a_place_exactly_if_it_is_answered() -> None:
    for row in (*rows(), *(row for name in INVENTED for row in rows(name))):
        assert row["split"] in ("train", "held-out")
        for form, question, *place in row["questions"]:
            assert form in FORMS, question
            assert bool(place) == (form not in ("maybe", "none")), question
            assert all(0 <= start < end for start, end in pairs(place)), question


def test_invented_texts_have_their_digest_and_hold_the_answers() -> None:
    invented = [row for row in rows() if "text" in row]
    assert len(invented) > 200
    invented += [row for name in INVENTED for row in rows(name)]
    for row in invented:
        assert hashlib.sha256(row["text"].encode()).hexdigest()[:16] == row["sha256"]
        for _, _, *place in row["questions"]:
            assert all(end <= len(row["text"]) for _, end in pairs(place))


def pairs(place: list[int]) -> list[tuple[int, int]]:
    return list(zip(place[::2], place[1::2], strict=True))


def test_answers_of_tables_are_whole_rows_or_whole_cells() -> None:
    for row in rows("tables"):
        for form, question, *place in row["questions"]:
            for start, end in pairs(place):
                before, after = row["text"][:start][-1:], row["text"][end:][:1]
                whole = ("\n", "") if form != "span" else ("\n", "", " ")
                assert before in whole, question
                assert after in whole, question


def test_answers_of_lists_are_several_items_in_order() -> None:
    for row in rows("lists"):
        for form, question, *place in row["questions"]:
            if form in ("list", "steps"):
                found = pairs(place)
                assert len(found) > 1, question
                assert all(one[1] <= two[0] for one, two in itertools.pairwise(found)), question


def test_sets_are_written_in_the_formats_that_training_reads(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    (data / "qa").mkdir(parents=True)
    (data / "claims").mkdir()
    with gzip.open(data / "qa/squad-train-parts.json.gz", "wt") as file:
        json.dump({"data": []}, file)
    with gzip.open(data / "claims/yesno.jsonl.gz", "wt") as file:
        file.write('{"question": "q", "context": "c", "label": "yes", "set": "boolq-train"}\n')
    invented = [row for row in rows() if "text" in row][:40]
    tables = rows("tables")[:40]
    own = list(with_texts(invented, data, tmp_path))
    others = {name: rows(name)[:40] for name in ("lists", "figures")}
    write({"own": own, "tables": tables, **others}, data, out)
    articles = []
    for name in ("own", *INVENTED):
        for head in ("spans", "sentences"):
            with gzip.open(out / f"qa/{name}-{head}.json.gz", "rt") as file:
                articles += json.load(file)["data"]
    for paragraph in (part for article in articles for part in article["paragraphs"]):
        for qa in paragraph["qas"]:
            for answer in qa["answers"]:
                start = answer["answer_start"]
                assert paragraph["context"][start:].startswith(answer["text"])
    with gzip.open(out / "claims/yesno.jsonl.gz", "rt") as file:
        sets = [json.loads(line)["set"] for line in file]
    assert sets[0] == "boolq-train"
    assert set(sets[1:]) == {"own", *INVENTED}
    held_out = json.loads((out / "held-out.json").read_text())
    assert {row["sha256"] for row in held_out} <= {row["sha256"] for row in invented}

import json
from pathlib import Path

import pytest

from rag import build
from rag.answering.judge import Judge
from rag.engine import Engine
from rag.errors import InputError
from rag.evaluation.calibrate import calibrate
from rag.evaluation.gold import Question
from rag.models.registry import judge_path
from rag.settings import Settings
from tests.fakes import BagOfWordsEmbedder, NameReader, document
from tests.small_index import add, new_store

CITIES = (
    "Bonn Kyiv Lyon Vienna Geneva Muscat Lausanne Rome Oslo Paris Cairo Doha Baku Minsk Riga "
    "Bern Prague Lima Quito Rabat"
).split()


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    store = new_store(tmp_path)
    texts = [f"The {city} round took place in {1990 + n}." for n, city in enumerate(CITIES)]
    add(store, *(document(text, city, city) for text, city in zip(texts, CITIES, strict=True)))
    return build.assemble(Settings(index=tmp_path), store, BagOfWordsEmbedder(), NameReader())


def question(text: str, answer: str = "", document: str = "") -> Question:
    return Question(
        text, text, (answer,) if answer else (), relevant={document: 1} if document else {}
    )


def gold() -> list[Question]:
    answerable = [
        question(f"When did the {city} round take place?", str(1990 + n), city)
        for n, city in enumerate(CITIES)
    ]
    return answerable + [
        question(f"How long was the {city} round of rowing?") for city in CITIES[:8]
    ]


def test_a_calibration_reports_its_effect_and_can_be_used(engine: Engine, tmp_path: Path) -> None:
    calibration = calibrate(engine, gold(), 0.4, 0.7)
    assert any(line.startswith("calibrated: ") for line in calibration.says)
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(calibration.fitted))
    model = Judge.load(judge_path("accurate"), path)
    assert model.threshold == calibration.fitted["threshold"]
    effect = calibration.fitted["report"]["after, on questions left out of the fit"]
    assert effect["wrong, of answered"] <= 0.4
    certificate = calibration.fitted["report"]["certificate"]
    assert certificate["bound"] <= 0.4
    assert certificate["threshold"] == model.threshold
    assert calibration.says[-1].startswith("certified: at most 40.0% of the answers")
    assert model.risk == effect["wrong, of answered"]


def test_documents_are_left_out_if_few_questions_are_unanswerable(engine: Engine) -> None:
    calibration = calibrate(engine, gold()[:20], 0.6, 0.6)
    repeats = "6 were asked again without their documents"
    assert calibration.says[0] == f"20 questions, 0 of them unanswerable; {repeats}"
    report = calibration.fitted["report"]
    assert report["after, on questions left out of the fit"]["questions"] == 20
    assert report["with questions asked again without their documents"]["questions"] == 26
    assert "The bound is over the 20 given questions, each counted once" in calibration.says[-1]
    assert report["certificate"]["answered"] <= 20


def test_too_few_or_only_wrong_answers_are_errors(engine: Engine) -> None:
    with pytest.raises(InputError, match="too few"):
        calibrate(engine, gold()[:5])
    with pytest.raises(InputError, match="every answer is wrong"):
        calibrate(engine, [question(f"What of {n}?") for n in range(20)])


def test_too_few_questions_for_a_risk_say_how_many_are_needed(engine: Engine) -> None:
    with pytest.raises(InputError, match=r"28 questions cannot certify that at most 1.0%") as info:
        calibrate(engine, gold(), 0.01)
    assert "questions" in info.value.hint

"""Gold claims: parsing and counting."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from rag import build
from rag.claims.checker import Checker
from rag.cli.main import cli
from rag.errors import InputError
from rag.evaluation.claims import as_dict, read_claims, run, summary, text
from tests.claims.parts import MODELS, engine

ROWS = [
    ("The JCPOA was signed in Vienna on 14 July 2015.", "supported", "close"),
    ("The JCPOA was signed in Vienna on 14 July 2018.", "contradicted", "value"),
    ("Bananas grow in Ecuador and are eaten.", "not_in_documents", "invented"),
    ("The stockpile of uranium is capped at 300 kilograms.", "contradicted", "claim"),
]


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    path = tmp_path / "claims.jsonl"
    rows = [dict(zip(("claim", "verdict", "kind"), row, strict=True)) for row in ROWS]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def test_figures_separate_supported_and_are_by_kind(gold: Path, tmp_path: Path) -> None:
    rows = run(read_claims(gold), Checker(engine(tmp_path / "index"), MODELS))
    figures = summary(rows)
    assert figures["claims"] == 4
    assert figures["balanced_accuracy"] == pytest.approx((1 + 2 / 3) / 2, abs=1e-3)
    assert figures["unsupported_passed"] == pytest.approx(1 / 3, abs=1e-3)
    assert figures["kinds"]["value"]["right"] == 1.0
    assert figures["confusion"]["contradicted"] == {"contradicted": 1, "supported": 1}
    assert "contradicted -> supported" in text(rows)
    assert [row["gold"]["id"] for row in as_dict(rows)["rows"]] == ["1", "2", "3", "4"]


def test_a_wrong_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "claims.jsonl"
    path.write_text('{"claim": "A b c.", "verdict": "maybe"}', encoding="utf-8")
    with pytest.raises(InputError, match="line 1: 'verdict' is not one of"):
        read_claims(path)


def test_the_command_keeps_bounds(
    gold: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checker = Checker(engine(tmp_path / "index"), MODELS)
    monkeypatch.setattr(build, "checker", lambda settings: checker)
    arguments = ["eval", "claims", str(gold), "--json"]
    result = CliRunner().invoke(cli, arguments)
    assert (result.exit_code, json.loads(result.stdout)["claims"]) == (0, 4)
    broken = CliRunner().invoke(cli, [*arguments, "--fail-over", "unsupported_passed=0.1"])
    assert broken.exit_code == 1
    wrong = CliRunner().invoke(cli, [*arguments, "--fail-under", "f1=0.1"])
    assert isinstance(wrong.exception, InputError)


def test_the_attack_set_is_readable() -> None:
    claims = read_claims(Path(__file__).parents[2] / "eval" / "gold" / "claims.jsonl")
    assert len(claims) >= 100
    assert len({claim.id for claim in claims}) == len({claim.claim for claim in claims})

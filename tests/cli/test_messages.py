from pathlib import Path

import pytest
from click.testing import CliRunner

from rag.cli.main import cli
from rag.errors import NotFoundError, StoreError
from rag.ingestion.find_document import nearest
from tests.store.helpers import local, put

IDS = ["docs/2024/lease.pdf", "docs/boiler/manual.pdf", "docs/notes.txt"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("lease.pdf", ["docs/2024/lease.pdf"]),
        ("lease", ["docs/2024/lease.pdf"]),
        ("boiler", ["docs/boiler/manual.pdf"]),
        ("docs/notse.txt", ["docs/notes.txt"]),
        ("xyz", []),
    ],
)
def test_suggested_ids(name: str, meant: list[str]) -> None:
    assert nearest(name, IDS) == meant


def test_an_unknown_document_gets_suggestions(tmp_path: Path) -> None:
    store = local(tmp_path)
    put(store, "docs/2024/lease.pdf", "The lease.")
    store.close()
    with pytest.raises(NotFoundError) as caught:
        CliRunner().invoke(
            cli,
            ["show", "lease.pdf", "--index", str(tmp_path)],
            catch_exceptions=False,
            standalone_mode=False,
        )
    assert caught.value.hint == "did you mean docs/2024/lease.pdf?"


def test_an_unknown_command_gets_a_suggestion() -> None:
    found = CliRunner().invoke(cli, ["aks", "what?"])
    assert found.exit_code == 2
    assert "did you mean ask?" in found.output


def test_the_folder_without_an_index_is_named_with_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match=str(tmp_path / "nothing")):
        CliRunner().invoke(
            cli, ["list", "--index", "nothing"], catch_exceptions=False, standalone_mode=False
        )

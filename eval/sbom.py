"""Software bill of materials as CycloneDX 1.6 JSON: python -m eval.sbom [--out sbom.json]

Lists every distribution that `rag` requires, including installed extras, as installed in this
environment: name, version, license and package URL; and the shipped weights, with their SHA-256. It
reads only the environment.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import rag
from rag.errors import DISTRIBUTION


def closure(name: str) -> dict[str, Distribution]:
    """By normalised name: the distribution and its installed requirements, including extras."""
    distributions: dict[str, Distribution] = {}
    left = [name]
    while left:
        key = normalised(left.pop())
        if key in distributions:
            continue
        try:
            distributions[key] = distribution(key)
        except PackageNotFoundError:  # for an extra, or for another system
            continue
        left += required(distributions[key])
    return distributions


def required(library: Distribution) -> list[str]:
    """Normalised names of the requirements, with those of extras."""
    return [normalised(re.split(r"[^\w.-]", text)[0]) for text in library.requires or []]


def normalised(name: str) -> str:
    """The name as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def component(library: Distribution) -> dict[str, Any]:
    name, version = normalised(library.metadata["Name"]), library.version
    purl = f"pkg:pypi/{name}@{version}"
    row = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    kinds = [text for text in library.metadata.get_all("Classifier") or [] if "License ::" in text]
    classified = ", ".join(text.rsplit(" :: ", 1)[-1] for text in kinds)
    licence = (library.metadata.get_all("License-Expression") or [classified])[0]
    return row | ({"licenses": [{"license": {"name": licence}}]} if licence else {})


def weights() -> Iterator[dict[str, Any]]:
    """The models that ship with the package."""
    for path in sorted(Path(rag.__file__).parent.rglob("*.safetensors")):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        name = path.relative_to(Path(rag.__file__).parent).as_posix()
        hashes = [{"alg": "SHA-256", "content": digest}]
        yield {"type": "machine-learning-model", "bom-ref": name, "name": name, "hashes": hashes}


def bill() -> dict[str, Any]:
    distributions = closure(DISTRIBUTION)
    own = {"type": "application", "bom-ref": "rag", "name": "rag", "version": rag.__version__}
    libraries = [
        component(library)
        for name, library in sorted(distributions.items())
        if name != DISTRIBUTION
    ]
    refs = {name: f"pkg:pypi/{name}@{library.version}" for name, library in distributions.items()}
    refs[DISTRIBUTION] = "rag"
    needs = [
        {
            "ref": refs[name],
            "dependsOn": sorted({refs[n] for n in required(library) if n in refs and n != name}),
        }
        for name, library in sorted(distributions.items())
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": own},
        "components": libraries + list(weights()),
        "dependencies": needs,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--out", type=Path, default="/dev/stdout", help="by default it is printed")
    text = json.dumps(bill(), indent=1) + "\n"
    parser.parse_args().out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

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
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import rag
from rag.errors import DISTRIBUTION

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)")


def closure(name: str) -> dict[str, Distribution]:
    """By normalised name: the distribution and its installed requirements, including extras."""
    found: dict[str, Distribution] = {}
    left = [name]
    while left:
        one = normalised(left.pop())
        if one in found:
            continue
        try:
            found[one] = distribution(one)
        except PackageNotFoundError:  # for an extra, or for another system
            continue
        left += [
            match[1] for text in found[one].requires or [] if (match := _REQUIREMENT.match(text))
        ]
    return found


def normalised(name: str) -> str:
    """The name as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def component(found: Distribution) -> dict[str, Any]:
    name, version = normalised(found.metadata["Name"]), found.version
    purl = f"pkg:pypi/{name}@{version}"
    made = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    expressions = found.metadata.get_all("License-Expression") or [_classified(found)]
    licence = expressions[0]
    return made | ({"licenses": [{"license": {"name": licence}}]} if licence else {})


def _classified(found: Distribution) -> str:
    kinds = [
        text for text in found.metadata.get_all("Classifier") or [] if text.startswith("License ::")
    ]
    return ", ".join(text.rsplit(" :: ", 1)[-1] for text in kinds)


def weights() -> Iterator[dict[str, Any]]:
    """The models that ship with the package."""
    for path in sorted(Path(rag.__file__).parent.rglob("*.safetensors")):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        name = path.relative_to(Path(rag.__file__).parent).as_posix()
        hashes = [{"alg": "SHA-256", "content": digest}]
        yield {"type": "machine-learning-model", "bom-ref": name, "name": name, "hashes": hashes}


def bill() -> dict[str, Any]:
    found = closure(DISTRIBUTION)
    own = {"type": "application", "bom-ref": "rag", "name": "rag", "version": rag.__version__}
    libraries = [component(one) for name, one in sorted(found.items()) if name != DISTRIBUTION]
    needs = [
        {
            "ref": "rag" if name == DISTRIBUTION else f"pkg:pypi/{name}@{one.version}",
            "dependsOn": sorted(
                {
                    f"pkg:pypi/{n}@{found[n].version}"
                    for n in _needed(one)
                    if n in found and n != name
                }
            ),
        }
        for name, one in sorted(found.items())
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": own},
        "components": libraries + list(weights()),
        "dependencies": needs,
    }


def _needed(one: Distribution) -> list[str]:
    return [
        normalised(match[1]) for text in one.requires or [] if (match := _REQUIREMENT.match(text))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="by default it is printed")
    arguments = parser.parse_args()
    text = json.dumps(bill(), indent=1) + "\n"
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()

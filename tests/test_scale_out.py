"""What docs/scale-out.md and the files beside it say exists."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from rag.cli.main import _COMMANDS
from rag.settings import Settings

DOCS = Path(__file__).parents[1] / "docs"
FILES = [DOCS / "scale-out.md", *sorted((DOCS / "scale-out").iterdir())]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_setting_and_command_that_is_named_is_there(path: Path) -> None:
    text = path.read_text()
    known = {field.name for field in dataclasses.fields(Settings)}
    assert {name.lower() for name in re.findall(r"\bRAG_([A-Z_]+)\b", text)} <= known
    assert set(re.findall(r"(?:^    |`)rag (\w+)", text, re.MULTILINE)) <= set(_COMMANDS)


def test_what_runs_in_containers_are_commands() -> None:
    compose = yaml.safe_load((DOCS / "scale-out/compose.yaml").read_text())
    run = [compose["services"][name]["command"][0] for name in ("server", "worker")]
    for found in kubernetes():
        if found["kind"] == "Deployment":
            run += found["spec"]["template"]["spec"]["containers"][0]["args"]
    assert set(run) == {"serve", "worker"} <= set(_COMMANDS)


def test_the_probes_are_paths_of_the_service() -> None:
    from rag.server.routes import operations

    paths = {getattr(route, "path", "") for route in operations.router.routes}
    (server,) = [found for found in kubernetes() if found["metadata"]["name"] == "rag-server"]
    container = server["spec"]["template"]["spec"]["containers"][0]
    assert {container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")} <= paths


def kubernetes() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DOCS / "scale-out/kubernetes.yaml").read_text()))


def test_what_the_compose_file_names_is_in_it() -> None:
    compose = yaml.safe_load((DOCS / "scale-out/compose.yaml").read_text())
    for service in compose["services"].values():
        assert set(service.get("depends_on", [])) <= set(compose["services"])
        assert {volume.partition(":")[0] for volume in service.get("volumes", [])} <= set(compose["volumes"])


def test_what_the_manifest_names_is_in_it() -> None:
    resources = kubernetes()
    assert all(found["apiVersion"] and found["metadata"]["name"] for found in resources)
    labels = []
    for found in (found for found in resources if found["kind"] == "Deployment"):
        template = found["spec"]["template"]
        labels.append(template["metadata"]["labels"])
        assert found["spec"]["selector"]["matchLabels"] == labels[-1]
        mounted = {mount["name"] for mount in template["spec"]["containers"][0]["volumeMounts"]}
        assert mounted == {volume["name"] for volume in template["spec"]["volumes"]}
    (service,) = [found for found in resources if found["kind"] == "Service"]
    assert service["spec"]["selector"] in labels

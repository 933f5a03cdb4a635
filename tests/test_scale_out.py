"""What docs/scale-out.md and the files beside it say exists."""

from __future__ import annotations

import dataclasses
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from rag.cli.main import _COMMANDS
from rag.server.api_keys import keys_of
from rag.settings import Settings
from tests.server.fake_server import serving

DOCS = Path(__file__).parents[1] / "docs"
FILES = [
    DOCS / "scale-out.md",
    DOCS / "deployment.md",
    *sorted((DOCS / "scale-out").iterdir()),
    *sorted((DOCS / "deployment").iterdir()),
]


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
    (server,) = [
        found
        for found in kubernetes()
        if (found["kind"], found["metadata"]["name"]) == ("Deployment", "rag-server")
    ]
    container = server["spec"]["template"]["spec"]["containers"][0]
    assert {
        container[probe]["httpGet"]["path"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    } <= paths


def kubernetes() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DOCS / "scale-out/kubernetes.yaml").read_text()))


def test_what_the_compose_file_names_is_in_it() -> None:
    compose = yaml.safe_load((DOCS / "scale-out/compose.yaml").read_text())
    for service in compose["services"].values():
        assert set(service.get("depends_on", [])) <= set(compose["services"])
        assert {volume.partition(":")[0] for volume in service.get("volumes", [])} <= set(
            compose["volumes"]
        )


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


def test_what_runs_in_the_cluster_may_do_nothing_that_it_need_not() -> None:
    resources = kubernetes()
    deployments = [found for found in resources if found["kind"] == "Deployment"]
    policies = {
        tuple(found["spec"]["podSelector"]["matchLabels"].items())
        for found in resources
        if found["kind"] == "NetworkPolicy"
    }
    for found in deployments:
        pod = found["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        own = container["securityContext"]
        assert own["allowPrivilegeEscalation"] is False
        assert own["readOnlyRootFilesystem"] is True
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert "@sha256:" in container["image"]
        assert set(container["resources"]["limits"]) == {"cpu", "memory"}
        assert tuple(found["spec"]["template"]["metadata"]["labels"].items()) in policies
        # what is mounted by subPath is never updated: a revoked key would hold until a restart
        assert not any("subPath" in mount for mount in container["volumeMounts"])


def test_nginx_takes_its_configuration_and_the_service_asks_for_a_key_behind_it(
    tmp_path: Path,
) -> None:
    if shutil.which("nginx") is None:
        pytest.skip("there is no nginx")
    with serving(tmp_path / "index") as client:
        own = (
            (DOCS / "deployment/nginx.conf")
            .read_text()
            .replace("listen 443 ssl", f"listen 127.0.0.1:{free_port()}")
        )
        own = re.sub(r"\n.*ssl_certificate.*", "", own).replace(
            "127.0.0.1:8000", f"127.0.0.1:{client.base_url.port}"
        )
        port = int(re.findall(r"listen 127.0.0.1:(\d+)", own)[0])
        main = (
            f"pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}} http {{ "
            f"access_log off;\n{own}}}"
        )
        (tmp_path / "nginx.conf").write_text(main)
        started = subprocess.Popen(
            ["nginx", "-p", str(tmp_path), "-c", "nginx.conf", "-g", "daemon off;"]
        )
        try:
            until = time.monotonic() + 30
            while time.monotonic() < until:
                try:
                    found = httpx.get(f"http://127.0.0.1:{port}/v1/documents", trust_env=False)
                    break
                except httpx.ConnectError:
                    time.sleep(0.1)
            assert found.status_code == 421
            _, key = keys_of(Settings(index=tmp_path / "index")).add("a", "read")
            headers = {"Authorization": f"Bearer {key}"}
            assert (
                httpx.get(
                    f"http://127.0.0.1:{port}/v1/documents", headers=headers, trust_env=False
                ).status_code
                == 200
            )
        finally:
            started.terminate()
            started.wait()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def test_the_lock_names_all_that_the_image_needs_with_hashes() -> None:
    from eval.lock import wanted
    from eval.sbom import normalised

    lines = (DOCS / "scale-out/requirements.lock").read_text().splitlines()[1:]
    assert all(re.fullmatch(r"[a-z0-9-]+==\S+ --hash=sha256:[0-9a-f]{64}", line) for line in lines)
    locked = {line.partition("==")[0] for line in lines}
    needed = {normalised(re.split(r"[^A-Za-z0-9._-]", one)[0]) for one in wanted("office,postgres")}
    assert needed <= locked

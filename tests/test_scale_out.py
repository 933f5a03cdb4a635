"""Everything named in docs/scale-out.md and its files exists."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from rag.cli.main import COMMANDS, cli
from rag.server.api_keys import keys_of
from rag.settings import Settings
from tests.postgres import Cluster, free_port
from tests.server.fake_server import serving
from tests.store.postgres.test_queue import eventually

DOCS = Path(__file__).parents[1] / "docs"
FILES = [
    DOCS / "scale-out.md",
    DOCS / "deployment.md",
    *sorted((DOCS / "scale-out").iterdir()),
    *sorted((DOCS / "deployment").iterdir()),
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_named_setting_and_command_exists(path: Path) -> None:
    text = path.read_text()
    settings = {field.name for field in dataclasses.fields(Settings)}
    assert {name.lower() for name in re.findall(r"\bRAG_([A-Z_]+)\b", text)} <= settings
    assert set(re.findall(r"(?:^    |`)rag (\w+)", text, re.MULTILINE)) <= set(COMMANDS)


def test_containers_run_existing_commands() -> None:
    compose = yaml.safe_load((DOCS / "scale-out/compose.yaml").read_text())
    run = [compose["services"][name]["command"] for name in ("server", "worker")]
    for resource in kubernetes("Deployment"):
        run.append(resource["spec"]["template"]["spec"]["containers"][0]["args"])
    assert {name for name, *_ in run} == {"serve", "worker"}
    for name, *options in run:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        assert set(options) <= {option for parameter in command.params for option in parameter.opts}


def test_the_probes_are_paths_of_the_service() -> None:
    from rag.server.routes import operations

    paths = {getattr(route, "path", "") for route in operations.router.routes}
    deployed = {
        resource["metadata"]["name"]: resource["spec"] for resource in kubernetes("Deployment")
    }
    container = deployed["rag-server"]["template"]["spec"]["containers"][0]
    probes = (container[f"{name}Probe"] for name in ("startup", "liveness", "readiness"))
    assert {probe["httpGet"]["path"] for probe in probes} <= paths


def kubernetes(kind: str = "") -> list[dict[str, Any]]:
    """The resources of this kind, or all."""
    resources = yaml.safe_load_all((DOCS / "scale-out/kubernetes.yaml").read_text())
    return [resource for resource in resources if kind in ("", resource["kind"])]


def test_the_compose_file_is_consistent() -> None:
    compose = yaml.safe_load((DOCS / "scale-out/compose.yaml").read_text())
    for service in compose["services"].values():
        assert set(service.get("depends_on", [])) <= set(compose["services"])
        assert {volume.partition(":")[0] for volume in service.get("volumes", [])} <= set(
            compose["volumes"]
        )


def test_the_manifest_is_consistent() -> None:
    assert all(resource["apiVersion"] and resource["metadata"]["name"] for resource in kubernetes())
    labels = []
    for resource in kubernetes("Deployment"):
        template = resource["spec"]["template"]
        labels.append(template["metadata"]["labels"])
        assert resource["spec"]["selector"]["matchLabels"] == labels[-1]
        mounted = {mount["name"] for mount in template["spec"]["containers"][0]["volumeMounts"]}
        assert mounted == {volume["name"] for volume in template["spec"]["volumes"]}
    (service,) = kubernetes("Service")
    assert service["spec"]["selector"] in labels


def test_pods_have_least_privilege() -> None:
    policies = {
        tuple(resource["spec"]["podSelector"]["matchLabels"].items())
        for resource in kubernetes("NetworkPolicy")
    }
    for resource in kubernetes("Deployment"):
        pod = resource["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert "@sha256:" in container["image"]
        assert set(container["resources"]["limits"]) == {"cpu", "memory"}
        assert tuple(resource["spec"]["template"]["metadata"]["labels"].items()) in policies
        # a subPath mount is never updated, so a revoked key would work until a restart
        assert not any("subPath" in mount for mount in container["volumeMounts"])


def test_nginx_serves_it_with_tls_as_the_documentation_says(tmp_path: Path) -> None:
    needed("nginx", "openssl")
    with serving(tmp_path / "index") as client:
        port = free_port()
        server_block = (
            (DOCS / "deployment/nginx.conf")
            .read_text()
            .replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
            .replace("/etc/ssl/rag", str(tmp_path))
            .replace("127.0.0.1:8000", f"127.0.0.1:{client.base_url.port}")
        )
        make_certificate(tmp_path)
        configuration = (
            f"pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}} http {{ "
            f"access_log off;\n{server_block}}}"
        )
        (tmp_path / "nginx.conf").write_text(configuration)
        command = ["nginx", "-p", str(tmp_path), "-c", "nginx.conf", "-g", "daemon off;"]
        with proxy(command, f"https://127.0.0.1:{port}", tmp_path) as through:
            stands_behind(through, tmp_path / "index")
            oversized = through.post("/v1/documents", content=b"x" * (33 << 20))
            assert oversized.status_code == 413  # by nginx, without buffering it


def test_caddy_serves_it_as_the_documentation_says(tmp_path: Path) -> None:
    needed("caddy")
    with serving(tmp_path / "index") as client:
        port = free_port()
        site = (
            (DOCS / "deployment/Caddyfile")
            .read_text()
            .replace("rag.example.org", f"http://127.0.0.1:{port}")
            .replace("127.0.0.1:8000", f"127.0.0.1:{client.base_url.port}")
        )
        (tmp_path / "Caddyfile").write_text(f"{{\n\tadmin off\n}}\n{site}")
        command = ["caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile"]
        with proxy(command, f"http://127.0.0.1:{port}", tmp_path) as through:
            stands_behind(through, tmp_path / "index")


def needed(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program}")


def make_certificate(folder: Path) -> None:
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=rag.example.org"
    files = ["-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)


@contextmanager
def proxy(command: list[str], address: str, folder: Path) -> Iterator[httpx.Client]:
    """A client of the proxy, once it answers."""
    home = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with open(folder / "proxy.log", "wb") as log:
        started = subprocess.Popen(command, cwd=folder, env=home, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=address, trust_env=False, verify=False, timeout=30) as through:
            until = time.monotonic() + 30
            while True:
                try:
                    through.get("/health")
                    break
                except httpx.ConnectError:
                    assert time.monotonic() < until, (folder / "proxy.log").read_text()
                    time.sleep(0.1)
            yield through
    finally:
        started.terminate()
        started.wait()


def stands_behind(through: httpx.Client, index: Path) -> None:
    """Behind a proxy, the service requires a key, answers with one, and streams."""
    assert through.get("/v1/documents").status_code == 421
    _, key = keys_of(Settings(index=index)).add("a", "write")
    assert through.get("/v1/documents").status_code == 401
    through.headers["Authorization"] = f"Bearer {key}"
    text = {"text": "The talks were led by William Burns."}
    assert through.put("/v1/documents/talks.txt", json=text).status_code == 201
    body = {"question": "Who led the talks?", "stream": True}
    with through.stream("POST", "/v1/ask", json=body) as answered:
        events = [line for line in answered.iter_lines() if line.startswith("event: ")]
    assert (events[0], events[-1]) == ("event: search_results", "event: done")


def compose(**environment: str) -> subprocess.CompletedProcess[str]:
    """The compose file as `docker-compose` resolves it; no daemon is needed."""
    needed("docker-compose")
    variables = {name: value for name, value in os.environ.items() if name != "POSTGRES_PASSWORD"}
    command = "docker-compose -f docs/scale-out/compose.yaml config --format json".split()
    run: dict[str, Any] = {
        "cwd": DOCS.parent,
        "env": variables | environment,
        "capture_output": True,
    }
    return subprocess.run(command, text=True, **run)


def test_the_compose_file_asks_for_a_password() -> None:
    refused = compose()
    assert refused.returncode != 0
    assert "POSTGRES_PASSWORD" in refused.stderr


@pytest.mark.slow
def test_what_the_compose_file_runs_works_together(cluster: Cluster, tmp_path: Path) -> None:
    """Every command, environment and health check of the file, as processes instead of containers,
    with addresses of this machine and the tests' small models.
    """
    needed("caddy")
    services = json.loads(compose(POSTGRES_PASSWORD="s3cret").stdout)["services"]
    is_healthy(cluster, services["database"]["healthcheck"]["test"])
    cluster.execute("CREATE SCHEMA compose")
    database = f"@127.0.0.1:{cluster.port}/postgres?options=-csearch_path%3Dcompose,public"
    rag = {"RAG_INDEX": str(tmp_path), "RAG_EMBEDDER": "bag-of-words", "RAG_THRESHOLD": "0.15"}
    rag |= services["server"]["environment"] | {"RAG_HOST": "127.0.0.1"}
    rag["RAG_STORE"] = rag["RAG_STORE"].replace("@database:5432/rag", database)
    with small_rag(["keys", "add", "me", "--write", "--json"], **rag) as key_process:
        key = json.loads(key_process.communicate()[0])["key"]
    front, *ports = (free_port() for _ in range(1 + services["server"]["deploy"]["replicas"]))
    # what `caddy reverse-proxy` does, which would listen on every address of this machine
    assert services["balancer"]["command"][1:] == (
        ["reverse-proxy", "--from", ":8080", "--to", "server:8000"]
    )
    behind = " ".join(f"127.0.0.1:{port}" for port in ports)
    site = f"http://127.0.0.1:{front} {{\n\tbind 127.0.0.1\n\treverse_proxy {behind}\n}}\n"
    (tmp_path / "Caddyfile").write_text(f"{{\n\tadmin off\n}}\n{site}")
    balancer = ["caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile"]
    with ExitStack() as stack:
        for port in ports:
            served = small_rag(services["server"]["command"], **rag | {"RAG_PORT": str(port)})
            stack.enter_context(served)
        stack.enter_context(small_rag(services["worker"]["command"], **rag))
        for port in ports:  # Caddy answers 502 for one that is still starting
            assert eventually(partial(is_ready, f"http://127.0.0.1:{port}/ready"))
        through = stack.enter_context(proxy(balancer, f"http://127.0.0.1:{front}", tmp_path))
        assert eventually(lambda: through.get("/ready").status_code == 200)
        through.headers["Authorization"] = f"Bearer {key}"
        through.post("/v1/collections", json={"name": "talks"}).raise_for_status()
        for place in ("/v1", "/v1/collections/talks"):
            text = {"name": "a.txt", "text": "The talks were led by William Burns."}
            through.post(f"{place}/documents", json=text).raise_for_status()
            assert eventually(partial(is_answered, through, place))


def is_ready(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def is_healthy(cluster: Cluster, check: list[str]) -> None:
    assert check[0] == "CMD"
    place = {"PGHOST": "127.0.0.1", "PGPORT": str(cluster.port)}
    subprocess.run([cluster.programs / check[1], *check[2:]], env=place, check=True)


@contextmanager
def small_rag(arguments: list[str], **environment: str) -> Iterator[subprocess.Popen[str]]:
    """`rag` with small models, until the end of the context."""
    command = [sys.executable, "-m", "tests.repl.faked", *arguments]
    with subprocess.Popen(
        command, env=os.environ | environment, cwd=DOCS.parent, stdout=subprocess.PIPE, text=True
    ) as started:
        try:
            yield started
        finally:
            started.terminate()


def is_answered(through: httpx.Client, place: str) -> bool:
    response = through.post(f"{place}/ask", json={"question": "Who led the talks?"})
    return bool(response.json().get("answer") == "William Burns")


def test_the_lock_has_all_requirements_with_hashes() -> None:
    text = (DOCS / "scale-out/requirements.lock").read_text()
    pinned = re.findall(r"^([a-z0-9-]+)==\S+ (?:\\\n +)?--hash=sha256:[0-9a-f]{64}", text, re.M)
    assert len(pinned) == text.count("==")
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *extras["office"], *extras["postgres"]]
    assert {canonicalize_name(Requirement(line).name) for line in needed} <= set(pinned)

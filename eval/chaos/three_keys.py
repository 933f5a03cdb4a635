"""Sends requests of all kinds with the keys of three collections; no byte of another collection may
come back, and no 5xx except 503.

    python -m eval.chaos.three_keys --requests 100000 --out eval/results/three_keys.json
    python -m eval.chaos.three_keys --requests 400

CI runs the second.

Every collection, including the default one, contains a word that occurs nowhere else. Each request
has the write key of one collection: valid and mutated requests to every operation of the OpenAPI
document and every tool, on paths and in bodies that name another collection. No answer may
contain another collection's word; from time to time all collections are read, and may contain only
what their own key wrote. The service runs on the tests' small models, in a process of its own;
loopback only.
"""

import contextlib
import json
import random
import re
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any

import click
import httpx

from eval.chaos.fuzz import MCP_METHODS, METHODS, message, mutated
from eval.chaos.programs import Connection, Program, Wild, served
from eval.scripts import OUT, SEED, finished, load, script
from rag.server.api_keys import keys_of
from rag.settings import Settings
from rag.store.local.collections import LocalCollections

NAMES = ("alpha", "beta", "gamma")
COLLECTIONS = (*NAMES, "default")
PLACES = {name: f"/v1/collections/{name}" for name in NAMES} | {"default": "/v1"}
QUESTION = "What is the password of the vault?"
SHAPES = [
    "/v1/{a}", *["/v1/collections/{n}/{a}"] * 14, *["/v1/collections/{m}/{a}"] * 2,
    "/v1/collections/{n}/collections/{m}/{a}", "/v1/collections/{n}/../{m}/{a}",
    "/v1/collections/{n}%2f..%2f{m}/{a}", "/v1/collections/./{m}/{a}", "/v1/collections//{m}/{a}",
    "/v1/collections/{m}/./{a}", "//v1/collections/{m}/{a}", "/v1/collections/{m}//{a}",
    "/v1/Collections/{m}/{a}", "/v1/collections/{n};/{a}", "/v1/collections/{n}%00/{a}",
    "/v1/collections/{m}%20/{a}", "/v1/collections/{m}", "/v1/collections", "/v1/collections/ask",
    "/mcp", "/v1/collections/{n}/mcp", "/v1/collections/{m}/mcp", "/metrics", "/ready",
    "/openapi.json",
]  # fmt: skip
ENDS = [
    "ask", "ask", "search", "search", "ask/batch", "documents", "jobs", "feedback", "verify",
    "check", "models", "models/rag:{m}", "chat/completions", "responses", "embeddings",
    "dify/retrieval", "vector_stores", "vector_stores/{m}", "vector_stores/{m}/search",
    "documents/uploads/{m}.txt", "documents/uploads/{m}.txt/text", "documents/vault.md",
    "documents/vault.md/text", "documents/../../{m}/documents", "documents?filter=source:{m}",
    "sources", "sources?name={m}", "pages?document=vault.md&page=1", "me",
]  # fmt: skip
OPERATION = 0.4
"""Share of requests to an operation of the OpenAPI document, in place of one of SHAPES."""
TOOLS = ["ask", "search", "fetch", "read_document", "list_documents", "ingest", "delete", "why"]


def secret(name: str) -> str:
    """The word that occurs only in this collection."""
    return f"Zebra{name}quux"


class Found:
    """The record of responses."""

    def __init__(self) -> None:
        self.statuses, self.broken = Counter[str](), list[str]()


def body_of(chance: random.Random, key_name: str, other_key: str, path: str) -> dict[str, Any]:
    """A body that fits the path in four of five cases, otherwise one for another path."""
    message_of_user = {"role": "user", "content": QUESTION}
    tool = {"type": "file_search", "vector_store_ids": [other_key]}
    columns = [{"name": "Vault", "question": QUESTION}]
    bodies: dict[str, dict[str, Any]] = {
        "ask": {"question": QUESTION, "top_k": 4},
        "search": {"question": QUESTION, "filters": chance.choice([[], [f"source:{other_key}"]])},
        "batch": {"questions": [QUESTION, f"What of {other_key}?"]},
        "collections": {"question": QUESTION, "collections": [other_key, "default", key_name]},
        "documents": {"name": f"{chance.randrange(20)}.txt", "text": text(key_name, chance)},
        "vault.md": {"text": text(key_name, chance), "metadata": {"collection": other_key}},
        "feedback": {"question": QUESTION, "verdict": "right", "answer": f"mark {key_name}"},
        "check": {"text": f"The vault of {other_key} has no password."},
        "completions": {"model": f"rag:{other_key}", "messages": [message_of_user]},
        "responses": {"model": "rag", "input": QUESTION, "tools": [tool]},
        "embeddings": {"model": "rag", "input": QUESTION},
        "retrieval": {"knowledge_id": other_key, "query": QUESTION},
        "rerank": {"query": QUESTION, "documents": [QUESTION, text(key_name, chance)]},
        "grids": {"name": chance.choice([key_name, other_key]), "columns": columns},
        "ratings": {"row": "vault.md", "column": "Vault", "verdict": "confirmed"},
        "name": {"name": chance.choice([other_key, key_name, f"new-{chance.randrange(9)}"])},
    }
    if "vector_stores" in path:
        return {"query": QUESTION}
    fitting = [body for end, body in bodies.items() if path.rstrip("/").endswith(end)]
    return fitting[0] if fitting and chance.random() < 0.8 else chance.choice([*bodies.values()])


def text(key_name: str, chance: random.Random) -> str:
    """The text that a key uploads, with its own word and mark."""
    return (
        f"The password {chance.randrange(100)} of the vault is {secret(key_name)}. mark {key_name}"
    )


def request_of(chance: random.Random, key_name: str, operations: list[tuple[str, str]]) -> Wild:
    other_key = chance.choice([name for name in COLLECTIONS if name != key_name])
    if chance.random() < OPERATION:
        method, path = chance.choice(operations)
        values = [
            "vault.md",
            f"uploads/{key_name}.txt",
            f"uploads/{other_key}.txt",
            key_name,
            other_key,
            "default",
        ]
        path = re.sub(r"\{\w+\}", lambda _: chance.choice(values), path)
        name = chance.choice([key_name, key_name, key_name, other_key])
        path = path.replace("/v1/", f"/v1/collections/{name}/") if chance.random() < 0.8 else path
        query = f"?q=vault&name={other_key}&document=vault.md&page=1" if method == "GET" else ""
        body = (
            b""
            if method == "GET"
            else json.dumps(body_of(chance, key_name, other_key, path)).encode()
        )
        return method, path + query, "application/json", {}, body
    path = chance.choice(SHAPES).format(
        n=key_name, m=other_key, a=chance.choice(ENDS).format(m=other_key)
    )
    if path.endswith("/mcp"):
        method = chance.choice(MCP_METHODS)
        tool = chance.choice(TOOLS)
        arguments = dict.fromkeys(("question", "query"), QUESTION)
        arguments |= {"id": "vault.md", "name": "vault.md", "text": text(key_name, chance)}
        arguments["document_id"] = chance.choice(["vault.md", f"uploads/{other_key}.txt"])
        arguments_of_tool = {"ingest": ("name", "text"), "search": ("query",), "fetch": ("id",)}
        names = arguments_of_tool.get(
            tool, ("question",) if tool in ("ask", "why") else ("document_id",)
        )
        chosen = {name: arguments[name] for name in names}
        version = chance.choice(["2026-07-28", "2025-11-25"])
        tool_request = message(method, tool, chosen, chance.randrange(100), version)
        return (tool_request[0], path, *tool_request[2:])
    reads = ["GET"] * 5 + ["HEAD"]
    writes = ["POST"] * 12 + ["PUT"] * 2 + ["DELETE", "PATCH"]
    is_readable = any(part in path for part in ("documents/", "jobs", "models", "me", "sources"))
    method = chance.choice(reads if is_readable and chance.random() < 0.5 else writes)
    if chance.random() < 0.05:
        method = chance.choice(METHODS)
    if method in ("GET", "HEAD"):
        return method, path, "application/json", {}, b""
    body = json.dumps(body_of(chance, key_name, other_key, path.partition("?")[0])).encode()
    return method, path, "application/json", {}, body


def run_thread(
    connection: Connection,
    key_name: str,
    operations: list[tuple[str, str]],
    number: int,
    chance: random.Random,
    findings: Found,
) -> None:
    """Send requests with the key of this collection, and look for words of the others."""
    with contextlib.closing(connection):
        for _ in range(number):
            request = request_of(chance, key_name, operations)
            if request[4] and chance.random() < 0.3:
                request = (*request[:4], mutated(request[4], chance))
            reply = connection.send(request)
            if isinstance(reply, str):
                findings.statuses[reply] += 1
                continue
            status, answer = reply
            findings.statuses[str(status)] += 1
            leaked = [
                name for name in COLLECTIONS if name != key_name and secret(name).encode() in answer
            ]
            if leaked or (status >= 500 and status != 503):
                sent = f"{request[0]} {request[1]} {request[4][:300]!r}"
                findings.broken.append(f"{key_name}: {status} {leaked} {sent}: {answer[:300]!r}")


def fill(client: httpx.Client) -> None:
    """Restores each collection's first documents if its own key has deleted them."""
    for name, place in PLACES.items():
        for document in ("vault.md", f"uploads/{name}.txt"):
            if client.get(f"{place}/documents/{document}").status_code == 404:
                vault_text = f"# {secret(name)}\n\nThe password of the vault is {secret(name)}."
                title = f"Vault of {secret(name)}"
                body = {"text": vault_text, "title": title, "metadata": {"owner": secret(name)}}
                client.put(f"{place}/documents/{document}", json=body).raise_for_status()
        thumb = {"question": f"{QUESTION} {secret(name)}", "verdict": "wrong"}
        client.post(f"{place}/feedback", json=thumb).raise_for_status()


def strangers(client: httpx.Client) -> list[str]:
    """Text that another collection's key wrote, and collections that are missing or new."""
    findings = []
    collections = client.get("/v1/collections").json()["collections"]
    listed = {collection["name"] for collection in collections}
    if listed != set(COLLECTIONS):
        findings.append(f"collections are {sorted(listed)}")
    for name, place in PLACES.items():
        content = client.get(f"{place}/feedback").text
        for document in client.get(f"{place}/documents?limit=1000").json()["documents"]:
            content += client.get(f"{place}/documents/{document['id']}/text").text
        other_names = [other_name for other_name in COLLECTIONS if other_name != name]
        findings += [
            f"{name} holds {o}"
            for o in other_names
            if secret(o) in content or f"mark {o}" in content
        ]
    return findings


def measure(requests: int, seconds: float, seed: int, folder: Path) -> dict[str, Any]:
    """Stop after this many seconds, even if `requests` are not done."""
    begun = time.monotonic()
    findings = Found()
    with served(folder, True, RAG_RATE="0") as service:
        tokens = prepare(service, folder)
        with service.client(tokens[""]) as admin:
            paths = admin.get("/openapi.json").json()["paths"]
            operations = [(method.upper(), path) for path in paths for method in paths[path]]
            remaining, turn = requests, 0
            while remaining > 0 and time.monotonic() - begun < seconds:
                fill(admin)
                size = min(remaining, 1200)
                share = -(-size // len(NAMES))
                chances = [random.Random(f"{seed} {turn} {name}") for name in NAMES]
                connections = [Connection(service.url, tokens[name]) for name in NAMES]
                with ThreadPoolExecutor(len(NAMES)) as pool:
                    runs = pool.map(
                        run_thread,
                        connections,
                        NAMES,
                        repeat(operations),
                        repeat(share),
                        chances,
                        repeat(findings),
                    )
                    list(runs)  # raises what they raise
                findings.broken += strangers(admin)
                remaining, turn = remaining - size, turn + 1
                print(f"{requests - remaining:,} sent", *findings.broken[:9], flush=True)
        return {
            "requests": sum(findings.statuses.values()),
            "seconds": round(time.monotonic() - begun, 1),
            "load": load(),
            "statuses": dict(sorted(findings.statuses.items())),
            "broken": findings.broken[:50],
            "resident_mib": round(service.resident_mib, 1),
        }


def prepare(service: Program, folder: Path) -> dict[str, str]:
    """Keys by collection; "" for the key of all."""
    with service.client() as client:
        for name in NAMES:
            client.post("/v1/collections", json={"name": name}).raise_for_status()
    ids = {collection.name: collection.id for collection in LocalCollections(folder).all()}
    keys = keys_of(Settings(index=folder))
    tokens = {name: keys.add(name, "write", [ids[name]])[1] for name in NAMES}
    return tokens | {"": keys.add("all", "write")[1]}


@script(__doc__)
@click.option("--requests", default=1000, help="Number of requests to send.")
@click.option("--seconds", default=1e9, help="Stop after so many, even if requests are left.")
@SEED
@OUT
def main(requests: int, seconds: float, seed: int, out: Path | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        result = measure(requests, seconds, seed, Path(folder))
    return finished(result, out, result["broken"])


if __name__ == "__main__":
    main()

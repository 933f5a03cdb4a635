"""The page at `/docs`: /openapi.json for people. It is one document without scripts or network
requests.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; --line: #8885; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 1rem auto; max-width: 60rem; padding: 0 1rem; }
code, pre { font: .85rem/1.45 ui-monospace, Menlo, Consolas, monospace; }
pre { background: #8882; border-radius: 8px; padding: .75rem; overflow: auto; max-height: 24rem; }
details { border-top: 1px solid var(--line); padding: .5rem 0; }
summary { cursor: pointer; overflow-wrap: anywhere; }
h2 { margin: 2rem 0 .5rem; } h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
table { border-collapse: collapse; width: 100%; }
td, th { border-top: 1px solid var(--line); padding: .3rem .75rem .3rem 0; text-align: left; }
td { vertical-align: top; } small { opacity: .8; } .method { display: inline-block; width: 4.5rem; }
"""
POLICY = "; ".join(
    [
        "default-src 'none'",
        "style-src 'sha256-"
        + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
        + "'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
Json = Mapping[str, Any]
_METHODS = ("get", "post", "put", "patch", "delete")


def page(schema: Json) -> str:
    """The HTML of an OpenAPI document."""
    about = "".join(f"<p>{_text(one)}</p>" for one in schema["info"]["description"].split("\n\n"))
    tags = dict.fromkeys(tag["name"] for tag in schema.get("tags", []))
    tags |= dict.fromkeys(tag for _, _, one in _operations(schema) for tag in one["tags"])
    described = {tag["name"]: tag.get("description", "") for tag in schema.get("tags", [])}
    sections = "".join(_section(tag, described.get(tag, ""), schema) for tag in tags)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>rag: HTTP API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<h1>HTTP API</h1>{about}"
        '<p>The same for programs: <a href="/openapi.json">/openapi.json</a>.</p>'
        f"{sections}</body></html>\n"
    )


def _operations(schema: Json) -> Iterator[tuple[str, str, Json]]:
    for path, operations in schema["paths"].items():
        for method in _METHODS:
            if method in operations:
                yield method, path, operations[method]


def _section(tag: str, description: str, schema: Json) -> str:
    rows = [
        _operation(method, path, one, schema)
        for method, path, one in _operations(schema)
        if tag in one["tags"]
    ]
    if not rows:
        return ""
    return f"<h2>{escape(tag.capitalize())}</h2><p>{_text(description)}</p>{''.join(rows)}"


def _operation(method: str, path: str, one: Json, schema: Json) -> str:
    name = escape(one["operationId"])
    parts = [
        "".join(f"<p>{_text(p)}</p>" for p in one["description"].split("\n\n")),
        f"<h3>Try it</h3><pre>{escape(_curl(method, path, one))}</pre>",
        _table("Parameters", [_parameter(p) for p in one.get("parameters", [])]),
        *_body(one, schema),
        *_answers(one, schema),
    ]
    return (
        f'<details id="{name}"><summary><b class="method">{method.upper()}</b> '
        f"<code>{escape(path)}</code> <small>{name}</small></summary>{''.join(parts)}</details>"
    )


def _curl(method: str, path: str, one: Json) -> str:
    """A curl command for the example's request."""
    command = "curl" if method == "get" else f"curl -X {method.upper()}"
    example = _json_of(one.get("requestBody", {})).get("example")
    if example is None:
        return f'{command} "http://127.0.0.1:8000{path}"'
    data = json.dumps(example, ensure_ascii=False).replace("'", "'\\''")
    return (
        f'{command} "http://127.0.0.1:8000{path}" -H "Content-Type: application/json" -d \'{data}\''
    )


def _json_of(body: Json) -> Json:
    found: Json = body.get("content", {}).get("application/json", {})
    return found


def _parameter(one: Json) -> tuple[str, str, str]:
    place = one["in"] + (", required" if one.get("required") else "")
    return one["name"], f"{_type(one['schema'])}; {place}", one.get("description", "")


def _body(one: Json, schema: Json) -> Iterator[str]:
    made = _json_of(one.get("requestBody", {}))
    if "schema" in made:
        yield _fields("Request", made["schema"], schema)


def _answers(one: Json, schema: Json) -> Iterator[str]:
    for status, answer in one["responses"].items():
        made = _json_of(answer)
        if int(status) < 400 and made:
            yield _fields(f"Response {status}", made.get("schema", {}), schema)
            if "example" in made:
                shown = json.dumps(made["example"], indent=2, ensure_ascii=False)
                yield f"<pre>{escape(shown)}</pre>"
    errors = [
        (status, "", answer["description"])
        for status, answer in one["responses"].items()
        if int(status) >= 400
    ]
    yield _table("Errors", errors)


def _fields(title: str, of: Json, schema: Json) -> str:
    """The fields of an object; the example shows those of nested objects."""
    name = of.get("$ref", "").rsplit("/", 1)[-1]
    known = schema["components"]["schemas"].get(name, of)
    needed = known.get("required", [])
    rows = [
        (
            field,
            _type(one) + (", required" if field in needed else ""),
            one.get("description", ""),
        )
        for field, one in known.get("properties", {}).items()
    ]
    return _table(title, rows)


def _type(of: Json) -> str:
    """A schema in a few words: "string", "list of WireHit", "integer or null"."""
    if "$ref" in of:
        return str(of["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in of:
        return " or ".join(_type(one) for one in of["anyOf"])
    if of.get("type") == "array":
        return f"list of {_type(of.get('items', {}))}"
    return " | ".join(map(str, of["enum"])) if "enum" in of else str(of.get("type", "any"))


def _table(title: str, rows: list[tuple[str, str, str]]) -> str:
    if not rows:
        return ""
    cells = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(kind)}</td>"
        f"<td>{_text(said)}</td></tr>"
        for name, kind, said in rows
    )
    return f"<h3>{escape(title)}</h3><table>{cells}</table>"


def _text(text: str) -> str:
    """HTML of a text, with words in backticks as code."""
    parts = escape(text, quote=False).split("`")
    return "".join(
        f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts)
    )

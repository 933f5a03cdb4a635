"""The software bill of materials."""

from __future__ import annotations

from eval.sbom import bill


def test_it_names_every_library_and_every_weight() -> None:
    made = bill()
    names = {one["name"] for one in made["components"]}
    assert {"torch", "fastapi", "faiss-cpu", "tantivy", "starlette"} <= names
    models = [one for one in made["components"] if one["type"] == "machine-learning-model"]
    assert models
    assert all(len(one["hashes"][0]["content"]) == 64 for one in models)
    references = {one["bom-ref"] for one in made["components"]}
    assert all(set(one["dependsOn"]) <= references for one in made["dependencies"])
    assert {one["bom-ref"] for one in made["components"] if one["type"] == "library"} == {
        one["ref"] for one in made["dependencies"] if one["ref"] != "rag"
    }

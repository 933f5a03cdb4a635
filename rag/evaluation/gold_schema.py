"""The format of a gold question, as a pydantic model; `QuestionRow.model_json_schema()` is its JSON
Schema.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Text = Annotated[str, Field(pattern=r"\S")]
_TYPES = {"string": "string", "list": "array", "int": "integer", "bool": "boolean"}
_TYPES |= {"model": "object", "dict": "object"}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class EvidenceRow(_Strict):
    document: Text = Field(description="its id, as `rag list` prints it")
    sentence: Text = Field(
        description="verbatim, as `rag show DOCUMENT` prints it; a line break counts as a space"
    )


class QuestionRow(_Strict):
    id: Text = Field("", description="unique in the file; by default the line's number")
    question: Text
    answers: list[Text] = Field([], description="every accepted wording")
    evidence: list[EvidenceRow] = Field([], description="the sentences that answer")
    form: Literal[
        "span", "yes_no", "sentences", "steps", "list", "comparison", "overview", "catalogue"
    ] = Field("span", description="form of the answer")
    kind: Text = Field(
        "", description="type of the question (why, how_to, typo, ...), for breakdowns"
    )
    verdict: Literal["yes", "no"] = Field("yes", description="correct answer to a yes/no question")
    items: list[list[Text]] = Field([], description="accepted wordings of each list item")
    need: int = Field(
        0, description="items or evidence sentences in a useful answer; by default over half"
    )
    document: Text = Field("", description="the document that the question is about")
    unanswerable: bool = False
    reason: Literal["not_said", "needs_all"] = Field(
        "not_said", description="why it cannot be answered"
    )
    near: Text | None = Field(
        None, description="the document that nearly answers an unanswerable question"
    )
    group: Text = Field("", description="group for resampling; by default its first document")


def problem(value: Any) -> str | None:
    """The first problem of a line's value; None if it is valid."""
    try:
        QuestionRow.model_validate(value)
    except ValidationError as error:
        return _in_words(error.errors()[0])
    return None


def _in_words(found: Any) -> str:
    *above, last = found["loc"] or (None,)
    kind = found["type"]
    if kind == "missing":
        return f"{_name(above)} has no {last!r}"
    if kind == "extra_forbidden":
        known = EvidenceRow if above else QuestionRow
        fields = ", ".join(known.model_fields)
        return f"{_name(above)} has an unknown field {last!r} (known: {fields})"
    name = _name(found["loc"])
    if kind == "literal_error":
        expected = found["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
        return f"{name} is not one of {expected}"
    if kind == "string_pattern_mismatch":
        return f"{name} is empty"
    wanted = _TYPES.get(kind.removesuffix("_type"))
    return f"{name} is not of type {wanted}" if wanted else f"{name}: {found['msg']}"


def _name(place: Any) -> str:
    """Name of a place for messages: 'form', item 2 of 'items', item 1 of item 2 of 'items', or
    "it".
    """
    if not place:
        return "it"
    *above, last = place
    return f"item {last + 1} of {_name(above)}" if isinstance(last, int) else repr(last)

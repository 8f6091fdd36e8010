"""A message's JSON Schema (2020-12), with the words that a reader needs beside every field and code."""

from collections.abc import Iterator, Mapping
from inspect import cleandoc
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from contracts.refusals import MENDS
from contracts.vocabulary import EXCLUSION_WORDS, Care
from contracts.words import (
    CLR_TYPE_TEXTS,
    DIFFERENCE_TEXTS,
    FIELD_WORDS,
    KIND_TEXTS,
    PAYEE_TEXTS,
    REASON_TEXTS,
    STATUS_TEXTS,
    TAKEN_BACK_TEXTS,
)
from workers.contracts_book.messages import ENGLISH, Message

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_CODE_TEXTS: Final[tuple[Mapping[str, str], ...]] = (
    {reason.value: text for reason, text in REASON_TEXTS.items()},
    {kind.value: text for kind, text in KIND_TEXTS.items()},
    {status.value: text for status, text in STATUS_TEXTS.items()},
    {payee.value: text for payee, text in PAYEE_TEXTS.items()},
    {exclusion.value: word for word, exclusion in EXCLUSION_WORDS.items()},
    {refusal.value: mend.zh for refusal, mend in MENDS.items()},
    {clr_type.value: text for clr_type, text in CLR_TYPE_TEXTS.items()},
    {difference.value: text for difference, text in DIFFERENCE_TEXTS.items()},
    {why.value: text for why, text in TAKEN_BACK_TEXTS.items()},
    {care.value: care.value for care in Care},
)


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles that pydantic derives from field names: they say nothing that the name does not."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never."""
        return False


def schema_of(message: Message) -> dict[str, Any]:
    """The message's schema.

    Readers ignore fields that they do not know, whoever wrote them: a minor version may add optional ones. So no object
    is closed here, although what Yidan writes is checked against closed models in its own tests.
    """
    body = TypeAdapter(message.model).json_schema(schema_generator=_Untitled)
    definitions: dict[str, Any] = body.pop("$defs", {})
    root = str(body.get("title", ""))
    for name, definition in [(root, body), *definitions.items()]:
        _describe(name, definition)
    return {
        "$schema": DIALECT,
        "$id": f"urn:yidan:schema:{message.id}",
        "title": f"{message.zh} ({message.name})",
        "description": body.pop("description", "") + "\n\nUnknown fields are to be ignored. null means absent.",
        **{key: value for key, value in body.items() if key != "title"},
        "$defs": definitions,
        "examples": [dict(example) for example in message.examples],
    }


def _describe(model: str, definition: dict[str, Any]) -> None:
    definition.pop("additionalProperties", None) if "properties" in definition else None
    if model in ENGLISH:
        definition["description"] = ENGLISH[model]
    elif "description" in definition:
        definition["description"] = cleandoc(definition["description"])
    for name, field in definition.get("properties", {}).items():
        words = FIELD_WORDS.get(f"{model}.{name}") or FIELD_WORDS.get(name)
        if words is None:
            continue
        measure = field.pop("description", None)
        says = f"{words.en}. {measure}" if measure else words.en
        definition["properties"][name] = {"title": words.zh, "description": says, **field}
    for part in _parts(definition):
        part.pop("discriminator", None)  # OpenAPI's word, not JSON Schema's
        texts = _texts_of(part.get("enum", ()))
        if texts:
            part["x-enum-texts"] = texts


def _texts_of(codes: Any) -> dict[str, str]:
    for texts in _CODE_TEXTS:
        if codes and set(codes) <= texts.keys():
            return {code: texts[code] for code in codes}
    return {}


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for value in list(schema.values()):
            yield from _parts(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _parts(value)

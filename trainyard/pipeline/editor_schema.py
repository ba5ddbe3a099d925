"""The JSON schema of a recipe, for editors that complete and check YAML while one types."""

from __future__ import annotations

import json
from typing import Any

from trainyard.recipe_schema import Recipe

_Json = dict[str, Any]


def recipe_json_schema() -> str:
    """Writes the JSON schema, short forms included.

    Returns:
        JSON text (draft 2020-12).
    """
    schema = Recipe.model_json_schema(by_alias=True)
    definitions = schema["$defs"]
    for name, short_forms in _SHORT_FORMS.items():
        full = definitions[name]
        definitions[name] = {
            "description": full.get("description", ""),
            "anyOf": [*(form(full["properties"]) for form in short_forms), full],
        }
    described = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json.dumps(described, indent=2, ensure_ascii=False)


def _name_alone(properties: _Json) -> _Json:
    return {**properties["name"], "title": "the name alone"}


def _kind_alone(properties: _Json) -> _Json:
    return {**properties["kind"], "title": "the kind alone"}


def _text(properties: _Json) -> _Json:
    del properties
    return {"type": "string", "title": "a column, or an expression"}


def _column(properties: _Json) -> _Json:
    return {
        "type": "object",
        "title": "a column",
        "properties": {
            "column": {"type": "string"},
            "name": properties["name"],
            "positive": properties["positive"],
        },
        "anyOf": [{"required": ["column"]}, {"required": ["name"]}],
        "additionalProperties": False,
    }


def _nothing(properties: _Json) -> _Json:
    del properties
    return {"type": "null"}


# What the validators of recipe_schema let through besides the full form.
_SHORT_FORMS = {
    "Label": (_text, _column),
    "TableFeature": (_kind_alone, _nothing),
    "Optimizer": (_name_alone,),
    "Loss": (_name_alone,),
    "Schedule": (_name_alone,),
    "Distribution": (_name_alone,),
}

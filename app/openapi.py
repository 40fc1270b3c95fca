"""Completes the OpenAPI document: errors, binary formats, security, examples."""

import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel

from app.formats import Format
from app.http.bounded_route import Route
from app.problems import PROBLEM_MEDIA_TYPE
from app.schemas.common import Problem
from app.schemas.inference import InferenceRequest
from worker.store import Scope

Responses = dict[int | str, dict[str, Any]]

LINE_BREAK = re.compile(r"(?<!\n)\n(?!\n)")  # inside a paragraph
_PROBLEM_SCHEMA = {"$ref": "#/components/schemas/Problem"}
# Programs that write clients go by the older `format`.
BINARY_SCHEMA = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
_PICTURES = {
    Format.SVG: {"type": "string", "description": "A drawing in XML."},
    Format.PNG: {"type": "string", "contentMediaType": Format.PNG.value},
}
_TEXT = {
    "type": "string",
    "description": "Text that a spreadsheet would evaluate as a formula (`=`, `+`, `-` or `@` at its "
    "beginning or after `;`) is written with an apostrophe before that character; numbers are not changed. "
    "When a header is read, the apostrophe is removed from its names. Other formats hold text unchanged.",
}
_ADAPTIVE_IS_MIRROR = {
    "if": {
        "properties": {"temperature_schedule": {"const": "adaptive"}},
        "required": ["temperature_schedule"],
    },
    "then": {"properties": {"estimator": {"enum": ["auto", "mirror"]}}},
}
_KEY_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key with the scope given at each operation. A service on loopback, or on a "
    "network declared as trusted, needs a key only for the management of keys.",
}
_REQUEST_ID = {
    "description": "Id of the request in logs and errors.",
    "required": True,
    "schema": {"type": "string"},
}


def problems(*statuses: int) -> Responses:
    """Document error responses; 404 includes 410, for what was removed by retention."""
    if HTTPStatus.NOT_FOUND in statuses:
        statuses = (*statuses, HTTPStatus.GONE)
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {PROBLEM_MEDIA_TYPE: {"schema": _PROBLEM_SCHEMA}},
        }
        for status in statuses
    }


def array_response(model: type[BaseModel], formats: Sequence[Format], *, csv_example: str = "") -> Responses:
    """Document a 200 response in several formats; JSON has the schema of `model`."""
    content: dict[str, Any] = {
        option.value: binary_content(option, csv_example) for option in formats if option is not Format.JSON
    }
    return {200: {"model": model, "content": content, "description": "The format that `Accept` asks for."}}


def table_body(schema: dict[str, Any], formats: Sequence[Format], *, csv_example: str) -> dict[str, Any]:
    """Document a request body in several formats; JSON has the schema `schema`."""
    content: dict[str, Any] = {
        option.value: {"schema": schema} if option is Format.JSON else binary_content(option, csv_example)
        for option in formats
    }
    return {"requestBody": {"required": True, "content": content}}


def binary_content(option: Format, csv_example: str) -> dict[str, Any]:
    """Document a body in a format other than JSON."""
    if option is Format.CSV:
        return {"schema": _TEXT, "example": csv_example}
    return {"schema": _PICTURES.get(option, BINARY_SCHEMA)}


def install_documentation(app: FastAPI, *, demands_keys: bool) -> None:
    """Replace the `openapi` method of `app` by one that returns the completed document."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(
                get_openapi(
                    title=app.title, version=app.version, description=app.description, routes=app.routes
                ),
                needed_scopes(app),
                demands_keys=demands_keys,
            )
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def operation_id(route: APIRoute) -> str:
    """Name an operation as its function is named, such as `list_jobs`; generated clients call it so."""
    return f"{route.name}_of_version" if "{model_version}" in route.path_format else route.name


def needed_scopes(app: FastAPI) -> dict[tuple[str, str], Scope | None]:
    """Return the scope that each route needs, by method and path."""
    return {
        (method, str(context.path_format)): route.needed_scope
        for context in iter_route_contexts(app.routes)
        for method in context.methods or ()
        if isinstance(route := context.original_route, Route)
    }


def _complete(
    document: dict[str, Any], scopes: Mapping[tuple[str, str], Scope | None], *, demands_keys: bool
) -> dict[str, Any]:
    schemas = document["components"]["schemas"]
    for model in (Problem, InferenceRequest):  # not the type of any route's parameter
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs"))
        schemas[model.__name__] = schema
    for schema in schemas.values():
        _complete_schema(schema)
    _add_conditions(schemas)
    document["components"]["securitySchemes"] = {"key": _KEY_SCHEME}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, response in problems(*_refusals_of_any(path, operation)).items():
                operation["responses"].setdefault(str(status), response)
            _add_security(operation, scopes[method.upper(), path], demands_keys=demands_keys)
            _demand_path_parameters(operation)
            bodies = [operation.get("requestBody", {})]
            for response in operation["responses"].values():
                response.setdefault("headers", {})["X-Request-Id"] = _REQUEST_ID
                bodies.append(response)
            for body in bodies:
                for content in body.get("content", {}).values():
                    _add_example(content, schemas)
    return document


def _demand_path_parameters(operation: dict[str, Any]) -> None:
    """Describe path parameters as never null, which they are not, although a function may do without."""
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path" and "anyOf" in parameter["schema"]:
            parameter["schema"] |= parameter["schema"].pop("anyOf")[0]


def _refusals_of_any(path: str, operation: Mapping[str, Any]) -> Iterator[int]:
    """Yield the statuses by which the middleware may refuse any request."""
    yield HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    if "{" in path:
        yield HTTPStatus.BAD_REQUEST  # a control character in the path
    if "requestBody" in operation:
        yield HTTPStatus.REQUEST_TIMEOUT


def _add_security(operation: dict[str, Any], needed: Scope | None, *, demands_keys: bool) -> None:
    """Document the scope that an operation needs, and its responses 401, 403 and 429."""
    if needed is None:
        return
    is_optional = not demands_keys and needed is not Scope.ADMIN
    operation["security"] = [*([{}] if is_optional else []), {"key": [needed.value]}]
    for status, response in problems(401, 403, 429).items():
        operation["responses"][str(status)] = response


def _complete_schema(schema: Any) -> None:
    """Forbid properties that match no pattern, spell constants as choices, and join the lines of paragraphs.

    Pydantic does not document the first. Programs that write clients refuse whatever is no constant where a
    constant is one of several types.
    """
    parts = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    if isinstance(schema, dict) and "patternProperties" in schema:
        schema["additionalProperties"] = False
    if isinstance(schema, dict) and schema.get("type") == "string" and "const" in schema:
        schema["enum"] = [schema.pop("const")]
    if isinstance(schema, dict) and isinstance(text := schema.get("description"), str):
        schema["description"] = LINE_BREAK.sub(" ", text)
    for part in parts:
        _complete_schema(part)


def _add_conditions(schemas: dict[str, Any]) -> None:
    """Document the conditions between fields that the job's validators check."""
    schemas["AssignmentSettings"]["allOf"] = [
        _belongs("groups", to_init="user", of_type="object"),
        _belongs("model", to_init="model", of_type="string"),
        _ADAPTIVE_IS_MIRROR,
    ]
    # Not `anyOf`, which programs that write clients take for a choice of several objects.
    schemas["ModelSettings"]["allOf"] = [
        _as_many_ratios(3, {"not": {"required": ["levels"]}}),
        *(
            _as_many_ratios(
                levels,
                {
                    "properties": {
                        "levels": {
                            "anyOf": [
                                {"const": levels},
                                {"type": "array", "minItems": levels, "maxItems": levels},
                            ]
                        }
                    },
                    "required": ["levels"],
                },
            )
            for levels in range(1, 9)
        ),
    ]


def _as_many_ratios(levels: int, where: dict[str, Any]) -> dict[str, Any]:
    """Require as many ratios as levels, where there are so many and any ratio."""
    some = {"properties": {"compression_ratios": {"type": "array"}}, "required": ["compression_ratios"]}
    then = {"properties": {"compression_ratios": {"minItems": levels, "maxItems": levels}}}
    return {"if": {"allOf": [some, where]}, "then": then}


def _belongs(field: str, *, to_init: str, of_type: str) -> dict[str, Any]:
    """Require `field` with this `init`, and forbid it otherwise."""
    return {
        "if": {"properties": {"init": {"const": to_init}}, "required": ["init"]},
        "then": {"properties": {field: {"type": of_type}}, "required": [field]},
        "else": {"properties": {field: {"type": "null"}}},
    }


def _add_example(content: dict[str, Any], schemas: dict[str, Any]) -> None:
    schema = content.get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    example = _example_of(schemas[name], schemas) if name else schema.get("example")
    if example is not None:
        content.setdefault("example", example)


def _example_of(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """Return a schema's own example, or one built from its properties' examples."""
    if "example" in schema:
        return schema["example"]
    properties = schema.get("properties", {})
    parts: dict[str, Any] = {}
    for name, part in properties.items():
        item = part.get("items", {}).get("$ref", "").rpartition("/")[2]
        if part.get("examples"):
            parts[name] = part["examples"][0]
        elif item and "example" in schemas[item]:
            parts[name] = [schemas[item]["example"]]
    return parts or None

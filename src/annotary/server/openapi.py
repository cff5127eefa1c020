"""The OpenAPI document, made from the table of routes, and a page to browse it."""

from __future__ import annotations

import functools
import re
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import msgspec

from annotary.routes import ROUTES
from annotary.server.requests import Endpoint
from annotary.service.annotations import AnnotationService
from annotary.service.assets import AssetService
from annotary.service.exports import ExportService
from annotary.service.history import ChangeService, SnapshotService, TrashService
from annotary.service.imports import ImportService
from annotary.service.metadata import LogService, MetadataService
from annotary.service.multipart import MultipartService
from annotary.service.objects import ObjectService
from annotary.service.operations import OperationService
from annotary.service.projects import ProjectService, WorkspaceService
from annotary.service.tags import OntologyService, TagService
from annotary.service.uploads import UploadService


class Error(msgspec.Struct):
    """What went wrong, and how to mend it."""

    code: str
    message: str
    hint: str | msgspec.UnsetType = msgspec.UNSET


_REFERENCE = "#/components/schemas/{name}"


@functools.cache
def document() -> bytes:
    """The document (OpenAPI 3.1) as JSON."""
    endpoints = [Endpoint(route) for route in ROUTES.values()]
    types: list[Any] = [Error]
    for each in endpoints:
        types.append(each.route.response)
        types += [each.types[name] for name in each.types]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    known = dict(zip(map(repr, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for each in endpoints:
        item = paths.setdefault(each.route.path, {})
        item[each.route.method.lower()] = _operation(each, known)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "Annotary", "version": version("annotary"), "description": _TEXT},
            "security": [{"key": []}],
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {
                    "key": {"type": "apiKey", "in": "header", "name": "Secret-Key"}
                },
            },
        }
    )


def page() -> bytes:
    """A page that shows the document; it needs nothing from elsewhere."""
    return files("annotary.server").joinpath("docs.html").read_bytes()


_TEXT = (
    "The store for image annotations. Every call needs a secret key in the header Secret-Key. "
    "What writes takes an Idempotency-Key: a repeat within an hour gets the first answer again."
)


def _operation(each: Endpoint, known: dict[str, Any]) -> dict[str, Any]:
    route = each.route
    noun, _, verb = route.name.partition(".")
    parameters: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": known[repr(each.types[name])] | ({"minLength": 1} if name else {}),
        }
        for name in each.path_names
    ]
    for name, field in each.query.items():
        schema = known[repr(each.types[field.name])]
        is_list = schema.get("type") == "array"
        parameters.append(
            {
                "name": f"{name}[]" if is_list else name,
                "in": "query",
                "required": field.required,
                "schema": _without_null(schema),
                **({"style": "form", "explode": True} if is_list else {}),
            }
        )
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": _summary(route.name),
        "description": f"For the role {route.role} and above."
        + (" Beyond the public client." if route.addition else ""),
        "tags": [noun],
        "parameters": parameters,
        "responses": {
            "200": _json(known[repr(route.response)], verb),
            "default": _json(known[repr(Error)], "An error."),
        },
    }
    if each.takes_body:
        operation["requestBody"] = {
            "required": True,
            **_json(_without_null(known[repr(each.body_type)]), ""),
        }
        del operation["requestBody"]["description"]
    return operation


def _json(schema: Any, text: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that may be left out is not ``null`` when it is given."""
    options = schema.get("anyOf")
    if options is None:
        return schema
    rest = [each for each in options if each != {"type": "null"}]
    bare = {k: v for k, v in schema.items() if k not in {"anyOf", "default"}}
    return {**bare, **rest[0]} if len(rest) == 1 else {**bare, "anyOf": rest}


def _summary(name: str) -> str:
    """The first sentence of what the service says of the call."""
    noun, _, verb = name.partition(".")
    text = (getattr(_PARTS[noun], verb).__doc__ or "").strip()
    return " ".join(re.split(r"(?<=\.)\s|\n\n", text)[0].split())


_PARTS: dict[str, type] = {
    "workspace": WorkspaceService,
    "projects": ProjectService,
    "annotations": AnnotationService,
    "objects": ObjectService,
    "assets": AssetService,
    "metadata": MetadataService,
    "logs": LogService,
    "uploads": UploadService,
    "multipart": MultipartService,
    "tags": TagService,
    "ontologies": OntologyService,
    "operations": OperationService,
    "imports": ImportService,
    "exports": ExportService,
    "changes": ChangeService,
    "snapshots": SnapshotService,
    "trash": TrashService,
}

"""The API as an OpenAPI document, for validators, generators of clients, and testers."""

from typing import Any

from django.conf import settings

_JSON = "application/json"


def document() -> dict[str, Any]:
    """Return the document, in OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "kerasqueeze",
            "summary": "Classifies photos.",
            "version": settings.VERSION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": {
            "/api/v1/predict": {"post": _predict()},
            "/api/v1/openapi.json": {"get": _get("openapi", "This document.", {"type": "object"})},
            "/healthz": {"get": _get("healthz", "Whether the process answers.", _ref("Health"))},
            "/readyz": {"get": _ready()},
        },
        "components": {"schemas": _schemas()},
    }


def _predict() -> dict[str, Any]:
    most = settings.MAX_UPLOAD >> 20
    photos = {
        "type": "array",
        "items": {"type": "string", "format": "binary", "minLength": 1},
        "minItems": 1,
        "maxItems": settings.MAX_PHOTOS,
        "description": "JPEG, PNG, WEBP, AVIF, GIF, BMP or TIFF, told by content.",
    }
    content = {"schema": {"type": "object", "required": ["photo"], "properties": {"photo": photos}}}
    return {
        "operationId": "predict",
        "summary": "The five most probable classes of one or several photos.",
        "description": f"Nothing is stored. All photos are classified or none; together {most} MiB at most.",
        "requestBody": {"required": True, "content": {"multipart/form-data": content}},
        "responses": {
            "200": _answer("What the network says, in the order of the photos.", _ref("Predictions")),
            "400": _error("The request is damaged, has no photo or too many of them."),
            "413": _error("More bytes than are taken."),
            "415": _error("No multipart/form-data, or a file that is no photo."),
            "422": _error("A photo that is damaged, or has too many pixels."),
            "429": _error("More photos a minute than one address may send.", wait=True),
            "503": _error("Too much to do.", wait=True),
        },
    }


def _get(name: str, summary: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "responses": {"200": _answer(summary, schema)},
    }


def _ready() -> dict[str, Any]:
    found = _get("readyz", "Whether photos can be sent.", _ref("Readiness"))
    not_ready = _answer("Not yet, or not any more.", _ref("Readiness"))
    found["responses"]["503"] = {**not_ready, "headers": _retry_after()}
    return found


def _answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {_JSON: {"schema": schema}}}


def _error(description: str, wait: bool = False) -> dict[str, Any]:
    found = _answer(description, _ref("Error"))
    return {**found, "headers": _retry_after()} if wait else found


def _retry_after() -> dict[str, Any]:
    return {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(properties),
        "properties": properties,
        "additionalProperties": False,
    }


def _schemas() -> dict[str, Any]:
    share = {"type": "number", "minimum": 0, "maximum": 1}
    text = {"type": "string"}
    one_class = _object(**{"class": {"type": "integer", "minimum": 0}, "label": text, "probability": share})
    top = {"type": "array", "items": _ref("Class"), "minItems": 1, "maxItems": 5}
    return {
        "Class": one_class,
        "Prediction": _object(
            top=top, sure={"type": "boolean", "description": "Whether the first is probable enough."}
        ),
        "Predictions": _object(
            model=text,
            threshold=share,
            results={"type": "array", "items": _ref("Prediction"), "minItems": 1},
            seconds={"type": "number", "minimum": 0},
        ),
        "Error": _object(error=_object(code=text, message=text)),
        "Health": _object(status={"const": "ok"}),
        "Readiness": _object(status={"enum": ["ok", "not ready"]}, network=text, database=text),
    }

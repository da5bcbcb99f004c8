"""`/openapi.json`: all that a client needs to know, in one document."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel

from gingham import __version__
from gingham.serve.bodies import JsonImages
from gingham.serve.schemas import ERRORS

__all__ = ["BODIES_OF_PREDICT", "DocumentedApp", "body_of"]

REFERENCES = "#/components/schemas/{model}"
IMAGE_TYPES = ("jpeg", "png", "webp", "gif", "bmp", "tiff", "avif")
FILE = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
FORM = {
    "type": "object",
    "properties": {
        "image": {
            "type": "array",
            "items": FILE,
            "minItems": 1,
            "description": "Image files with their names; the field may have any name",
        },
        "top_k": {"type": "integer", "minimum": 1, "description": "As the parameter, which goes before it"},
        "return_features": {
            "type": "string",
            "description": "`true` or `false`, as the parameter",
            "examples": ["true"],
        },
    },
    "required": ["image"],
}


def body_of(media_type: str, model: type[BaseModel]) -> dict[str, Any]:
    """Return the description of a request's body that a route reads by itself."""
    schema = model.model_json_schema(ref_template=REFERENCES)
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


BODIES_OF_PREDICT = body_of("application/json", JsonImages)
BODIES_OF_PREDICT["requestBody"]["content"] |= {
    "multipart/form-data": {"schema": FORM},
    **{kind: {"schema": FILE} for kind in ("application/octet-stream", *(f"image/{name}" for name in IMAGE_TYPES))},
}


class DocumentedApp(FastAPI):
    """An application whose document says what the guard around it asks for."""

    def __init__(self) -> None:
        super().__init__(
            title="Gingham",
            version=__version__,
            description="Predicts the class of images. Every answer carries the header X-Request-Id, by which the "
            'access log knows it; every error has the body `{"error": {"reason": …, "message": …}}`.',
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
            responses=ERRORS,
            generate_unique_id_function=_operation,
        )

    def openapi(self) -> dict[str, Any]:
        """Return the document."""
        if not self.openapi_schema:
            document = super().openapi()
            schemas = document["components"]["schemas"]
            for path in document["paths"].values():
                for operation in path.values():
                    for content in operation.get("requestBody", {}).get("content", {}).values():
                        schemas |= content["schema"].pop("$defs", {})
            document["components"]["securitySchemes"] = {
                "token": {"type": "http", "scheme": "bearer", "description": "Where the service was given a token"}
            }
            document["security"] = [{}, {"token": []}]
        return self.openapi_schema or {}


def _operation(route: APIRoute) -> str:
    return f"v2_{route.name}" if route.path.startswith("/v2") else route.name

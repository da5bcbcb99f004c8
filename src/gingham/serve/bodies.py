"""From the body of a request to the images in it, under the caps."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from gingham.serve.refusal import Refusal

__all__ = ["Bodies", "Images", "JsonImages", "from_base64", "images_of", "validated"]

Model = TypeVar("Model", bound=BaseModel)

SLOWEST = 10_000
"""Bytes a second: who sends slower than this runs out of time."""
FIELDS = 8
"""Most form fields beside the files."""


class JsonImages(BaseModel):
    """Images in a JSON body."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"images": ["iVBORw0KGgo="], "top_k": 3}]}
    )

    images: list[str] = Field(min_length=1, description="Image files, base64")
    top_k: int | None = Field(None, ge=1, description="Only so many classes, the most probable first; null: all")
    return_features: bool = Field(False, description="Whether the answers carry the features")


@dataclass
class Images:
    """The images of a request, and what is asked of them.

    Parameters
    ----------
    names : list of str or None
        As the client calls them.
    files : list of bytes
    """

    names: list[str | None]
    files: list[bytes]
    top_k: int | None = None
    return_features: bool = False


@dataclass
class Bodies:
    """What all bodies that are being read or worked on take together.

    Parameters
    ----------
    largest : int
        Bytes of one body.
    together : int
        Bytes of all.
    seconds : float
        In which a body must arrive, and one more for each 10 kB of it.
    """

    largest: int
    together: int
    seconds: float
    held: int = field(default=0, init=False)

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """Read a body, and count it until it is let go.

        Raises
        ------
        Refusal
            413 over the cap, 415 for a content encoding, 408 for a body that is too slow, 503 where all bodies together
            are too large.
        ClientDisconnect
        """
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise Refusal(415, "unsupported_encoding", "The body is compressed; send it as it is.")
        length = request.headers.get("content-length", "0")
        if int(length if length.isdecimal() else 0) > self.largest:
            raise self._too_large()
        parts: list[bytes] = []
        size = 0
        try:
            try:
                async with asyncio.timeout(self.seconds) as deadline:
                    start = deadline.when() or 0
                    async for part in request.stream():
                        parts.append(part)
                        size += len(part)
                        self.held += len(part)
                        if size > self.largest:
                            raise self._too_large()
                        if self.held > self.together:
                            raise Refusal(503, "overloaded", "Too much is being sent at once.", {"Retry-After": "1"})
                        deadline.reschedule(start + size / SLOWEST)
            except TimeoutError:
                raise Refusal(408, "too_slow", "The body did not arrive in time.", {"Connection": "close"}) from None
            yield b"".join(parts)
        finally:
            self.held -= size

    def _too_large(self) -> Refusal:
        return Refusal(413, "too_large", f"The body has more than {self.largest:,} bytes, which is the most allowed.")


async def images_of(request: Request, body: bytes, most: int) -> Images:
    """Find the images in a body: a form, JSON, or one image as it is.

    Parameters
    ----------
    request : Request
    body : bytes
    most : int
        Images in one request.

    Raises
    ------
    Refusal
        415 for another content type, 413 for too many images, 422 for a body that is not what it says.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _of_form(request, body, most)
    if kind == "application/json":
        return await _of_json(body, most)
    if kind == "application/octet-stream" or kind.startswith("image/"):
        if not body:
            raise Refusal(422, "empty", "The body is empty. Send the bytes of an image file.")
        return Images([None], [body])
    raise Refusal(
        415,
        "unsupported_media_type",
        f"The content type is {kind[:80] or 'missing'}. Send multipart/form-data with files, application/json with "
        "base64 images, or the bytes of one image as image/jpeg, image/png … or application/octet-stream.",
    )


class _InMemory(MultiPartParser):
    """The body is in memory and under its cap: nothing of it goes to the disk."""

    spool_max_size = 1 << 62


async def _of_form(request: Request, body: bytes, most: int) -> Images:
    async def whole() -> AsyncGenerator[bytes, None]:
        yield body

    found = Images([], [])
    try:
        form = await _InMemory(request.headers, whole(), max_files=most, max_fields=FIELDS).parse()
        fields = {}
        for name, value in form.multi_items():
            if isinstance(value, str):
                fields[name] = value
            else:
                found.names.append(value.filename)
                found.files.append(await value.read())
                await value.close()
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            raise _too_many(most) from None
        raise Refusal(422, "bad_form", f"The form cannot be read: {error.message}") from None
    except (ValueError, LookupError) as error:  # a charset that is none, bytes that are not in it
        raise Refusal(422, "bad_form", f"The form cannot be read: {error}.") from None
    if not found.files:
        raise Refusal(422, "empty", "The form has no file. Send one or more, as with `curl -F image=@photo.jpg`.")
    options = validated(JsonImages, {"images": [""], **{n: v for n, v in fields.items() if n in OPTIONS}})
    found.top_k, found.return_features = options.top_k, options.return_features
    return found


OPTIONS = ("top_k", "return_features")


async def _of_json(body: bytes, most: int) -> Images:
    asked = await asyncio.to_thread(validated, JsonImages, body) if len(body) > 1 << 20 else validated(JsonImages, body)
    if len(asked.images) > most:
        raise _too_many(most)
    files = [from_base64(text, f"images[{place}]") for place, text in enumerate(asked.images)]
    return Images([None] * len(files), files, asked.top_k, asked.return_features)


def from_base64(text: str, where: str) -> bytes:
    """Decode base64 strictly.

    Raises
    ------
    Refusal
        422 for anything else, such as an address: this service fetches nothing.
    """
    try:
        data = base64.b64decode(text.encode("ascii", "replace"), validate=True)
    except (binascii.Error, ValueError):
        hint = " This service takes no addresses." if "://" in text[:80] or text[:5] in ("file:", "data:") else ""
        raise Refusal(422, "bad_base64", f"{where} is not base64.{hint} Send the bytes of the file, base64.") from None
    if not data:
        raise Refusal(422, "empty", f"{where} is empty.")
    return data


def _too_many(most: int) -> Refusal:
    return Refusal(413, "too_many_images", f"This service takes at most {most} images in one request.")


def validated(model: type[Model], given: bytes | dict[str, object]) -> Model:
    """Check a body against a model.

    Raises
    ------
    Refusal
        422, naming the first thing that is wrong.
    """
    try:
        return model.model_validate_json(given) if isinstance(given, bytes) else model.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Refusal(422, "bad_request", f"{where or 'The body'}: {first['msg']}.") from None

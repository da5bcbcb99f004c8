"""From the body of a request to the images in it, under the caps."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request

from gingham.errors import did_you_mean
from gingham.serve.form import FormError, parts_of
from gingham.serve.refusal import Refusal

__all__ = [
    "PIXEL",
    "VALUES",
    "Bodies",
    "Images",
    "JsonImages",
    "Options",
    "from_base64",
    "images_of",
    "options_of",
    "parsed",
    "validated",
]

Model = TypeVar("Model", bound=BaseModel)
Parsed = TypeVar("Parsed")

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4//8/AAX+Av4N70a4AAAAAElFTkSuQmCC"
"""An image of one white pixel, a PNG in base64: an example that works."""
SLOWEST = 10_000
"""Bytes a second: who sends slower than this runs out of time."""
FIELDS = 8
"""Most form fields beside the files."""
LARGE = 1 << 20
"""Bytes from which on it takes longer to parse a body than others should wait."""
VALUES = 1 << 20
"""Most values in a JSON body, lists and objects included: each takes far more memory and time than its few bytes."""


class Options(BaseModel):
    """What is asked of a prediction: in the query, in a form or in a JSON body."""

    model_config = ConfigDict(extra="forbid")

    top_k: int | None = Field(None, ge=1, description="Only so many classes, the most probable first; null: all")
    return_features: bool = Field(False, description="Whether the answers carry the features")


class JsonImages(Options):
    """Images in a JSON body."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"images": [PIXEL], "top_k": 3}]})

    images: list[Annotated[str, Field(json_schema_extra={"contentEncoding": "base64"})]] = Field(
        min_length=1, description="Image files"
    )


@dataclass
class Images:
    """The images of a request, and what is asked of them.

    Parameters
    ----------
    names : list of str or None
        As the client calls them.
    files : list of bytes
    options : Options
    """

    names: list[str | None]
    files: list[bytes]
    options: Options


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
            body = b"".join(parts)
            parts.clear()
            yield body
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
        return _of_form(body, request.headers["content-type"], most)
    if kind == "application/json":
        return await parsed(body, lambda body: _of_json(body, most))
    if kind == "application/octet-stream" or kind.startswith("image/"):
        if not body:
            raise Refusal(422, "empty", "The body is empty. Send the bytes of an image file.")
        return Images([None], [body], Options())
    raise Refusal(
        415,
        "unsupported_media_type",
        f"The content type is {kind[:80] or 'missing'}. Send multipart/form-data with files, application/json with "
        "base64 images, or the bytes of one image as image/jpeg, image/png … or application/octet-stream.",
    )


def _of_form(body: bytes, content_type: str, most: int) -> Images:
    try:
        parts = parts_of(body, content_type, most + FIELDS)
    except FormError as error:
        raise Refusal(422, "bad_form", f"The form cannot be read: {error}.") from None
    fields = {part.name: part.content.decode("utf-8", "replace") for part in parts if part.filename is None}
    files = [part for part in parts if part.filename is not None]
    if len(files) > most:
        raise _too_many(most)
    if len(parts) - len(files) > FIELDS:
        raise Refusal(422, "bad_form", f"The form has more than {FIELDS} fields beside its files.")
    if not files:
        raise Refusal(422, "empty", "The form has no file. Send one or more, as with `curl -F image=@photo.jpg`.")
    return Images([part.filename for part in files], [part.content for part in files], options_of(fields))


def _of_json(body: bytes, most: int) -> Images:
    asked = validated(JsonImages, body)
    if len(asked.images) > most:
        raise _too_many(most)
    files = [from_base64(text, f"images[{place}]") for place, text in enumerate(asked.images)]
    return Images([None] * len(files), files, asked)


def options_of(given: Mapping[str, str]) -> Options:
    """Read the options in a query or a form.

    Raises
    ------
    Refusal
        422 for a value that is none, or a name that is not known.
    """
    return validated(Options, given)


async def parsed(body: bytes, parse: Callable[[bytes], Parsed]) -> Parsed:
    """Parse a body; a large one in a thread, so that others are answered meanwhile."""
    return await asyncio.to_thread(parse, body) if len(body) > LARGE else parse(body)


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
        raise Refusal(422, "bad_base64", f"{where} is not base64.{_hint(text[:200])}") from None
    if not data:
        raise Refusal(422, "empty", f"{where} is empty.")
    return data


def _hint(start: str) -> str:
    if start.startswith("data:"):
        return " Leave out what comes before the comma."
    if "://" in start or start.startswith("file:"):
        return " This service fetches nothing: send the bytes of the file, base64."
    if any(character.isspace() for character in start):
        return " Leave out line breaks, as `base64 --wrap=0` does."
    if "-" in start or "_" in start:
        return " Its alphabet is the usual one, with + and /."
    return " Send the bytes of the file, base64."


def _too_many(most: int) -> Refusal:
    return Refusal(413, "too_many_images", f"This service takes at most {most} images in one request.")


def validated(model: type[Model], given: bytes | Mapping[str, object], values: int = VALUES) -> Model:
    """Check a body against a model: JSON strictly, the texts of a form as what they mean.

    Parameters
    ----------
    model : type
    given : bytes or mapping
    values : int
        Most values in JSON.

    Raises
    ------
    Refusal
        422, naming the first thing that is wrong; 413 for too many values.
    """
    try:
        if not isinstance(given, bytes):
            return model.model_validate(dict(given))
        if sum(map(given.count, (b",", b"[", b"{"))) > values:
            raise Refusal(413, "too_large", f"The body has more than {values:,} values, which is the most allowed.")
        return model.model_validate_json(given, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))[:80]
        if first["type"] == "extra_forbidden":
            meant, known = did_you_mean(where, model.model_fields), ", ".join(model.model_fields)
            raise Refusal(422, "bad_request", f"There is no option {where!r}.{meant} Known: {known}.") from None
        raise Refusal(422, "bad_request", f"{where or 'The body'}: {first['msg']}.") from None

"""What is deployed: a model, and what every file of a deployment says of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from gingham.deploy.naming import checked_name, name_of
from gingham.errors import UnavailableError, UsageError
from gingham.export import ModelInfo, Predictor
from gingham.records import content_hash, display_path

__all__ = ["Subject"]

PLAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
"""What may stand unquoted in every file, and as the value of a label."""
_PART = r"[a-z0-9]+([._-]+[a-z0-9]+)*"
REPOSITORY = re.compile(rf"({_PART}(:[0-9]+)?/)?{_PART}(/{_PART})*")


@dataclass(frozen=True)
class Subject:
    """A model that is to be deployed.

    Parameters
    ----------
    path : Path
    content : bytes
        Of the model file.
    info : ModelInfo
    model_id : str
        BLAKE2b-128 of the content.
    name : str
        Of the deployment.
    image : str
        Of the container, with its registry and without a tag.
    """

    path: Path
    content: bytes
    info: ModelInfo
    model_id: str
    name: str
    image: str

    @property
    def run_id(self) -> str:
        """The run it came from; empty where the model file does not say, or says anything but an id."""
        return self.info.run_id if PLAIN.fullmatch(self.info.run_id) else ""

    @classmethod
    def of(cls, model: Path, name: str | None, image: str | None) -> Subject:
        """Read a model file, and find out that it can be served.

        Raises
        ------
        UnavailableError
            If there is no such file, or it is being replaced.
        DataError
            If it is no model of Gingham's, or one that cannot be served.
        UsageError
            For a name or an image that can be none.
        """
        predictor = Predictor(model)
        name = name_of(predictor.labels) if name is None else checked_name(name)
        if image is not None and not REPOSITORY.fullmatch(image):
            raise UsageError(
                f"{image!r} is no name of an image: small letters, as in registry.example.org/team/{name}, and no tag, "
                "which is made from what is in the image."
            )
        content = model.read_bytes()
        if content_hash(content) != predictor.digest:
            raise UnavailableError(f"{display_path(str(model))} changed while it was read. Type the same once more.")
        return cls(model, content, predictor.info, predictor.digest, name, image or name)

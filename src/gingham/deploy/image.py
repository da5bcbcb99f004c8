"""The files from which a container image is built."""

from __future__ import annotations

import hashlib
import sys

from gingham import __version__
from gingham.deploy.rendering import rendered
from gingham.deploy.requirements import pinned
from gingham.deploy.subject import Subject
from gingham.deploy.wheel import installed_wheel

__all__ = ["image_files"]

HEALTHCHECK = (
    "import http.client, os; "
    "c = http.client.HTTPConnection('127.0.0.1', int(os.environ['GINGHAM_SERVICE__PORT']), timeout=2); "
    "c.request('GET', '/health/live'); raise SystemExit(c.getresponse().status != 200)"
)
"""urllib would go through a proxy that the environment names."""
TAG_LENGTH = 12


def image_files(subject: Subject) -> tuple[dict[str, bytes], dict[str, object]]:
    """Return the files of an image, and what the other files of a deployment say of it.

    Parameters
    ----------
    subject : Subject

    Returns
    -------
    files : dict of str to bytes
    values : dict
        For templates. ``tag`` is a hash of all that is in the image.

    Raises
    ------
    UnavailableError
        If a package that the image needs is not installed here.
    """
    wheel = installed_wheel()
    values: dict[str, object] = {
        "version": __version__,
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "wheel": wheel.name,
        "healthcheck": ["python", "-c", HEALTHCHECK],
        "name": subject.name,
        "image": subject.image,
        "model_id": subject.model_id,
        "run_id": subject.run_id,
        "n_classes": len(subject.info.labels),
    }
    files = {
        "requirements.txt": ("\n".join(pinned()) + "\n").encode(),
        wheel.name: wheel.content,
        "model.onnx": subject.content,
    }
    digest = hashlib.sha256()
    for name, content in sorted(files.items() | {("Dockerfile", rendered("Dockerfile", values | {"tag": ""}))}):
        digest.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
    values["tag"] = digest.hexdigest()[:TAG_LENGTH]
    files["Dockerfile"] = rendered("Dockerfile", values)
    files[".dockerignore"] = rendered("dockerignore", values)
    return files, values

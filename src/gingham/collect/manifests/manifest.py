"""A manifest: a text file of the package that lists the images of a public dataset, with their terms and sizes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from urllib.parse import quote

from gingham.collect.records import Link, Provenance
from gingham.errors import UsageError, did_you_mean

__all__ = ["Manifest", "manifest", "manifest_names"]

SUFFIX = ".tsv"


@dataclass(frozen=True)
class Manifest:
    """The images of a public dataset.

    Parameters
    ----------
    name : str
    title : str
    base : str
        Address below which the images lie, with a slash at its end.
    provenance : Provenance
        Of every image.
    images : tuple of (str, int)
        Path below ``base``, ``split/label/file``, and size in bytes.
    """

    name: str
    title: str
    base: str
    provenance: Provenance
    images: tuple[tuple[str, int], ...]

    @property
    def size(self) -> int:
        """Of all images together, in bytes."""
        return sum(size for _, size in self.images)

    def url(self, path: str) -> str:
        """Return the address of an image."""
        return self.base + quote(path)

    def links(self) -> Iterator[Link]:
        """Yield a link for each image."""
        for path, _ in self.images:
            yield Link(path.split("/")[1], self.url(path), self.provenance)

    def splits(self) -> dict[str, str]:
        """Return the side that each image was given by the makers, ``train``, ``val`` or ``test``, by address."""
        return {self.url(path): path.split("/")[0].replace("validation", "val") for path, _ in self.images}


def manifest_names() -> tuple[str, ...]:
    """Return the names of the datasets that are known.

    >>> manifest_names()
    ('clothing',)
    """
    entries = files("gingham.collect.manifests").iterdir()
    return tuple(sorted(each.name.removesuffix(SUFFIX) for each in entries if each.name.endswith(SUFFIX)))


def manifest(name: str, mirror: str = "") -> Manifest:
    """Read a manifest.

    Parameters
    ----------
    name : str
    mirror : str
        Another address below which the same images lie.

    Raises
    ------
    UsageError
        If there is none of this name.

    >>> known = manifest("clothing")
    >>> len(known.images), known.provenance.licence
    (2147, 'cc0')
    """
    names = manifest_names()
    if name not in names:
        raise UsageError(f"There is no dataset {name}.{did_you_mean(name, names)} Known are: {', '.join(names)}.")
    text = files("gingham.collect.manifests").joinpath(f"{name}{SUFFIX}").read_text("utf-8")
    lines = text.splitlines()
    about = dict(line.removeprefix("# ").split(": ", 1) for line in lines if line.startswith("# "))
    rows = [line.split("\t") for line in lines if not line.startswith("#")][1:]
    title, creator = about["title"], about["creator"]
    return Manifest(
        name,
        title,
        f"{mirror.rstrip('/')}/" if mirror else about["base"],
        Provenance(
            provider=name,
            query="",
            page=about["page"],
            title=title,
            creator=creator,
            creator_url="",
            licence=about["licence"],
            licence_version=about["licence_version"],
            licence_url=about["licence_url"],
            attribution=f'"{title}" by {creator}, {about["licence"].upper()} {about["licence_version"]}.',
        ),
        tuple((path, int(size)) for path, size in rows),
    )

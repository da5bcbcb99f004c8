"""What a container installs beside Gingham: the packages that serving needs, in the versions that are here."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gingham.deploy.wheel import distribution
from gingham.errors import UnavailableError

if TYPE_CHECKING:
    from packaging.requirements import Requirement

__all__ = ["pinned"]

EXTRA = "serve"
LINUX_MACHINES = {"arm64": "aarch64", "ARM64": "aarch64", "AMD64": "x86_64"}
"""What Linux calls processors for which macOS and Windows have other names."""


def pinned() -> tuple[str, ...]:
    """Return the packages of the extra ``serve`` and all that they need, as lines of a requirements file.

    Conditions (environment markers) are those of a Linux container with the Python and the processor that run here.

    Returns
    -------
    tuple of str
        ``name==version``, in the order of the names. Only what Linux needs and this system cannot have, such as uvloop
        where this is Windows, is left in the range that is allowed.

    Raises
    ------
    UnavailableError
        If one of them is not installed here, so that nobody knows the version that works.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name
    from packaging.version import Version

    everything = [Requirement(text) for text in distribution().requires or ()]
    waiting = [need for need in everything if _applies(need, [EXTRA]) and not _applies(need, ())]
    if not waiting:
        raise UnavailableError(
            f"This installation of Gingham does not know its extra `{EXTRA}`: it is older than its files. "
            "Install it again: pip install -e FOLDER-OF-GINGHAM"
        )
    lines: dict[str, str] = {}
    seen: set[str] = set()
    while waiting:
        need = waiting.pop()
        if str(need) in seen:
            continue
        seen.add(str(need))
        name = canonicalize_name(need.name)
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            if need.marker is None or need.marker.evaluate({"extra": EXTRA}):
                raise UnavailableError(
                    f"{need.name} is not installed here, so nobody knows which version of it the container needs. "
                    f'Install it: pip install "gingham[{EXTRA}]"; in a checkout whose pyproject.toml has changed: '
                    "pip install -e FOLDER-OF-GINGHAM"
                ) from None
            lines[name] = f"{name}{need.specifier}"
        else:
            lines[name] = f"{name}=={Version(found.version).public}"
            waiting += [each for each in map(Requirement, found.requires or ()) if _applies(each, sorted(need.extras))]
    return tuple(lines[name] for name in sorted(lines))


def _applies(need: Requirement, extras: Iterable[str]) -> bool:
    """Whether a package is needed in the container, by what has these extras."""
    if need.marker is None:
        return True
    machine = platform.machine()
    container = {
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": machine if sys.platform == "linux" else LINUX_MACHINES.get(machine, machine),
    }
    return any(need.marker.evaluate(container | {"extra": extra}) for extra in ["", *extras])

"""Which providers there are, by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from gingham.collect.providers.provider import Provider
from gingham.config.tables import Collection
from gingham.errors import ConfigError, did_you_mean

__all__ = ["Factory", "create_provider", "provider_names", "register_provider"]

_OWN = ("flickr", "openverse", "wikimedia")


class Factory(Protocol):
    """What makes a provider, usually its class."""

    def __call__(self, settings: Collection, environment: Mapping[str, str], *, base: str = ...) -> Provider:
        """Make it from the `[collection]` table, the variables that hold keys, and its base address if another."""
        ...


AnyFactory = TypeVar("AnyFactory", bound=Factory)
_REGISTRY: dict[str, Factory] = {}


def register_provider(name: str) -> Callable[[AnyFactory], AnyFactory]:
    """Register what makes a provider.

    Raises
    ------
    ValueError
        If the name is taken.
    """

    def register(factory: AnyFactory) -> AnyFactory:
        if name in _REGISTRY:
            raise ValueError(f"the provider {name} is registered already, by {_REGISTRY[name]!r}")
        _REGISTRY[name] = factory
        return factory

    return register


def provider_names() -> tuple[str, ...]:
    """Return the names of all providers.

    >>> provider_names()
    ('flickr', 'openverse', 'wikimedia')
    """
    for module in _OWN:  # each registers itself when it is first imported
        importlib.import_module(f"gingham.collect.providers.{module}")
    return tuple(sorted(_REGISTRY))


def create_provider(
    name: str, settings: Collection, environment: Mapping[str, str] | None = None, *, base: str | None = None
) -> Provider:
    """Make a provider by its name.

    Parameters
    ----------
    name : str
    settings : Collection
        The `[collection]` table.
    environment : mapping of str to str, optional
        Where keys are.
    base : str, optional
        Another address than its own: of a mirror, or a test.

    Raises
    ------
    ConfigError
        If there is none of this name; names those that are.
    """
    known = provider_names()
    if name not in _REGISTRY:
        raise ConfigError(
            f"--providers names `{name}`, which is not there. There are {', '.join(known)}.{did_you_mean(name, known)}"
        )
    factory = _REGISTRY[name]
    return factory(settings, environment or {}) if base is None else factory(settings, environment or {}, base=base)

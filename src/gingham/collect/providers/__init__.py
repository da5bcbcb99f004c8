"""Where images are searched for: one module a provider, found by its name in the registry."""

from gingham.collect.providers.asking import Manners
from gingham.collect.providers.provider import Found, Provider, ProviderError, provenance
from gingham.collect.providers.registry import create_provider, provider_names, register_provider

__all__ = [
    "Found",
    "Manners",
    "Provider",
    "ProviderError",
    "create_provider",
    "provenance",
    "provider_names",
    "register_provider",
]

"""The address of a service, taken apart and checked once."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from gingham.errors import UsageError
from gingham.records import display_path

__all__ = ["Address"]

PORTS = {"http": 80, "https": 443}
EXAMPLE = "Give an address such as http://127.0.0.1:8000 or https://example.org/models/cats."


@dataclass(frozen=True)
class Address:
    """Where a service is.

    Parameters
    ----------
    scheme : {"http", "https"}
    host : str
        A name in ASCII, or the number of an address without brackets.
    port : int
    prefix : str
        In front of the service's own paths: empty, or beginning with a slash and not ending in one.
    """

    scheme: str
    host: str
    port: int
    prefix: str = ""

    @classmethod
    def of(cls, url: str) -> Address:
        """Take a URL apart.

        Raises
        ------
        UsageError
            For another scheme, a user or password in it, a query, or what is no URL. It repeats no secret.

        Examples
        --------
        >>> Address.of("https://example.org/models/cats/").prefix, str(Address.of("HTTP://[::1]:8000"))
        ('/models/cats', 'http://[::1]:8000')
        """
        try:
            parts = urlsplit(url)
            port = parts.port
            host = (parts.hostname or "").encode("idna").decode()
        except ValueError:  # a port that is no number, a bracket too few, a label too long
            raise UsageError(f"This is no address of a service. {EXAMPLE}") from None
        if parts.username is not None or parts.password is not None:
            raise UsageError("The address holds a user or a password. Leave it out, and give a token with --token.")
        if parts.scheme not in PORTS:
            raise UsageError(f"{display_path(url)} is no http or https address. {EXAMPLE}")
        if not host or not url.isprintable() or " " in url:
            raise UsageError(f"{display_path(url)} is no address of a service. {EXAMPLE}")
        if parts.query or parts.fragment:
            raise UsageError(f"The address of a service has nothing behind ? or #. {EXAMPLE}")
        if port is None:
            port = PORTS[parts.scheme]
        return cls(parts.scheme, host, port, quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~"))

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.prefix}"

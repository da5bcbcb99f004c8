"""The address of a service: what is one, and what is not."""

from __future__ import annotations

import pytest

from gingham import UsageError
from gingham.client.address import Address

TOKEN = "S3cr3t-t0k3n-f0r-t3sts"


@pytest.mark.parametrize(
    ("url", "shown", "authority"),
    [
        pytest.param("http://127.0.0.1:8000", "http://127.0.0.1:8000", "127.0.0.1:8000", id="a number"),
        pytest.param("HTTP://LocalHost:80/", "http://localhost", "localhost", id="the usual port"),
        pytest.param("https://[::1]:443/", "https://[::1]", "[::1]", id="IPv6"),
        pytest.param("https://a.org:80/models/cats//", "https://a.org:80/models/cats", "a.org:80", id="a prefix"),
        pytest.param("https://bücher.example", "https://xn--bcher-kva.example", "xn--bcher-kva.example", id="umlaut"),
        pytest.param("http://a/%20/é", "http://a/%20/%C3%A9", "a", id="quoted"),
    ],
)
def test_what_is_an_address(url: str, shown: str, authority: str) -> None:
    address = Address.of(url)
    assert (str(address), address.authority) == (shown, authority)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        pytest.param("127.0.0.1:8000", "no http or https address", id="no scheme"),
        pytest.param("file:///etc/passwd", "no http or https address", id="a file"),
        pytest.param("ftp://example.org", "no http or https address", id="another scheme"),
        pytest.param("http://", "no address of a service", id="no host"),
        pytest.param("http://a:99999", "no address of a service", id="a port that is none"),
        pytest.param("http://[::1", "no address of a service", id="half a bracket"),
        pytest.param("http://a b", "no address of a service", id="a space"),
        pytest.param("http://a/\r\nX: y", "no address of a service", id="a header inside"),
        pytest.param("http://a/?token=x", r"nothing behind \?", id="a query"),
        pytest.param(f"http://me:{TOKEN}@a", "Leave it out", id="a password"),
        pytest.param(f"ftp://{TOKEN}@a", "Leave it out", id="a user"),
    ],
)
def test_what_is_no_address(url: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        Address.of(url)
    assert TOKEN not in str(refused.value)

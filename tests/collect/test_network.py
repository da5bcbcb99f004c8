"""No connection to an address that is not public, however it is written, and whatever leads there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gingham.collect import addresses
from gingham.collect.fetching import Fetched, FetchError, fetch
from gingham.collect.network import blocked_address, open_session, user_agent
from gingham.collect.records import Status
from gingham.config import Collection
from tests.collect.faulty_server import PHOTO, Canary, FaultyServer, Names, certificate, leads_to, says

HOSTS = [
    # IPv4, plain and as inet_aton reads it
    "127.0.0.1", "127.0.0.2", "127.255.255.254", "0.0.0.0", "0", "127.1", "127.0.1", "2130706433", "017700000001",
    "0x7f000001", "0x7f.1", "0x7f.0x0.0x0.0x1", "0177.0.0.1", "0177.0.0.01", "0177.0x0.0.1", "0x7F.0.0.1", "127.0.0.1.",
    "00000177.0.0.1", "127.0.0.001", "4294967296127.0.0.1",
    # digits of other scripts, percent signs
    "①②⑦.⓪.⓪.①", "１２７.０.０.１", "127。0。0。1", "%31%32%37.0.0.1", "127%2e0%2e0%2e1", "ⓛocalhost",
    # IPv6
    "[::1]", "[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]", "[::ffff:0:127.0.0.1]", "[::127.0.0.1]", "[::7f00:1]", "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2002:7f00:0001::1]", "[2001:0:7f00:1::]",
    "[fe80::1]", "[fe80::1%25lo]", "[fe80::1%lo]", "[::1%25lo]", "[fec0::1]", "[fc00::1]", "[fd00:ec2::254]",
    "[ff02::1]",
    # other networks
    "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1",
    "255.255.255.255", "168.63.129.16",
    # names
    "localhost", "LOCALHOST", "localhost.", "one.example", "six.example", "mapped.example", "many.example",
    "changing.example", "user@127.0.0.1", "93.184.215.14@127.0.0.1", "127.0.0.1\\@one.example",
]  # fmt: skip
NAMES = {
    "localhost": [["127.0.0.1", "::1"]],
    "localhost.": [["127.0.0.1"]],
    "one.example": [["127.0.0.1"]],
    "six.example": [["::1"]],
    "mapped.example": [["::ffff:127.0.0.1", "64:ff9b::7f00:1"]],
    "many.example": [["10.0.0.1", "127.0.0.1", "::1", "169.254.169.254", "fe80::1"]],
    "changing.example": [["127.0.0.1"], ["10.0.0.1"], ["::1"]],
}
LEADER = "127.0.0.9"
REFUSED = {Status.BLOCKED_ADDRESS, Status.BAD_URL, Status.DNS}


def settings(**changes: Any) -> Collection:
    return Collection(**{"timeout": 5, "retries": 0, **changes})


def fetched(url: str, names: Names | None = None, **changes: Any) -> Fetched:
    async def run() -> Fetched:
        async with open_session(settings(**changes), resolver=names or Names(NAMES)) as session:
            return await fetch(session, url, settings(**changes))

    return asyncio.run(run())


def fault(url: str, names: Names | None = None, **changes: Any) -> FetchError:
    with pytest.raises(FetchError) as raised:
        fetched(url, names, **changes)
    return raised.value


@pytest.fixture(scope="module")
def canaries() -> Iterator[list[Canary]]:
    """Listeners on the same port of IPv4 and IPv6; on any address of this machine."""
    with Canary("0.0.0.0") as four, Canary("::1", four.port) as six:
        yield [four, six]


@pytest.fixture
def only_one_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one address of this machine pass for public, so that a server there can lead to others."""
    monkeypatch.setattr("gingham.collect.network.is_public", lambda at: at == LEADER or addresses.is_public(at))


@pytest.fixture(scope="module")
def leading() -> Iterator[FaultyServer]:
    with FaultyServer({}, host=LEADER) as server:
        yield server


def no_visit(canaries: list[Canary]) -> bool:
    return sum(canary.visits() for canary in canaries) == 0


@pytest.mark.parametrize("host", HOSTS)
def test_no_connection(host: str, canaries: list[Canary]) -> None:
    for scheme in ("http", "https"):
        error = fault(f"{scheme}://{host}:{canaries[0].port}/a.jpg")
        assert error.status in REFUSED
        assert no_visit(canaries)


@pytest.mark.parametrize("host", HOSTS)
def test_no_connection_by_a_redirect(
    host: str, canaries: list[Canary], leading: FaultyServer, only_one_public: None
) -> None:
    asked = leading.requests["/"]
    for scheme in ("http", "https"):
        leading.answers["/"] = leads_to(f"{scheme}://{host}:{canaries[0].port}/a.jpg")
        error = fault(leading.url("/"))
        assert error.status in REFUSED
        assert error.final_url
        assert no_visit(canaries)
    assert leading.requests["/"] == asked + 2


def test_most_are_named_for_what_they_are(canaries: list[Canary]) -> None:
    for host in ("127.0.0.1", "[::1]", "[::ffff:7f00:1]", "0x7f.1", "many.example", "six.example", "[64:ff9b::7f00:1]"):
        error = fault(f"http://{host}:{canaries[0].port}/")
        assert error.status is Status.BLOCKED_ADDRESS
        assert "--allow-private" in error.detail


def test_a_redirect_to_a_private_address_is_named(leading: FaultyServer, only_one_public: None) -> None:
    leading.answers["/"] = leads_to("http://127.0.0.2:1/")
    error = fault(leading.url("/"))
    assert (error.status, error.final_url) == (Status.BLOCKED_ADDRESS, "http://127.0.0.2:1/")


def test_a_name_that_changes_its_address(canaries: list[Canary], leading: FaultyServer, only_one_public: None) -> None:
    """The first answer is public, and asked; the second one is not, and is not asked."""
    names = Names({"changing.example": [[LEADER], ["127.0.0.1"]]})
    leading.answers["/"] = says()
    assert fetched(leading.url("/", "changing.example"), names).data == PHOTO
    assert fault(f"http://changing.example:{canaries[0].port}/", names).status is Status.BLOCKED_ADDRESS
    assert len(names.asked) == 2
    assert no_visit(canaries)


def test_a_name_with_several_addresses_is_reached_by_the_public_one(
    leading: FaultyServer, only_one_public: None
) -> None:
    leading.answers["/"] = says()
    with Canary("127.0.0.2", leading.port) as canary:
        names = Names({"both.example": [["127.0.0.2", "10.0.0.1", LEADER]]})
        assert fetched(leading.url("/", "both.example"), names).data == PHOTO
        assert no_visit([canary])


def test_the_peer_of_a_connection_is_looked_at_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were a socket ever connected to a private address, nothing would be read from it."""
    monkeypatch.setattr("gingham.collect.network._public_socket", lambda address: socket.socket(*address[:3]))
    with FaultyServer() as server:
        assert fault(server.url("/ok")).status is Status.BLOCKED_ADDRESS


def test_private_addresses_can_be_allowed(tmp_path: Path) -> None:
    with FaultyServer() as server:
        assert fetched(server.url("/ok"), allow_private=True).data == PHOTO
        assert fetched(server.url("/ok", "localhost"), Names({"localhost": [["127.0.0.1"]]}), allow_private=True)
    with FaultyServer(tls=certificate(tmp_path)) as server:
        assert fault(server.url("/ok"), allow_private=True).status is Status.TLS


def test_proxy_variables_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyServer() as server, Canary() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv(name.upper(), f"http://127.0.0.1:{proxy.port}")
        assert fetched(server.url("/ok"), allow_private=True).data == PHOTO
        assert fault("http://93.184.215.14.invalid/", Names(), allow_private=True).status is Status.DNS
        assert no_visit([proxy])


def test_what_servers_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with FaultyServer() as server:
        fetched(server.url("/ok"), allow_private=True, contact="ann@example.org")
        request = server.headers[0].lower()
    assert "user-agent: gingham/" in request
    assert "(ann@example.org) aiohttp/" in request
    assert "cookie" not in request
    assert "authorization" not in request


@pytest.mark.parametrize(
    ("contact", "told"),
    [
        ("", "(no contact given)"), ("ann@example.org", "(ann@example.org)"), ("a\r\nX: 1", "(a  X: 1)"),
        ("(a)", "(a)"), ("Zoë", "(Zo)"), ("\\", "(no contact given)"),
    ],
)  # fmt: skip
def test_contact(contact: str, told: str) -> None:
    assert told in user_agent(contact)


def test_an_error_that_has_nothing_to_do_with_addresses() -> None:
    assert not blocked_address(OSError("the address is not public"))
    assert not blocked_address(None)


def test_limits(only_one_public: None) -> None:
    async def run(server: FaultyServer) -> None:
        async with open_session(settings(per_host=3)) as session:
            await asyncio.gather(*[fetch(session, server.url(f"/image/{n}"), settings()) for n in range(9)])

    with FaultyServer(host=LEADER, delay=0.05) as server:
        asyncio.run(run(server))
        assert server.most_at_once == 3

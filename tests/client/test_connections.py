"""Connections: kept, closed meanwhile, refused, encrypted; and servers that speak something else."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gingham import Client, UnavailableError
from tests.client import scripted
from tests.client.scripted import expected, running, says

TOKEN = "S3cr3t-t0k3n-f0r-t3sts"


def test_a_connection_that_was_closed_meanwhile_is_no_failure(image: str) -> None:
    with running(scripted.answers_and_drops) as server, Client(server.url, retries=0) as client:
        for _ in range(4):
            assert client.predict(image) == [expected(image)]
            time.sleep(0.05)
        assert server.connections == len(server.seen) == 4


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def banner() -> Iterator[int]:
    """A server of another kind."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            with listener.accept()[0] as connection:
                connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
                connection.recv(1 << 16)

        listener.settimeout(10)
        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_what_speaks_another_protocol(image: str, banner: int) -> None:
    with pytest.raises(UnavailableError, match="does not speak HTTP"):
        Client(f"http://127.0.0.1:{banner}").predict(image)


def test_nothing_listens(image: str) -> None:
    client = Client(f"http://127.0.0.1:{free_port()}", retries=1)
    with pytest.raises(UnavailableError, match="cannot be reached: nothing listens there"):
        client.predict(image)
    assert not client.ready()


def test_no_such_host(image: str) -> None:
    with pytest.raises(UnavailableError, match="cannot be reached"):
        Client("http://no-such-host.invalid", retries=0).predict(image)


def test_proxies_are_not_used(image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
        monkeypatch.setenv(name.upper(), f"http://127.0.0.1:{free_port()}")
    with running(says()) as server, Client(server.url) as client:
        assert client.predict(image) == [expected(image)]


def certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1, signed by itself, with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gingham")])
    now = datetime.datetime.now(datetime.UTC)
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
        .add_extension(host, critical=False).sign(key, hashes.SHA256())
    )  # fmt: skip
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "certificate.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return file


def test_https(image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with running(says(), tls=context) as server:
        with pytest.raises(UnavailableError, match="certificate that is not trusted"):
            Client(server.url).predict(image)
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        with Client(server.url, TOKEN) as client:
            assert client.predict([image] * 5) == [expected(image)] * 5
    with running(says()) as server, pytest.raises(UnavailableError, match="does not speak TLS"):
        Client(server.url.replace("http:", "https:")).predict(image)

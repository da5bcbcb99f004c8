from __future__ import annotations

import pytest

from gingham.tracking.masking import mask_secrets, secrets_of


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        pytest.param("https://ann:s3cret@host/x", "https://***@host/x", id="user and password"),
        pytest.param("https://s3cret@host/x", "https://***@host/x", id="token as user"),
        pytest.param("https://ann:s3@cret@host/x", "https://***@host/x", id="@ in the password"),
        pytest.param("mysql+pymysql://ann:s3/cret@host/x", "mysql+pymysql://***@host/x", id="/ in the password"),
        pytest.param("x://h/db?user=a&password=s3cret", "x://h/db?user=a&password=***", id="in the query"),
        pytest.param("x://h/c?sv=2&sig=s3cret", "x://h/c?sv=***&sig=***", id="signed address of Azure"),
        pytest.param("x://h/?user=a&pass=s3cret&port=1", "x://h/?user=a&pass=***&port=1", id="pass"),
        pytest.param("x://h/?key=s3cret", "x://h/?key=***", id="key"),
        pytest.param("x://h/?X-Amz-Credential=s3cret", "x://h/?X-Amz-Credential=***", id="credential"),
        pytest.param("x://h/?no_known_word=s3cret", "x://h/?no_known_word=***", id="name that nobody foresaw"),
        pytest.param("x://h/hook?s3cret", "x://h/hook?***", id="value without a name"),
        pytest.param("x://h/hook?czNjcmV0==", "x://h/hook?***", id="value without a name that ends in ="),
        pytest.param("x:///?odbc_connect=UID%3Da%3BPWD%3Dwx", "x:///?odbc_connect=***", id="percent-encoded"),
        pytest.param("x://h/#access_token=s3cret", "x://h/#access_token=***", id="in the fragment"),
        pytest.param("no answer from /c?sv=2&sig=s3cret", "no answer from /c?sv=2&sig=***", id="path without host"),
        pytest.param("Driver=X;Pwd=s3cret", "Driver=X;Pwd=***", id="ODBC in a text"),
        pytest.param("x://h/?X-Amz-Signature=s3cret", "x://h/?X-Amz-Signature=***", id="signed address"),
        pytest.param("from http://a:b@c and http://d:e@f", "from http://***@c and http://***@f", id="two in a text"),
        pytest.param("https://host:5000/a", "https://host:5000/a", id="port"),
        pytest.param("x://h/db?sslmode=require&host=a", "x://h/db?sslmode=require&host=a", id="harmless in the query"),
        pytest.param("x://h/#/experiments/1", "x://h/#/experiments/1", id="fragment"),
        pytest.param("Is it x://h/? No.", "Is it x://h/? No.", id="question"),
        pytest.param("sqlite:///mlflow.db", "sqlite:///mlflow.db", id="database file"),
        pytest.param("write to ann@example.org", "write to ann@example.org", id="mail address"),
    ],
)
def test_secrets_are_masked_and_nothing_else(text: str, masked: str) -> None:
    assert mask_secrets(text) == masked
    assert mask_secrets(masked) == masked


def test_a_given_secret_is_masked_wherever_it_stands() -> None:
    assert mask_secrets("the word s3cret alone", ["s3cret"]) == "the word *** alone"


def test_a_very_short_secret_does_not_blot_out_the_text() -> None:
    assert mask_secrets("a banana from http://x:a@host", ["a"]) == "a banana from http://***@host"


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("x://ann:s3c%20ret@h/db", id="password"),
        pytest.param("x://s3c%20ret@h/db", id="token as user"),
        pytest.param("x://h/db?user=ann&sig=s3c%20ret", id="parameter"),
        pytest.param("x://h/db?s3c%20ret", id="value without a name"),
        pytest.param("x:///?odbc_connect=UID%3Dann%3BPWD%3Ds3c+ret", id="percent-encoded"),
        pytest.param("x:///?odbc_connect=UID%3Dann%3BPWD%3D%7Bs3c+ret%7D", id="percent-encoded, in braces"),
    ],
)
def test_what_is_hidden_in_an_address_is_hidden_alone(uri: str) -> None:
    assert mask_secrets("login of ann with s3c ret failed", secrets_of(uri)) == "login of ann with *** failed"
    assert "s3c" not in mask_secrets(uri)


def test_an_endless_text_is_masked_at_once() -> None:
    text = "x://" * 50_000
    assert mask_secrets(text) == text

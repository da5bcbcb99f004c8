from __future__ import annotations

import pytest

from gingham.tracking.masking import mask_secrets


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        pytest.param("https://ann:s3cret@host/x", "https://***@host/x", id="user and password"),
        pytest.param("https://s3cret@host/x", "https://***@host/x", id="token as user"),
        pytest.param("https://ann:s3@cret@host/x", "https://***@host/x", id="@ in the password"),
        pytest.param("mysql+pymysql://ann:s3/cret@host/x", "mysql+pymysql://***@host/x", id="/ in the password"),
        pytest.param("x://h/db?user=a&password=s3cret&b=1", "x://h/db?user=a&password=***&b=1", id="in the query"),
        pytest.param("x://h/?X-Amz-Signature=s3cret", "x://h/?X-Amz-Signature=***", id="signed address"),
        pytest.param("from http://a:b@c and http://d:e@f", "from http://***@c and http://***@f", id="two in a text"),
        pytest.param("the word s3cret alone", "the word *** alone", id="given secret"),
        pytest.param("https://host:5000/a", "https://host:5000/a", id="port"),
        pytest.param("sqlite:///mlflow.db", "sqlite:///mlflow.db", id="database file"),
        pytest.param("write to ann@example.org", "write to ann@example.org", id="mail address"),
    ],
)
def test_secrets_are_masked_and_nothing_else(text: str, masked: str) -> None:
    assert mask_secrets(text, ["s3cret"]) == masked
    assert mask_secrets(masked, ["s3cret"]) == masked


def test_a_very_short_secret_does_not_blot_out_the_text() -> None:
    assert mask_secrets("a banana from http://x:a@host", ["a"]) == "a banana from http://***@host"

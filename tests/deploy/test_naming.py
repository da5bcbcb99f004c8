from __future__ import annotations

import re

import pytest

from gingham.deploy.naming import LONGEST, checked_name, name_of
from gingham.errors import UsageError


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        pytest.param(["dotted", "striped"], "gingham-dotted-striped", id="words"),
        pytest.param(["Cats & Dogs", "été", "a_b"], "gingham-cats-dogs-ete-a-b", id="spaces, signs, accents"),
        pytest.param(["猫", "犬"], "gingham-model", id="no Latin letter"),
        pytest.param(["---", "../..", "$(rm)"], "gingham-rm", id="signs alone"),
        pytest.param(["007", "1st"], "gingham-007-1st", id="digits"),
        pytest.param(["x" * 100, "b"], "gingham-model", id="a word that is too long"),
        pytest.param([f"class{n}" for n in range(50)], "gingham-class0-class1-class2-class3", id="many"),
        pytest.param(["a\nb", "c: d"], "gingham-a-b-c-d", id="YAML"),
    ],
)
def test_a_name_is_made_from_the_classes(labels: list[str], name: str) -> None:
    assert name_of(labels) == name
    assert len(name) <= LONGEST
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name)
    assert checked_name(name) == name


@pytest.mark.parametrize(
    ("name", "proposal"),
    [
        ("My Photos", "my-photos"),
        ("-a-", "a"),
        ("1st", "gingham-1st"),
        ("yes", "gingham-yes"),
        ("", "gingham-model"),
        ("a\nb", "a-b"),
        ("é" * 60, "e" * 40),
        ("猫", "gingham-model"),
    ],
)
def test_another_name_is_refused_with_one_that_will_do(name: str, proposal: str) -> None:
    with pytest.raises(UsageError, match=f"--name {proposal}$"):
        checked_name(name)
    assert checked_name(proposal) == proposal

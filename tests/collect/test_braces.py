from __future__ import annotations

import pytest

from gingham.collect.braces import MOST_QUERIES, expand
from gingham.errors import UsageError

GARMENTS = "{blouse,hoodie,sweater,shirt,t-shirt,vest,pullover}"
PATTERNS = "{striped,dotted,leopard}"


def test_the_samples_21_queries():
    pairs = expand(f"{GARMENTS} {PATTERNS}", "{2}")
    assert len(pairs) == 21
    assert pairs[:4] == [
        ("blouse striped", "striped"),
        ("blouse dotted", "dotted"),
        ("blouse leopard", "leopard"),
        ("hoodie striped", "striped"),
    ]
    assert {label for _, label in pairs} == {"striped", "dotted", "leopard"}


@pytest.mark.parametrize(
    ("query", "label", "pairs"),
    [
        pytest.param("red fox", "", [("red fox", "red fox")], id="no-group"),
        pytest.param("red fox", "fox", [("red fox", "fox")], id="constant-label"),
        pytest.param("{cat,dog}", "", [("cat", "cat"), ("dog", "dog")], id="the-only-group"),
        pytest.param("{cat} photo", "", [("cat photo", "cat")], id="one-alternative"),
        pytest.param("{a,b}{c,d}", "{1}-{2}", [("ac", "a-c"), ("ad", "a-d"), ("bc", "b-c"), ("bd", "b-d")], id="both"),
        pytest.param("{a,b} {c,d}", "{2}{2}", [("a c", "cc"), ("a d", "dd"), ("b c", "cc"), ("b d", "dd")], id="twice"),
        pytest.param("{a,b} x", "{0}", [("a x", "a x"), ("b x", "b x")], id="whole-query"),
        pytest.param("{,red }shirt", "shirt", [("shirt", "shirt"), ("red shirt", "shirt")], id="empty-alternative"),
        pytest.param("{red,} shirt", "{0}", [("red shirt", "red shirt"), ("shirt", "shirt")], id="empty-at-the-end"),
        pytest.param("  {a , b}\n x ", "", [("a x", "a"), ("b x", "b")], id="spaces"),
        pytest.param("{a,b,a}", "x", [("a", "x"), ("b", "x")], id="the-same-once"),
        pytest.param("{a,b} {a,b}", "{1}{2}", [("a a", "aa"), ("a b", "ab"), ("b a", "ba"), ("b b", "bb")], id="order"),
        pytest.param(r"\{a\,b\} c\\d", "", [(r"{a,b} c\d", r"{a,b} c\d")], id="escaped"),
        pytest.param(r"{a\,b,c\}}", "", [("a,b", "a,b"), ("c}", "c}")], id="escaped-in-a-group"),
        pytest.param(r"a\b \\", "x", [("a\\b \\", "x")], id="backslash-before-others"),
        pytest.param("a, b", "", [("a, b", "a, b")], id="comma-outside"),
        pytest.param("{a,b}", r"\{{1}\}", [("a", "{a}"), ("b", "{b}")], id="brace-in-the-label"),
        pytest.param("{a,b}", "x,{1}", [("a", "x,a"), ("b", "x,b")], id="comma-in-the-label"),
        pytest.param("{猫,köter} 写真", "", [("猫 写真", "猫"), ("köter 写真", "köter")], id="any-script"),
    ],
)  # fmt: skip
def test_expand(query, label, pairs):
    assert expand(query, label) == pairs


@pytest.mark.parametrize(
    ("query", "label", "message"),
    [
        pytest.param("{a,{b,c}}", "", r"braces inside braces.*\{red cat,red dog,horse\}", id="nested"),
        pytest.param("{a,b", "", r"a \{ without its \}", id="unclosed"),
        pytest.param("a}", "", r"a \} without its \{", id="unopened"),
        pytest.param("{} a", "", r"empty \{\}.*\{cat,dog\}", id="empty-group"),
        pytest.param("", "", "holds an empty query", id="empty"),
        pytest.param(" \n", "x", "holds an empty query", id="blank"),
        pytest.param("{a,}", "x", "holds an empty query", id="one-of-them-empty"),
        pytest.param(
            "{,red }shirt", "", r'label of the query `shirt` would be empty.*--label "\{0\}"', id="empty-label"
        ),
        pytest.param(
            "{a,b} {c,d}", "", r'the 2 groups.*--label "\{1\}" for.*"\{2\}" for.*"\{1\}-\{2\}"', id="which-group"
        ),
        pytest.param("{a,b} {c,d}", "{3}", r"names \{3\}, but --query has 2 groups.*Type \{2\} or \{1\}", id="beyond"),
        pytest.param("a", "{1}", r"names \{1\}, but --query has 0 groups.*Type \{0\}", id="beyond-none"),
        pytest.param("{a,b}", "{-1}", r"names \{-1\}, but --query has 1 group of", id="negative"),
        pytest.param("{a,b}", "{name}", r"names \{name\}", id="word"),
        pytest.param("{a,b}", "{}", r"names \{\}", id="no-number"),
        pytest.param("{a,b}", "{99999999999999999999}", "has 1 group", id="huge-number"),
        pytest.param("{a,b}", "{²}", "has 1 group", id="superscript"),
        pytest.param("{a,b}", "{1", r"a \{ without its \}", id="label-unclosed"),
        pytest.param("{a,b}", "1}", "braces that do not pair", id="label-unopened"),
        pytest.param("{a,b}", "{{1}}", "braces that do not pair", id="label-nested"),
        pytest.param("\udcff", "x", r"--query `\\xff` holds bytes that are not UTF-8", id="query-not-utf-8"),
        pytest.param("x", "\udcff", r"--label `\\xff` holds bytes", id="label-not-utf-8"),
    ],
)
def test_what_cannot_be_expanded_says_what_to_type(query, label, message):
    with pytest.raises(UsageError, match=message):
        expand(query, label)


def test_most_queries():
    tens = "{0,1,2,3,4,5,6,7,8,9}"
    assert len(expand(tens * 4, "x")) == MOST_QUERIES
    with pytest.raises(UsageError, match="stands for 20,000 queries; at most 10,000"):
        expand(f"{tens * 4}{{a,b}}", "x")
    with pytest.raises(UsageError, match="at most 10,000"):
        expand(tens * 60, "x")  # counted, not tried

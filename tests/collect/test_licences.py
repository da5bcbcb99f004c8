from __future__ import annotations

import pytest

from gingham.collect.licences import (
    CODES,
    FLICKR_IDS,
    Licence,
    check_licences,
    flickr_licence,
    licence_name,
    licence_page,
    matches,
    parse_licence,
)
from gingham.errors import ConfigError

CC = "https://creativecommons.org/licenses"
ZERO = "https://creativecommons.org/publicdomain/zero/1.0/"
MARK = "https://creativecommons.org/publicdomain/mark/1.0/"


@pytest.mark.parametrize(
    ("name", "version", "licence"),
    [
        pytest.param("cc-by-sa-4.0", "", Licence("by-sa", "4.0", f"{CC}/by-sa/4.0/"), id="commons-key"),
        pytest.param("CC BY-SA 4.0", "", Licence("by-sa", "4.0", f"{CC}/by-sa/4.0/"), id="commons-short-name"),
        pytest.param("CC-BY-SA-3.0", "", Licence("by-sa", "3.0", f"{CC}/by-sa/3.0/"), id="capitals"),
        pytest.param("cc-by-sa-3.0-migrated", "", Licence("by-sa", "3.0", f"{CC}/by-sa/3.0/"), id="migrated"),
        pytest.param(
            "cc-by-sa-3.0,2.5,2.0,1.0", "", Licence("by-sa", "3.0", f"{CC}/by-sa/3.0/"), id="several-versions"
        ),
        pytest.param("CC BY 4.0 International", "", Licence("by", "4.0", f"{CC}/by/4.0/"), id="international"),
        pytest.param("CC BY 3.0 unported", "", Licence("by", "3.0", f"{CC}/by/3.0/"), id="unported"),
        pytest.param("cc-by-3.0-de", "", Licence("by", "3.0 de", f"{CC}/by/3.0/de/"), id="country"),
        pytest.param("CC BY-SA 3.0 igo", "", Licence("by-sa", "3.0 igo", f"{CC}/by-sa/3.0/igo/"), id="igo"),
        pytest.param("CC BY", "", Licence("by"), id="no-version"),
        pytest.param("by-nd-nc", "2.0", Licence("by-nc-nd", "2.0", f"{CC}/by-nc-nd/2.0/"), id="old-order"),
        pytest.param("by", "2.0", Licence("by", "2.0", f"{CC}/by/2.0/"), id="openverse"),
        pytest.param("by", "../x", Licence("by"), id="version-is-no-version"),
        pytest.param("by", None, Licence("by"), id="version-is-null"),
        pytest.param("by", 4.0, Licence("by"), id="version-is-a-number"),
        pytest.param("cc0", "1.0", Licence("cc0", "1.0", ZERO), id="openverse-cc0"),
        pytest.param("CC0", "", Licence("cc0", "1.0", ZERO), id="commons-cc0"),
        pytest.param("cc-zero", "", Licence("cc0", "1.0", ZERO), id="cc-zero"),
        pytest.param("CC0 1.0", "", Licence("cc0", "1.0", ZERO), id="cc0-1.0"),
        pytest.param("pdm", "1.0", Licence("pdm", "1.0", MARK), id="openverse-pdm"),
        pytest.param("Public domain", "", Licence("pdm"), id="commons-public-domain"),
        pytest.param("pd", "", Licence("pdm"), id="commons-pd"),
        pytest.param("PD-old-70", "", Licence("pdm"), id="commons-pd-tag"),
        pytest.param("Public Domain Mark 1.0", "", Licence("pdm", "1.0", MARK), id="mark"),
        pytest.param("GFDL", "", Licence("GFDL"), id="other"),
        pytest.param("sampling+", "1.0", Licence("sampling+"), id="sampling"),
        pytest.param("nc-sampling+", "1.0", Licence("nc-sampling+"), id="nc-sampling"),
        pytest.param("by-sampling", "1.0", Licence("by-sampling"), id="unknown-element"),
        pytest.param("by-sa-nd", "1.0", Licence("by-sa-nd"), id="elements-that-contradict"),
        pytest.param("byte", "", Licence("byte"), id="begins-alike"),
        pytest.param("All rights reserved", "", Licence("All rights reserved"), id="reserved"),
        pytest.param("<b>My</b>\nlicence", "", Licence("My licence"), id="html"),
        pytest.param("", "", Licence(), id="empty"),
        pytest.param(None, "", Licence(), id="null"),
        pytest.param(["by"], "4.0", Licence(), id="list"),
    ],
)
def test_parse(name, version, licence):
    assert parse_licence(name, version) == licence


@pytest.mark.parametrize(
    ("number", "code", "version"),
    [
        (0, "", ""), (1, "by-nc-sa", "2.0"), (2, "by-nc", "2.0"), (3, "by-nc-nd", "2.0"), (4, "by", "2.0"),
        (5, "by-sa", "2.0"), (6, "by-nd", "2.0"), (7, "No known copyright restrictions", ""),
        (8, "United States Government Work", ""), (9, "cc0", "1.0"), (10, "pdm", "1.0"), (11, "by", "4.0"),
        (12, "by-sa", "4.0"), (13, "by-nd", "4.0"), (14, "by-nc", "4.0"), (15, "by-nc-sa", "4.0"),
        (16, "by-nc-nd", "4.0"), ("16", "by-nc-nd", "4.0"), (17, "", ""), (-1, "", ""), ("x", "", ""), (None, "", ""),
        (4.0, "", ""), ("²", "", ""), ("9" * 5000, "", ""),
    ],
)  # fmt: skip
def test_flickr(number, code, version):
    licence = flickr_licence(number)
    assert (licence.code, licence.version) == (code, version)


def test_flickr_is_asked_for_all_but_all_rights_reserved():
    assert tuple(range(1, 17)) == FLICKR_IDS
    assert {flickr_licence(number).code for number in FLICKR_IDS} >= set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_every_code_reads_its_own_name_and_has_a_page(code):
    version = "1.0" if code in {"cc0", "pdm"} else "4.0"
    licence = parse_licence(licence_name(code, version))
    assert (licence.code, licence.version) == (code, version)
    assert licence.url == licence_page(code, version) != ""


@pytest.mark.parametrize(
    ("names", "codes"),
    [
        pytest.param([], (), id="any"),
        pytest.param(["cc0", "by"], ("cc0", "by"), id="codes"),
        pytest.param([" CC0 ", "BY", "by"], ("cc0", "by"), id="capitals-spaces-twice"),
        pytest.param(["cc-by-sa", "CC BY-NC"], ("by-sa", "by-nc"), id="with-cc"),
    ],
)
def test_check(names, codes):
    assert check_licences(names) == codes


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("by-as", r"`by-as`; allowed are cc0, pdm, .*by-nc-nd\. Did you mean `by-sa`\?", id="near"),
        pytest.param("mit", r"names `mit`; allowed are cc0, .*by-nc-nd\.$", id="far"),
        pytest.param("", "names ``; allowed are", id="empty"),
    ],
)
def test_check_refuses(name, message):
    with pytest.raises(ConfigError, match=message):
        check_licences(["by", name])


def test_unknown_licence_matches_no_filter():
    assert matches("GFDL", ())
    assert not matches("GFDL", ("cc0", "by"))
    assert not matches("", CODES)

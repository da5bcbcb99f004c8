from __future__ import annotations

import asyncio
import json
import time

import pytest
from aiohttp import web

from gingham.collect.network import open_session
from gingham.collect.providers import (
    Manners,
    ProviderError,
    create_provider,
    provider_names,
    register_provider,
    registry,
)
from gingham.collect.providers.asking import MOST_BYTES
from gingham.collect.records import Provenance
from gingham.errors import ConfigError
from tests.collect.search_servers import (
    FakeFlickr,
    FakeOpenverse,
    FakeProvider,
    FakeWikimedia,
    flickr_item,
    openverse_item,
    run,
    settings,
    status,
    wikimedia_item,
)

ALL = [
    pytest.param(FakeOpenverse, id="openverse"),
    pytest.param(FakeWikimedia, id="wikimedia"),
    pytest.param(FakeFlickr, id="flickr"),
]
ITEMS = {FakeOpenverse: openverse_item, FakeWikimedia: wikimedia_item, FakeFlickr: flickr_item}


def fake(kind, count=3, script=()) -> FakeProvider:
    return kind([ITEMS[kind](number) for number in range(1, count + 1)], list(script))


def numbers(found) -> list[int]:
    return [int("".join(filter(str.isdigit, each.url.rsplit("/", 1)[1].removeprefix("1280px")))) for each in found]


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    ("there", "wanted", "pages"),
    [
        pytest.param(0, 5, (1, 1, 1), id="nothing"),
        pytest.param(3, 5, (1, 1, 1), id="fewer-than-wanted"),
        pytest.param(5, 5, (1, 1, 1), id="as-many"),
        pytest.param(130, 110, (6, 3, 1), id="several-pages"),
        pytest.param(130, 200, (7, 3, 1), id="all-pages"),
    ],
)
def test_pages(kind, there, wanted, pages):
    server = fake(kind, there)
    found = server.search(count=wanted)
    assert numbers(found) == list(range(1, min(there, wanted) + 1))
    assert len(server.asked) == pages[[FakeOpenverse, FakeWikimedia, FakeFlickr].index(kind)]


def test_provenance_of_openverse():
    assert fake(FakeOpenverse, 1).search()[0].provenance == Provenance(
        provider="openverse",
        query="red fox",
        page="https://example.org/photos/1",
        title="Fox 1",
        creator="Ann",
        creator_url="https://example.org/people/ann",
        licence="by",
        licence_version="2.0",
        licence_url="https://creativecommons.org/licenses/by/2.0/",
        attribution='"Fox 1" by Ann is licensed under CC BY 2.0.',
    )


def test_provenance_of_wikimedia():
    server = fake(FakeWikimedia, 1)
    assert server.search()[0].provenance == Provenance(
        provider="wikimedia",
        query="red fox",
        page="https://example.org/wiki/File:Fox_1.jpg",
        title="Fox 1",
        creator="Ann",
        creator_url="https://commons.wikimedia.org/wiki/User:Ann",
        licence="by-sa",
        licence_version="4.0",
        licence_url="https://creativecommons.org/licenses/by-sa/4.0/",
        attribution='"Fox 1" by Ann is licensed under CC BY-SA 4.0, via Wikimedia Commons.',
    )
    assert server.asked[0]["gsrsearch"] == "red fox filetype:bitmap"


def test_provenance_of_flickr():
    assert fake(FakeFlickr, 1).search()[0].provenance == Provenance(
        provider="flickr",
        query="red fox",
        page="https://www.flickr.com/photos/12345@N00/1",
        title="Fox 1",
        creator="Ann",
        creator_url="https://www.flickr.com/people/12345@N00",
        licence="by",
        licence_version="2.0",
        licence_url="https://creativecommons.org/licenses/by/2.0/",
        attribution='"Fox 1" by Ann is licensed under CC BY 2.0, via Flickr.',
    )


@pytest.mark.parametrize(
    ("max_side", "width", "url", "asked"),
    [
        pytest.param(1000, 2400, "thumb/1280px-1.jpg", "1280", id="smallest-that-holds-it"),
        pytest.param(1280, 2400, "thumb/1280px-1.jpg", "1280", id="exactly"),
        pytest.param(1000, 1280, "full/1.jpg", "1280", id="original-is-no-larger"),
        pytest.param(1000, 300, "full/1.jpg", "1280", id="original-is-smaller"),
        pytest.param(0, 2400, "full/1.jpg", None, id="as-they-are"),
        pytest.param(5000, 9000, "full/1.jpg", None, id="larger-than-any-thumbnail"),
    ],
)
def test_thumbnails_of_wikimedia(max_side, width, url, asked):
    server = FakeWikimedia([wikimedia_item(1, {"width": width})])
    assert [each.url for each in server.search(max_side=max_side)] == [f"https://example.org/{url}"]
    assert server.asked[0].get("iiurlwidth") == asked


@pytest.mark.parametrize(
    ("max_side", "url"),
    [
        pytest.param(1000, "1_l.jpg", id="smallest-that-holds-it"),
        pytest.param(600, "1_z.jpg", id="smaller"),
        pytest.param(2000, "1_o.jpg", id="original"),
        pytest.param(9000, "1_o.jpg", id="nothing-holds-it"),
        pytest.param(0, "1_o.jpg", id="as-they-are"),
    ],
)
def test_sizes_of_flickr(max_side, url):
    assert [each.url for each in fake(FakeFlickr, 1).search(max_side=max_side)] == [f"https://example.org/{url}"]


def test_openverse_filters_by_licence_and_is_checked():
    items = [openverse_item(1), openverse_item(2, license="cc0"), openverse_item(3, license="by-nc")]
    server = FakeOpenverse(items)
    assert numbers(server.search(licences=("cc0", "by-nc"))) == [2, 3]
    assert server.asked[0]["license"] == "cc0,by-nc"
    disobedient = FakeOpenverse(script=[lambda _: web.json_response({"page_count": 1, "results": items})])
    assert numbers(disobedient.search(licences=("cc0",))) == [2]


def test_wikimedia_is_filtered_by_licence_over_pages():
    licences = ["cc-by-sa-4.0"] * 60 + ["cc0"] * 3
    items = [wikimedia_item(n, License=code, LicenseShortName="") for n, code in enumerate(licences, start=1)]
    server = FakeWikimedia(items)
    assert numbers(server.search(count=2, licences=("cc0", "pdm"))) == [61, 62]
    assert len(server.asked) == 2


def test_flickr_filters_by_licence_and_never_gives_what_is_all_rights_reserved():
    items = [flickr_item(n, license=licence) for n, licence in enumerate(["0", 4, "9", 11, "7", None, "99"], start=1)]
    server = FakeFlickr(items)
    assert numbers(server.search(licences=("by",))) == [2, 4]
    assert server.asked[0]["license"] == "4,11"
    assert numbers(FakeFlickr(items).search()) == [2, 3, 4, 5]
    answer = {"stat": "ok", "photos": {"pages": 1, "photo": items}}
    assert numbers(FakeFlickr(script=[lambda _: web.json_response(answer)]).search()) == [2, 3, 4, 5]
    assert numbers(FakeFlickr(script=[lambda _: web.json_response(answer)]).search(licences=("by",))) == [2, 4]


MAXLAG = json.dumps({"error": {"code": "maxlag", "info": "Waiting for 10.64.16.7: 6.1 seconds lagged.", "lag": 6.1}})
DEEP = "[" * 200_000


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    ("reply", "tries", "sentence"),
    [
        pytest.param(status(401, '{"detail": "Bad <b>key</b>."}'), 1, r"the request \(401\): Bad key\. ", id="401"),
        pytest.param(status(403, "<html>Set a user agent</html>"), 1, r"refuses the request \(403\)\. ", id="403-html"),
        pytest.param(status(404), 1, r"does not understand the query \(404\)\.", id="404"),
        pytest.param(status(429), 3, r"asked too often \(429\)\. Run the same command", id="429"),
        pytest.param(status(429, Retry_After="0"), 3, r"asked too often \(429\)", id="429-retry-after"),
        pytest.param(status(429, Retry_After="7200"), 1, r"\(429\)\. It asks to wait 7,200 sec.*--max-wait", id="long"),
        pytest.param(status(503, Retry_After="7200"), 1, r"\(503\)\. It asks to wait 7,200 seconds, ", id="503-long"),
        pytest.param(status(202), 3, r"has no answer now \(202\)", id="202"),
        pytest.param(status(500, "Traceback: secret"), 3, r"has no answer now \(500\)\. ", id="500"),
        pytest.param(status(503), 3, r"has no answer now \(503\)", id="503"),
        pytest.param(status(302, Location="https://example.org/"), 1, r"redirect \(302\)", id="redirect"),
        pytest.param(status(200, "<!DOCTYPE html><p>Maintenance"), 1, "a web page instead of data", id="html"),
        pytest.param(status(200, ""), 1, "not JSON", id="empty"),
        pytest.param(status(200, '{"results": ['), 1, "not JSON", id="cut"),
        pytest.param(status(200, DEEP), 1, "not JSON", id="deep"),
        pytest.param(status(200, '{"a": ' + "9" * 5000 + "}"), 1, "not JSON", id="huge-number"),
        pytest.param(status(200, "[1]"), 1, "a form that is not known: no object", id="list"),
        pytest.param(status(200, "null"), 1, "not JSON", id="null"),
        pytest.param(status(200, "x" * (MOST_BYTES + 1)), 1, r"more than 8,388,608 bytes", id="too-long"),
    ],
)  # fmt: skip
def test_failure(kind, reply, tries, sentence):
    server = fake(kind, script=[reply] * 5)
    with pytest.raises(ProviderError, match=sentence) as caught:
        server.search()
    assert len(server.asked) == tries
    assert caught.value.sentence.startswith(caught.value.provider)
    assert "\n" not in caught.value.sentence
    assert "secret" not in caught.value.sentence


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    "passing",
    [
        pytest.param([status(500), status(429, Retry_After="0")], id="statuses"),
        pytest.param([status(202)], id="accepted"),
        pytest.param([status(503, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")], id="date-that-is-past"),
    ],
)
def test_fault_that_passes(kind, passing):
    assert len(fake(kind, script=passing).search()) == 3


@pytest.mark.parametrize(
    ("kind", "body", "tries", "sentence", "others"),
    [
        pytest.param(FakeWikimedia, MAXLAG, 3, "error: Waiting for 10.64.16.7", False, id="wikimedia-maxlag"),
        pytest.param(
            FakeWikimedia, '{"error": {"code": "badvalue", "info": "Unrecognized <i>value</i>"}}', 1,
            r"error: Unrecognized value\.", True, id="wikimedia-bad-query",
        ),
        pytest.param(
            FakeWikimedia, '{"errors": [{"code": "blocked", "text": "x"}]}', 1, "error: blocked", False,
            id="wikimedia-new-form",
        ),
        pytest.param(
            FakeWikimedia, '{"query": {"pages": {"1": 1}}}', 1, "no list `query.pages`", False, id="wikimedia-format-1"
        ),
        pytest.param(FakeWikimedia, '{"query": []}', 1, "no list `query.pages`", False, id="wikimedia-no-pages"),
        pytest.param(FakeOpenverse, '{"detail": "x"}', 1, "no list `results`", False, id="openverse-no-results"),
        pytest.param(FakeOpenverse, '{"results": {"a": 1}}', 1, "no list `results`", False, id="openverse-wrong-type"),
        pytest.param(
            FakeFlickr, '{"stat": "fail", "code": 100, "message": "Invalid API Key"}', 1,
            r"error: Invalid API Key\. Get a key at", False, id="flickr-key",
        ),
        pytest.param(
            FakeFlickr, '{"stat": "fail", "code": "105", "message": "Down"}', 3, "error: Down", False, id="flickr-down"
        ),
        pytest.param(FakeFlickr, '{"stat": "fail"}', 1, "answered with an error", False, id="flickr-no-message"),
        pytest.param(FakeFlickr, '{"stat": "ok"}', 1, "no list `photos.photo`", False, id="flickr-no-photos"),
        pytest.param(FakeFlickr, '{"stat": "ok", "photos": [1]}', 1, "no list `photos.photo`", False, id="flickr-type"),
    ],
)  # fmt: skip
def test_error_with_status_200(kind, body, tries, sentence, others):
    server = fake(kind, script=[status(200, body)] * 5)
    with pytest.raises(ProviderError, match=sentence) as caught:
        server.search()
    assert len(server.asked) == tries
    assert caught.value.this_query_only is others


def test_maxlag_that_passes_is_waited_for():
    server = fake(FakeWikimedia, script=[status(200, MAXLAG, Retry_After="1")])
    start = time.monotonic()
    assert len(server.search()) == 3
    assert time.monotonic() - start > 0.9


def test_maxlag_that_is_too_long_is_given_up():
    server = fake(FakeWikimedia, script=[status(200, MAXLAG, Retry_After="7200")])
    with pytest.raises(ProviderError, match=r"6\.1 seconds lagged\. It asks to wait 7,200 seconds"):
        server.search()
    assert len(server.asked) == 1


def test_openverse_says_what_is_wrong_with_a_query():
    server = fake(FakeOpenverse)
    with pytest.raises(ProviderError, match=r"\(400\): License 'sampling' does not exist\.") as caught:
        server.search(licences=("sampling",))
    assert caught.value.this_query_only
    with pytest.raises(ProviderError, match="at most 200 characters; this one has 201") as caught:
        fake(FakeOpenverse).search("x" * 201)
    assert caught.value.this_query_only


@pytest.mark.parametrize("contact", ["", "  "])
def test_wikimedia_without_contact_is_not_asked(contact):
    server = fake(FakeWikimedia)
    with pytest.raises(ProviderError, match="--contact you@example.org"):
        server.search(contact=contact)
    assert not server.asked


@pytest.mark.parametrize("keys", [{}, {"FLICKR_API_KEY": " "}], ids=["none", "blank"])
def test_flickr_without_key_is_not_asked(keys):
    server = fake(FakeFlickr)
    with pytest.raises(ProviderError, match="FLICKR_API_KEY is not set. Get a key at https://www.flickr.com"):
        server.search(keys=keys)
    assert not server.asked


def test_key_is_in_no_message():
    with pytest.raises(ProviderError) as caught:
        fake(FakeFlickr).search(keys={"FLICKR_API_KEY": "wrong-key"})
    assert "wrong-key" not in str(caught.value)


@pytest.mark.parametrize("kind", ALL)
def test_nobody_there(kind):
    server = fake(kind)

    async def main():
        async with server.serve() as session:
            pass
        async with open_session(settings(allow_private=True)) as session:
            await anext(server.provider(retries=0).search("fox", 5, (), session))

    with pytest.raises(ProviderError, match="could not be reached. Is this machine online"):
        run(main())


def test_address_that_is_not_public_is_named_so():
    server = fake(FakeOpenverse)

    async def main():
        async with server.serve(), open_session(settings()) as session:
            await anext(server.provider().search("fox", 5, (), session))

    with pytest.raises(ProviderError, match="not at a public address"):
        run(main())
    assert not server.asked


@pytest.mark.parametrize("kind", ALL)
def test_answer_that_never_ends(kind):
    async def drip(request):
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b" ")
            await asyncio.sleep(0.05)
        return response

    with pytest.raises(ProviderError, match=r"did not answer within 0\.2 seconds"):
        fake(kind, script=[drip]).search(timeout=0.2, retries=0)


HOSTILE = "<img src=x onerror=alert(1)>=cmd()|\x00\u202e<b>F&amp;o</b>\r\nx\ud800"
HOSTILE_SHOWN = "=cmd()| F&o x"


def test_hostile_fields_of_openverse():
    item = openverse_item(
        1, title=HOSTILE, creator=None, creator_url="javascript:alert(1)", foreign_landing_url="https://u:p@example.org/",
        license="<b>Odd</b> licence", license_version={"a": 1}, attribution=["x"],
    )  # fmt: skip
    (found,) = FakeOpenverse([item]).search()
    assert found.provenance == Provenance(
        "openverse", "red fox", "", HOSTILE_SHOWN, "", "", "Odd licence", "", "",
        f'"{HOSTILE_SHOWN}" has the licence Odd licence, via Openverse.',
    )  # fmt: skip


@pytest.mark.parametrize(
    ("about", "licence", "creator"),
    [
        pytest.param([], "", "", id="empty-list"),
        pytest.param(None, "", "", id="null"),
        pytest.param("x", "", "", id="text"),
        pytest.param({"License": "cc0"}, "", "", id="no-values"),
        pytest.param({"License": {"value": 7}, "Artist": {"value": ["x"]}}, "", "", id="values-of-other-types"),
        pytest.param({"Artist": {"value": "<p>Ann</p><p>Bob"}}, "", "Ann Bob", id="open-tag"),
        pytest.param({"LicenseShortName": {"value": "GFDL"}}, "GFDL", "", id="other-licence"),
        pytest.param(
            {"License": {"value": "x"}, "LicenseShortName": {"value": "CC0"}}, "cc0", "", id="short-name-is-known"
        ),
    ],
)
def test_odd_metadata_of_wikimedia(about, licence, creator):
    item = wikimedia_item(1, {"extmetadata": about})
    (found,) = FakeWikimedia([item]).search()
    assert (found.provenance.licence, found.provenance.creator) == (licence, creator)


@pytest.mark.parametrize(
    ("kind", "item"),
    [
        pytest.param(FakeOpenverse, openverse_item(1, url=None), id="openverse-no-file"),
        pytest.param(FakeOpenverse, openverse_item(1, url="file:///etc/passwd"), id="openverse-file-address"),
        pytest.param(FakeWikimedia, {"pageid": 1, "title": "File:X.jpg"}, id="wikimedia-no-imageinfo"),
        pytest.param(FakeWikimedia, wikimedia_item(1) | {"imageinfo": "x"}, id="wikimedia-imageinfo-is-text"),
        pytest.param(FakeWikimedia, wikimedia_item(1, {"mime": "image/x-xcf"}), id="wikimedia-no-photograph"),
        pytest.param(FakeWikimedia, wikimedia_item(1, {"mime": ["x"]}), id="wikimedia-odd-mime"),
        pytest.param(FakeWikimedia, wikimedia_item(1, {"url": "data:x", "thumburl": 7}), id="wikimedia-data-address"),
        pytest.param(FakeFlickr, {"id": "1", "owner": "1@N00", "license": "4"}, id="flickr-no-size"),
        pytest.param(FakeFlickr, flickr_item(1) | dict.fromkeys(["url_z", "url_l", "url_o"]), id="flickr-null"),
    ],
)  # fmt: skip
def test_item_without_a_file_is_left_out(kind, item):
    items = [item, ITEMS[kind](2)] if kind is not FakeFlickr else [item, flickr_item(2)]
    assert numbers(kind(items).search()) == [2]


@pytest.mark.parametrize("kind", ALL)
def test_items_of_other_types_are_left_out(kind):
    items = [None, 7, "x", [ITEMS[kind](1)]]
    bodies = {
        FakeOpenverse: {"page_count": "1", "results": items},
        FakeWikimedia: {"query": {"pages": items}},
        FakeFlickr: {"stat": "ok", "photos": {"pages": None, "photo": items}},
    }
    assert kind(script=[lambda _: web.json_response(bodies[kind])]).search() == []


def test_page_of_flickr_holds_nothing_that_its_owner_wrote():
    (found,) = FakeFlickr([flickr_item(1, owner="../evil?x=<b>", id="1#2")]).search()
    assert found.provenance.page == "https://www.flickr.com/photos/..%2Fevil%3Fx%3D%3Cb%3E/1%232"


@pytest.mark.parametrize(
    "further",
    [
        pytest.param({"gsroffset": 0, "continue": "gsroffset||"}, id="the-same-again"),
        pytest.param(["x"], id="list"),
        pytest.param({"gsroffset": {"a": 1}}, id="odd-values"),
    ],
)
def test_continue_that_leads_nowhere_ends(further):
    page = {"query": {"pages": [wikimedia_item(1)]}, "continue": further}
    server = FakeWikimedia(script=[lambda _: web.json_response(page)] * 5)
    server.search()
    assert len(server.asked) <= 2


def test_rate_is_kept():
    server = fake(FakeOpenverse, 100)
    start = time.monotonic()
    server.search(count=100, manners=Manners(rate=(1, 0.1)))
    assert time.monotonic() - start > 0.39
    assert len(server.asked) == 5


def test_budget_is_kept():
    server = fake(FakeOpenverse, 100)
    with pytest.raises(
        ProviderError, match="allows 3 requests a day, and they are spent. Run the same command again tomorrow"
    ):
        server.search(count=100, manners=Manners(budget=3))
    assert len(server.asked) == 3


def test_documented_manners():
    from gingham.collect.providers import flickr, openverse, wikimedia

    at_once, period = openverse._MANNERS.rate
    assert at_once + 60 * at_once / period <= 20  # of a leaky bucket, in any minute
    assert openverse._MANNERS.budget == 200
    at_once, period = wikimedia._MANNERS.rate
    assert at_once + 60 * at_once / period <= 200
    assert wikimedia._MANNERS.at_once == 1
    at_once, period = flickr._MANNERS.rate
    assert at_once + 3600 * at_once / period <= 3601


def test_registry():
    assert provider_names() == ("flickr", "openverse", "wikimedia")
    for name in provider_names():
        assert create_provider(name, settings()).name == name
    with pytest.raises(ConfigError, match=r"`openvers`.*flickr, openverse, wikimedia\. Did you mean `openverse`\?"):
        create_provider("openvers", settings())
    with pytest.raises(ValueError, match="openverse is registered already"):
        register_provider("openverse")(lambda *_: None)


def test_provider_of_ones_own(monkeypatch):
    provider_names()
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))

    @register_provider("mine")
    class Mine:
        name = "mine"

        def __init__(self, settings, environment, *, base="x"):
            self.base = base

    assert "mine" in provider_names()
    assert create_provider("mine", settings(), base="y").base == "y"

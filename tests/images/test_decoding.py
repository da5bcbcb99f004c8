"""What ``decode`` makes of every kind of file: the right pixels, or the right reason."""

from __future__ import annotations

import struct
import threading
import time
import tracemalloc
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, features

from gingham.errors import ImageError
from gingham.images import FORMATS, MAX_PIXELS, decode
from gingham.records import SkipReason
from tests.images import makers
from tests.images.makers import chunk, encoded, exif, jpeg, png, scene, stored_for, tiff

SCENE = scene()
BAD = makers.bad_files()
ODD = makers.odd_files()
GOOD = makers.good_files()


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Mean absolute difference, in grey levels."""
    assert a.shape == b.shape
    return float(np.abs(a.astype(int) - b).mean())


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_with_its_reason(name: str) -> None:
    data, reason = BAD[name]
    with pytest.raises(ImageError) as refusal:
        decode(data, name=name)
    assert refusal.value.reason == reason
    assert refusal.value.detail


@pytest.mark.parametrize("name", ODD)
def test_an_odd_file_is_used_and_noted(name: str) -> None:
    data, note = ODD[name]
    image = decode(data, name=name)
    assert image.notes == (note,)
    assert image.rgb.shape == (image.height, image.width, 3)


@pytest.mark.parametrize("name", GOOD)
def test_a_good_file_has_its_pixels_and_no_note(name: str) -> None:
    image = decode(GOOD[name], name=name)
    expected = np.repeat(SCENE[..., :1], 3, 2) if name == "grey.jpg" else SCENE
    assert difference(image.rgb, expected) < (3 if name.endswith(("jpg", "gif")) else 0.01)
    assert (image.width, image.height, image.notes) == (120, 90, ())
    assert image.format in FORMATS
    assert image.rgb.flags.c_contiguous
    assert image.rgb.flags.writeable


@pytest.mark.skipif(not features.check("avif"), reason="this build of Pillow has no AVIF")
class TestAvif:
    def test_pixels(self) -> None:
        image = decode(encoded(scene(), "AVIF", quality=95), name="a.avif")
        assert difference(image.rgb, SCENE) < 2
        assert (image.format, image.notes) == ("AVIF", ())

    def test_first_frame(self) -> None:
        image = decode(makers.animated("AVIF"))
        assert image.notes == ("animated",)
        assert difference(image.rgb, scene(24, 24)) < 6

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_orientation(self, orientation: int) -> None:
        data = encoded(stored_for(SCENE, orientation), "AVIF", quality=95, exif=exif(orientation)[6:])
        assert difference(decode(data).rgb, SCENE) < 2

    def test_broken_exif_is_passed_over(self) -> None:
        data = encoded(scene(), "AVIF", quality=95, exif=exif(6)[6:]).replace(exif(6)[6:14], b"II*\0\xff\xff\xff\x7f")
        assert decode(data).format == "AVIF"

    def test_cut_off(self) -> None:
        data = encoded(scene(), "AVIF")
        with pytest.raises(ImageError, match="truncated"):
            decode(data[: len(data) // 2])

    def test_too_large(self) -> None:
        with pytest.raises(ImageError, match="too_large"):
            decode(encoded(scene(), "AVIF"), max_pixels=120 * 90 - 1)


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
    def test_all_eight_give_the_same_png(self, orientation: int, order: str) -> None:
        block = exif(orientation, byte_order=order)[6:]
        data = makers.png_with(chunk(b"eXIf", block), png(stored_for(SCENE, orientation)))
        image = decode(data)
        np.testing.assert_array_equal(image.rgb, SCENE)
        assert (image.width, image.height, image.notes) == (120, 90, ())

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("kind", ["JPEG", "WEBP", "TIFF"])
    def test_all_eight_give_the_same_elsewhere(self, orientation: int, kind: str) -> None:
        stored = stored_for(SCENE, orientation)
        if kind == "TIFF":
            data = tiff(stored, extra=((274, 3, 1, struct.pack("<H", orientation)),))
        else:
            options = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}[kind]
            data = encoded(stored, kind, exif=exif(orientation), **options)
        image = decode(data)
        assert difference(image.rgb, SCENE) < (2 if kind == "JPEG" else 0.01)
        assert (image.width, image.height, image.notes) == (120, 90, ())

    def test_unknown_orientation_is_upright(self) -> None:
        assert decode(jpeg(exif=exif(0))).notes == ()
        assert decode(jpeg(exif=exif(9))).notes == ("broken_exif",)
        signed = exif(6).replace(struct.pack("<HHI", 0x112, 3, 1), struct.pack("<HHI", 0x112, 8, 1))
        assert decode(jpeg(exif=signed)).notes == ("broken_exif",)

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_the_box_of_a_reduced_image_turns_with_it(self, orientation: int) -> None:
        big = scene(401, 303)
        data = jpeg(stored_for(big, orientation), exif=exif(orientation), subsampling=0)
        image = decode(data, min_side=100)
        left, top, right, bottom = image.box
        assert (image.width, image.height) == (401, 303)
        assert (right - left, bottom - top) == (401 / 2, 303 / 2)
        height, width = image.rgb.shape[:2]
        assert 0 <= left <= 0.5
        assert 0 <= top <= 0.5
        assert right <= width
        assert bottom <= height


class TestColour:
    @pytest.mark.parametrize("adobe", [True, False], ids=["inverted-adobe", "plain"])
    @pytest.mark.parametrize("min_side", [None, 40], ids=["full", "reduced"])
    def test_cmyk_jpeg(self, *, adobe: bool, min_side: int | None) -> None:
        image = decode(makers.cmyk_jpeg(SCENE, adobe=adobe), min_side=min_side)
        expected = SCENE if min_side is None else SCENE.reshape(45, 2, 60, 2, 3).mean((1, 3)).round()
        assert difference(image.rgb, expected) < 3

    def test_black_ink(self) -> None:
        ink = np.zeros((8, 8, 4), np.uint8)
        ink[..., 3] = 155
        data = encoded(Image.fromarray(ink, "CMYK"), "JPEG", quality=95)
        assert np.abs(decode(data).rgb.astype(int) - 100).max() <= 2

    @pytest.mark.parametrize(
        ("image", "expected"),
        [
            pytest.param(Image.new("1", (3, 2), 1), (255, 255, 255), id="1-white"),
            pytest.param(Image.new("1", (3, 2), 0), (0, 0, 0), id="1-black"),
            pytest.param(Image.new("L", (3, 2), 99), (99, 99, 99), id="L"),
            pytest.param(Image.new("LA", (3, 2), (100, 0)), (255, 255, 255), id="LA-clear"),
            pytest.param(Image.new("LA", (3, 2), (0, 51)), (204, 204, 204), id="LA-fifth"),
            pytest.param(Image.new("RGBA", (3, 2), (255, 0, 0, 0)), (255, 255, 255), id="RGBA-clear"),
            pytest.param(Image.new("RGBA", (3, 2), (255, 0, 0, 255)), (255, 0, 0), id="RGBA-opaque"),
            pytest.param(Image.new("RGBA", (3, 2), (10, 20, 30, 128)), (132, 137, 142), id="RGBA-half"),
            pytest.param(Image.new("RGB", (3, 2), (1, 2, 3)).quantize(4), (1, 2, 3), id="palette"),
        ],
    )
    def test_png_mode(self, image: Image.Image, expected: tuple[int, int, int]) -> None:
        rgb = decode(png(image)).rgb
        assert rgb.shape == (2, 3, 3)
        assert np.abs(rgb.astype(int) - expected).max() <= 1

    def test_palette_with_transparency(self) -> None:
        image = Image.new("P", (2, 1))
        image.putpalette([200, 10, 20, 0, 0, 255])
        image.putpixel((1, 0), 1)
        rgb = decode(png(image, transparency=bytes((255, 0)))).rgb
        assert rgb.tolist() == [[[200, 10, 20], [255, 255, 255]]]

    def test_transparent_gif(self) -> None:
        image = Image.new("P", (2, 1))
        image.putpalette([200, 10, 20, 0, 0, 255])
        image.putpixel((1, 0), 1)
        assert decode(encoded(image, "GIF", transparency=1)).rgb.tolist() == [[[200, 10, 20], [255, 255, 255]]]

    @pytest.mark.parametrize(
        ("colour", "depth", "pixel", "clear"),
        [
            pytest.param(0, 8, (7,), (7,), id="grey"),
            pytest.param(0, 16, (0x1234,), (0x1234,), id="grey-16"),
            pytest.param(2, 8, (7, 8, 9), (7, 8, 9), id="rgb"),
            pytest.param(2, 16, (0x1234, 0x5678, 0x9ABC), (0x1234, 0x5678, 0x9ABC), id="rgb-16"),
        ],
    )
    def test_transparent_colour(self, colour: int, depth: int, pixel: tuple[int, ...], clear: tuple[int, ...]) -> None:
        rows = np.array([[pixel, tuple(0 for _ in pixel)]])
        trns = chunk(b"tRNS", struct.pack(f">{len(clear)}H", *clear))
        assert decode(makers.raw_png(rows, colour, depth, trns)).rgb.tolist() == [[[255] * 3, [0] * 3]]

    def test_sixteen_bit_grey_png_keeps_its_range(self) -> None:
        ramp = makers.grey16_ramp()
        rgb = decode(makers.raw_png(ramp[..., None], 0, 16)).rgb
        assert len(np.unique(rgb)) == 256
        assert difference(rgb[..., 0], np.rint(ramp / 257)) <= 0.5

    @pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
    @pytest.mark.parametrize("big", [False, True], ids=["classic", "bigtiff"])
    def test_sixteen_bit_tiff(self, order: str, *, big: bool) -> None:
        ramp = makers.grey16_ramp()
        assert len(np.unique(decode(tiff(ramp, order=order, big=big)).rgb)) == 256
        colour = SCENE.astype(np.uint16) * 257
        assert difference(decode(tiff(colour, order=order, big=big)).rgb, SCENE) == 0

    def test_sixteen_bit_rgb_png(self) -> None:
        assert difference(decode(makers.raw_png(SCENE.astype(np.uint16) * 257, 2, 16)).rgb, SCENE) == 0

    @pytest.mark.parametrize(
        ("top", "expected"), [(1.0, 255), (255.0, 255), (65535.0, 255), (0.5, 128), (100_000.0, 255)]
    )
    def test_float_tiff_takes_the_white_level_that_fits(self, top: float, expected: int) -> None:
        rgb = decode(tiff(np.array([[0.0, top]], np.float32))).rgb
        assert rgb[0, :, 0].tolist() == [0, expected]

    def test_numbers_that_are_not_finite_are_found_whatever_the_warning_filters(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name in ("nan.tif", "infinite.tif"):
                with pytest.raises(ImageError, match="finite"):
                    decode(BAD[name][0])

    @pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
    def test_tiff_compression(self, compression: str) -> None:
        assert difference(decode(encoded(SCENE, "TIFF", compression=compression)).rgb, SCENE) == 0

    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
    def test_tiff_mode(self, mode: str) -> None:
        image = Image.fromarray(SCENE).convert(mode)
        expected = np.asarray(image.convert("RGB"))
        assert difference(decode(encoded(image, "TIFF")).rgb, expected) == 0

    def test_interlaced_png(self) -> None:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
        rows = b"".join(
            b"\0" + row.tobytes()
            for left, top, step, drop in passes
            for row in np.ascontiguousarray(SCENE[top::drop, left::step])
        )
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", 120, 90, 8, 2, 0, 0, 1))
        for kept, whole in ((len(rows), True), (len(rows) // 2, False)):
            body = chunk(b"IDAT", zlib.compress(rows[:kept])) + chunk(b"IEND", b"")
            data = b"\x89PNG\r\n\x1a\n" + header + body
            if whole:
                assert difference(decode(data).rgb, SCENE) == 0
            else:
                with pytest.raises(ImageError, match="truncated"):
                    decode(data)

    def test_black_picture_is_not_taken_for_a_cut_one(self) -> None:
        assert decode(png(np.zeros((9, 9, 3), np.uint8))).rgb.max() == 0

    def test_odd_chroma_sampling(self) -> None:
        image = decode(makers.odd_sampling_jpeg(SCENE), min_side=10)
        assert difference(image.rgb, SCENE) < 2
        with pytest.raises(ImageError, match="truncated"):
            decode(makers.odd_sampling_jpeg(SCENE)[:-2])


class TestSizes:
    @pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 20_000), (20_000, 1), (2, 3), (7, 9)])
    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF"])
    def test_extreme_shapes(self, height: int, width: int, kind: str) -> None:
        image = decode(encoded(np.full((height, width, 3), 77, np.uint8), kind), min_side=64)
        assert image.rgb.shape == (height, width, 3)
        assert np.abs(image.rgb.astype(int) - 77).max() <= 1

    def test_the_largest_square_that_passes(self) -> None:
        image = decode(jpeg(np.zeros((8000, 8000), np.uint8), quality=50), min_side=256)
        assert (image.width, image.height) == (8000, 8000)
        assert image.rgb.shape == (1000, 1000, 3)

    @pytest.mark.parametrize("name", ["huge.png", "huge.jpg", "huge.tif", "huge.gif", "huge.bmp", "huge.webp"])
    def test_a_huge_claim_costs_no_memory(self, name: str) -> None:
        tracemalloc.start()
        with pytest.raises(ImageError):
            decode(BAD[name][0])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 << 20

    def test_the_cap_is_the_callers(self) -> None:
        with pytest.raises(ImageError, match="too_large"):
            decode(jpeg(), max_pixels=120 * 90 - 1)
        assert decode(jpeg(), max_pixels=120 * 90).width == 120
        assert 8000**2 <= MAX_PIXELS < 10_000**2

    def test_ten_thousand_frames_take_no_time(self) -> None:
        data = makers.endless_gif()
        start = time.perf_counter()
        image = decode(data)
        assert time.perf_counter() - start < 1
        assert image.notes == ("animated",)

    @pytest.mark.parametrize(
        ("min_side", "expected"), [(None, 90), (91, 90), (90, 90), (46, 90), (45, 45), (23, 23), (12, 12), (1, 12)]
    )
    def test_a_jpeg_comes_no_smaller_than_asked(self, min_side: int | None, expected: int) -> None:
        image = decode(jpeg(), min_side=min_side)
        assert min(image.rgb.shape[:2]) == expected
        assert (image.width, image.height) == (120, 90)

    def test_a_reduced_jpeg_looks_like_the_full_one(self) -> None:
        full = decode(jpeg(scene(640, 480))).rgb
        for factor in (2, 4, 8):
            reduced = decode(jpeg(scene(640, 480)), min_side=480 // factor).rgb
            means = full.reshape(480 // factor, factor, 640 // factor, factor, 3).mean((1, 3))
            assert difference(reduced, means.round()) < 1


SEEDS: dict[str, Callable[[], bytes]] = {
    "jpeg": jpeg,
    "progressive": lambda: jpeg(progressive=True, exif=exif(6)),
    "cmyk": lambda: makers.cmyk_jpeg(scene(40, 30), adobe=True),
    "mpo": makers.mpo,
    "png": lambda: png(scene(40, 30)),
    "apng": lambda: makers.animated("PNG"),
    "palette": lambda: png(Image.fromarray(SCENE).quantize(16)),
    "gif": lambda: makers.animated("GIF"),
    "bmp": lambda: encoded(scene(20, 15), "BMP"),
    "rle": lambda: encoded(Image.fromarray(SCENE).quantize(16), "BMP"),
    "webp": lambda: encoded(scene(40, 30), "WEBP", exif=exif(3)),
    "webp-animated": lambda: makers.animated("WEBP"),
    "tiff": lambda: encoded(scene(40, 30), "TIFF"),
    "tiff-lzw": lambda: encoded(scene(40, 30), "TIFF", compression="tiff_lzw"),
    "tiff-jpeg": lambda: encoded(scene(40, 30), "TIFF", compression="jpeg"),
    "tiff-pages": lambda: makers.animated("TIFF"),
    "bigtiff": lambda: tiff(scene(20, 15), big=True),
    **({"avif": lambda: encoded(scene(40, 30), "AVIF")} if features.check("avif") else {}),
}


class TestRobustness:
    @pytest.mark.timeout(60)
    @pytest.mark.parametrize("name", SEEDS)
    def test_mutations_are_decoded_or_refused(self, name: str, capfd: pytest.CaptureFixture[str]) -> None:
        """No other exception, no warning, no hang; seeded, so a failure repeats.

        Nothing is printed either, but for libtiff, which Pillow lets write its errors to stderr.
        """
        base = SEEDS[name]()
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        outcomes = {"decoded": 0, "refused": 0}
        for _ in range(150):
            data = base
            for _ in range(int(rng.integers(1, 4))):
                data = makers.mutated(data, rng) or b"\0"
            try:
                image = decode(data, max_pixels=4_000_000)
            except ImageError as refusal:
                assert refusal.reason in SkipReason  # noqa: PT017
                outcomes["refused"] += 1
            else:
                assert image.rgb.dtype == np.uint8
                assert image.rgb.shape == (image.height, image.width, 3)
                outcomes["decoded"] += 1
        assert outcomes["refused"] > 10
        printed = capfd.readouterr()
        assert printed.out == ""
        assert printed.err == "" or name.startswith("tiff")

    def test_a_polyglot_is_an_image(self) -> None:
        assert difference(decode(makers.polyglot()).rgb, SCENE) < 2

    def test_threads_share_it(self) -> None:
        """Many threads at once give what one gives, and leave the process's warning filters as they were."""
        files = [*GOOD.values(), *(data for data, _ in ODD.values()), *(data for data, _ in BAD.values())]

        def outcome(data: bytes) -> bytes | str:
            try:
                return decode(data).rgb.tobytes()
            except ImageError as error:
                return str(error)

        before = list(warnings.filters), Image.MAX_IMAGE_PIXELS
        alone = [outcome(data) for data in files]
        with ThreadPoolExecutor(4) as pool:
            for together in pool.map(lambda _: [outcome(data) for data in files], range(4)):
                assert together == alone
        assert (list(warnings.filters), Image.MAX_IMAGE_PIXELS) == before

    def test_decoding_releases_the_interpreter_lock(self) -> None:
        """Another thread keeps running while a large JPEG is decoded."""
        data = jpeg(np.random.default_rng(0).integers(0, 256, (3000, 3000, 3), np.uint8))
        ticks, done = [], threading.Event()

        def tick() -> None:
            while not done.wait(0.001):
                ticks.append(time.perf_counter())

        thread = threading.Thread(target=tick)
        thread.start()
        start = time.perf_counter()
        decode(data)
        end = time.perf_counter()
        done.set()
        thread.join()
        assert sum(start < t < end for t in ticks) >= 5

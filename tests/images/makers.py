"""Every good, odd and bad image file that the tests read, made by Pillow or by hand; no file is kept.

``good_files``, ``odd_files`` and ``bad_files`` give named files for whoever wants a folder of them.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageCms

RGB = np.ndarray


def scene(width: int = 120, height: int = 90) -> RGB:
    """A smooth picture without symmetry, so that every rotation shows. uint8 (height, width, 3)."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    planes = [40 + 170 * x, 220 - 160 * y, 120 + 90 * np.sin(5 * x + 3 * y)]
    return np.rint(np.stack(planes, -1)).astype(np.uint8)


def encoded(pixels: RGB | Image.Image, kind: str, **options: Any) -> bytes:
    """Encode by Pillow; ``pixels`` an array or a Pillow image of any mode."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(pixels: RGB | None = None, **options: Any) -> bytes:
    return encoded(scene() if pixels is None else pixels, "JPEG", **{"quality": 92, **options})


def png(pixels: RGB | Image.Image | None = None, **options: Any) -> bytes:
    return encoded(scene() if pixels is None else pixels, "PNG", **options)


# --- EXIF, ICC


def exif(orientation: int, *, byte_order: Literal["<", ">"] = "<") -> bytes:
    """An EXIF block that states an orientation and nothing else."""
    mark = b"II*\0" if byte_order == "<" else b"MM\0*"
    return b"Exif\0\0" + mark + struct.pack(byte_order + "IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)


def stored_for(pixels: RGB, orientation: int) -> RGB:
    """How ``pixels`` must be stored so that the orientation displays them upright."""
    undo = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }
    return np.ascontiguousarray(undo[orientation](pixels))


def profile() -> bytes:
    """A valid sRGB colour profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


# --- PNG by hand


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_with(extra: bytes, base: bytes | None = None) -> bytes:
    """A PNG with chunks added after its header."""
    base = png() if base is None else base
    return base[:33] + extra + base[33:]


def raw_png(rows: RGB, colour: int, depth: int, extra: bytes = b"", size: tuple[int, int] | None = None) -> bytes:
    """A PNG of uint8 or uint16 samples (H, W, C), written by hand."""
    height, width = size[::-1] if size else rows.shape[:2]
    lines = rows.astype(">u2" if depth == 16 else "u1").reshape(len(rows), -1).view("u1")
    packed = zlib.compress(np.hstack([np.zeros((len(rows), 1), "u1"), lines.reshape(len(rows), -1)]).tobytes(), 1)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def png_claiming(width: int, height: int) -> bytes:
    """A small PNG whose header claims a size."""
    return raw_png(scene(4, 4), 2, 8, size=(width, height))


def ztxt_bomb(megabytes: int = 64) -> bytes:
    """A valid picture with a text that inflates to many megabytes."""
    return png_with(chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(megabytes << 20), 9)))


def many_texts(count: int = 40) -> bytes:
    """A valid picture with texts that are harmless one by one and a bomb together."""
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1 << 19), 9))
    return png_with(text * count)


def grey16_ramp(width: int = 1024) -> RGB:
    """All of the 16-bit range, in one row. uint16 (1, width)."""
    return np.linspace(0, 65535, width).round().astype(np.uint16)[None]


# --- JPEG by hand


def jpeg_segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def jpeg_with(segment: bytes, base: bytes | None = None) -> bytes:
    """A JPEG with a segment added at its start."""
    base = jpeg() if base is None else base
    return base[:2] + segment + base[2:]


def cmyk_jpeg(pixels: RGB, *, adobe: bool) -> bytes:
    """CMYK without black, either as Adobe stores it (inverted, with its marker) or as it is."""
    ink = np.dstack([255 - pixels, np.zeros(pixels.shape[:2], np.uint8)])
    if adobe:
        return encoded(Image.fromarray(ink, "CMYK"), "JPEG", quality=95)
    data = encoded(Image.fromarray(255 - ink, "CMYK"), "JPEG", quality=95)  # Pillow inverts when it saves
    at = data.index(b"\xff\xee")
    return data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], "big") :]


def extraneous_jpeg(count: int = 3) -> bytes:
    """Stray bytes before the end marker, as some cameras write them."""
    data = jpeg()
    return data[:-2] + b"\0" * count + data[-2:]


def stray_before_restart() -> bytes:
    """Stray bytes before a restart marker, from which the decoder recovers."""
    data = jpeg(restart_marker_blocks=8)
    at = data.index(b"\xff\xd0", data.index(b"\xff\xda"))
    return data[:at] + bytes(5) + data[at:]


def odd_sampling_jpeg(pixels: RGB) -> bytes:
    """Chroma at a third of the width, one scan a component: what the TurboJPEG interface has no name for."""
    planes = np.asarray(Image.fromarray(pixels).convert("YCbCr"))
    height, width = pixels.shape[:2]
    thirds = planes.reshape(height, width // 3, 3, 3).mean(2).round().astype(np.uint8)
    greys = [
        encoded(np.ascontiguousarray(p), "JPEG", quality=95) for p in (planes[..., 0], thirds[..., 1], thirds[..., 2])
    ]
    luma = greys[0]
    frame, scan = luma.index(b"\xff\xc0"), luma.index(b"\xff\xda")
    tables = luma[2:frame] + luma[frame + 2 + int.from_bytes(luma[frame + 2 : frame + 4], "big") : scan]
    components = b"".join(bytes((i + 1, 0x31 if i == 0 else 0x11, 0)) for i in range(3))
    scans = [
        jpeg_segment(0xDA, bytes((1, i + 1, 0, 0, 63, 0))) + grey[grey.index(b"\xff\xda") + 10 : -2]
        for i, grey in enumerate(greys)
    ]
    return b"".join(
        (
            b"\xff\xd8",
            tables,
            jpeg_segment(0xC0, struct.pack(">BHHB", 8, height, width, 3) + components),
            *scans,
            b"\xff\xd9",
        )
    )


def polyglot() -> bytes:
    """A JPEG that is a ZIP archive as well."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("page.html", "<script>alert(1)</script>")
    return jpeg() + buffer.getvalue()


def scans_bomb() -> bytes:
    """A progressive JPEG that repeats its last scan two thousand times."""
    data = jpeg(progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + scan * 2000 + data[-2:]


# --- several frames


def frames(count: int, size: int = 24) -> list[Image.Image]:
    return [Image.fromarray(np.roll(scene(size, size), 3 * i, axis=1)) for i in range(count)]


def animated(kind: str, count: int = 3, **options: Any) -> bytes:
    first, *rest = frames(count)
    return encoded(first, kind, save_all=True, append_images=rest, **options)


def endless_gif(count: int = 10_000) -> bytes:
    """A GIF of many frames, each a copy of the first."""
    data = animated("GIF", 2, duration=50)
    second = data.rindex(b"\x21\xf9")
    return data[:second] + data[second:-1] * (count - 1) + data[-1:]


def mpo() -> bytes:
    first, second = (Image.fromarray(a) for a in (scene(), scene()[:, ::-1].copy()))
    return encoded(first, "MPO", save_all=True, append_images=[second])


# --- TIFF by hand


def tiff(
    samples: RGB,
    *,
    order: Literal["<", ">"] = "<",
    big: bool = False,
    extra: tuple[tuple[int, int, int, bytes], ...] = (),
) -> bytes:
    """An uncompressed TIFF of one strip: grey (H, W) or RGB (H, W, 3), of uint8, uint16 or float32.

    ``extra``: more entries (tag, type, count, value field of 4 or 8 bytes).
    """
    height, width = samples.shape[:2]
    bands = 1 if samples.ndim == 2 else samples.shape[2]
    pixels = samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    start, room, wide = (16, 8, "Q") if big else (8, 4, "I")
    bits = samples.dtype.itemsize * 8
    depths = struct.pack(f"{order}{bands}H", *[bits] * bands)
    after = b""
    if len(depths) > room:
        after, depths = depths, struct.pack(order + wide, start + len(pixels))
    body = pixels + after + b"\0" * (len(after) + len(pixels) & 1)
    kind = 3 if samples.dtype.kind == "f" else 1
    entries = {
        256: (4, 1, struct.pack(order + "I", width)),
        257: (4, 1, struct.pack(order + "I", height)),
        258: (3, bands, depths),
        259: (3, 1, struct.pack(order + "H", 1)),
        262: (3, 1, struct.pack(order + "H", 1 if bands == 1 else 2)),
        273: (4, 1, struct.pack(order + "I", start)),
        277: (3, 1, struct.pack(order + "H", bands)),
        278: (4, 1, struct.pack(order + "I", height)),
        279: (4, 1, struct.pack(order + "I", len(pixels))),
        339: (3, 1, struct.pack(order + "H", kind)),
        **{tag: (type_, count, value) for tag, type_, count, value in extra},
    }
    count_format = order + ("Q" if big else "H")
    directory = struct.pack(count_format, len(entries)) + b"".join(
        struct.pack(f"{order}HH{wide}", tag, type_, count) + value.ljust(room, b"\0")
        for tag, (type_, count, value) in sorted(entries.items())
    )
    mark = b"II" if order == "<" else b"MM"
    head = mark + struct.pack(order + "H", 43 if big else 42)
    head += struct.pack(order + "HHQ", 8, 0, start + len(body)) if big else struct.pack(order + "I", 8 + len(body))
    return head + body + directory + bytes(room)


# --- named files


def good_files() -> dict[str, bytes]:
    """One ordinary file of each format that needs no optional codec."""
    return {
        "photo.jpg": jpeg(),
        "progressive.jpg": jpeg(progressive=True),
        "grey.jpg": jpeg(scene()[..., 0]),
        "picture.png": png(),
        "picture.webp": encoded(scene(), "WEBP", lossless=True),
        "picture.bmp": encoded(scene(), "BMP"),
        "picture.gif": encoded(scene(), "GIF"),
        "picture.tif": encoded(scene(), "TIFF", compression="tiff_lzw"),
        "plain.tiff": encoded(scene(), "TIFF"),
    }


def odd_files() -> dict[str, tuple[bytes, str]]:
    """Files that are used in spite of something, with the note that they get."""
    return {
        "png-inside.jpg": (png(), "wrong_extension"),
        "bmp-inside.jpg": (encoded(scene(), "BMP"), "wrong_extension"),
        "animated.gif": (animated("GIF"), "animated"),
        "animated.webp": (animated("WEBP"), "animated"),
        "animated.png": (animated("PNG"), "animated"),
        "pages.tif": (animated("TIFF"), "multi_page"),
        "two-pictures.jpg": (mpo(), "multi_picture"),
        "bad-exif.jpg": (jpeg(exif=b"Exif\0\0II*\0\xff\xff\xff\x7f"), "broken_exif"),
        "no-exif.jpg": (jpeg(exif=b"Exif\0\0what is this"), "broken_exif"),
        "bad-exif.png": (png_with(chunk(b"eXIf", b"II*\0\x08\0\0\0\xff\xff")), "broken_exif"),
        "bad-exif.webp": (encoded(scene(), "WEBP", exif=b"Exif\0\0MM\0*\0"), "broken_exif"),
        "exif-points-out.jpg": (jpeg(exif=_exif_pointing_out()), "broken_exif"),
        "bad-icc.jpg": (jpeg(icc_profile=b"no profile" * 20), "broken_icc"),
        "cut-icc.jpg": (jpeg(icc_profile=profile()[:200]), "broken_icc"),
        "bad-icc.png": (png_with(chunk(b"iCCP", b"x\0\0not zlib")), "broken_icc"),
        "bad-icc.webp": (encoded(scene(), "WEBP", icc_profile=b"no profile" * 20), "broken_icc"),
        "bad-icc.tif": (encoded(scene(), "TIFF", icc_profile=b"no profile" * 20), "broken_icc"),
        "stray-bytes.jpg": (extraneous_jpeg(), "damaged_data"),
        "stray-bytes-inside.jpg": (stray_before_restart(), "damaged_data"),
        "float.tif": (tiff(scene()[..., 0].astype(np.float32) / 255), "range_guessed"),
    }


def bad_files() -> dict[str, tuple[bytes, str]]:
    """Files that are skipped, with the reason code."""
    whole, half = jpeg(), len(jpeg()) // 2
    fifty = struct.pack("<I", 50_000)
    nan = scene()[..., 0].astype(np.float32)
    nan[3, 5] = np.nan
    bmp, gif, webp = (encoded(scene(), f) for f in ("BMP", "GIF", "WEBP"))
    lzw = encoded(scene(), "TIFF", compression="tiff_lzw")
    return {
        "empty.jpg": (b"", "empty"),
        "one-byte.jpg": (b"\xff", "not_an_image"),
        "page.jpg": (b"<!DOCTYPE html><html><body>404 <svg ></svg></body></html>", "not_an_image"),
        "text.png": (b"hello, world\n", "not_an_image"),
        "archive.jpg": (polyglot()[len(whole) :], "not_an_image"),
        "start-only.jpg": (b"\xff\xd8", "truncated"),
        "half.jpg": (whole[:half], "truncated"),
        "half-progressive.jpg": (jpeg(progressive=True)[:half], "truncated"),
        "half-restarts.jpg": (jpeg(restart_marker_blocks=2)[:half], "truncated"),
        "half-cmyk.jpg": (cmyk_jpeg(scene(), adobe=True)[:half], "truncated"),
        "cut-in-header.jpg": (whole[:100], "truncated"),
        "no-end-marker.jpg": (whole[:-2], "truncated"),
        "stray-bytes-no-end.jpg": (extraneous_jpeg(40)[:-2], "truncated"),
        "stray-bytes-inside-no-end.jpg": (stray_before_restart()[:-2], "truncated"),
        "no-frame.jpg": (b"\xff\xd8" + whole[whole.index(b"\xff\xda") :], "corrupt"),
        "mostly-stray.jpg": (extraneous_jpeg(5000), "corrupt"),
        "endless-scans.jpg": (scans_bomb(), "corrupt"),
        "zero-height.jpg": (_patched(whole, whole.index(b"\xff\xc0") + 5, b"\0\0"), "corrupt"),
        "huge.jpg": (_patched(whole, whole.index(b"\xff\xc0") + 5, b"\xff\xdc\xff\xdc"), "too_large"),
        "twelve-bits.jpg": (_patched(whole, whole.index(b"\xff\xc0") + 4, b"\x0c"), "unsupported_format"),
        "lossless.jpg": (_patched(whole, whole.index(b"\xff\xc0") + 1, b"\xc3"), "unsupported_format"),
        "half.png": (png()[: len(png()) // 2], "truncated"),
        "no-iend.png": (png()[:-12], "truncated"),
        "short-idat.png": (raw_png(scene(40, 20), 2, 8, size=(40, 30)), "truncated"),
        "flipped-text.png": (flipped(png_with(chunk(b"tEXt", b"Comment\0hello")), 50), "corrupt"),
        "flipped.png": (flipped(png(), len(png()) // 2), "corrupt"),
        "huge.png": (png_claiming(50_000, 50_000), "too_large"),
        "ten-thousand.png": (png_claiming(10_000, 10_000), "too_large"),
        "zero.png": (png_claiming(0, 7), "corrupt"),
        "ztxt-bomb.png": (ztxt_bomb(), "too_large"),
        "many-texts.png": (many_texts(), "too_large"),
        "nan.tif": (tiff(nan), "corrupt"),
        "infinite.tif": (tiff(np.where(np.isnan(nan), np.inf, nan)), "corrupt"),
        "half.tif": (encoded(scene(), "TIFF")[: scene().size // 2], "truncated"),
        "half-lzw.tif": (_tail_removed(lzw), "truncated"),
        "huge.tif": (tiff(scene(4, 4), extra=((256, 4, 1, fifty), (257, 4, 1, fifty))), "too_large"),
        "zero.tif": (tiff(scene(4, 4), extra=((256, 4, 1, bytes(4)),)), "corrupt"),
        "two-widths.tif": (tiff(scene(4, 4), extra=((256, 3, 2, struct.pack("<HH", 4, 4)),)), "corrupt"),
        "half.gif": (gif[: len(gif) // 2], "truncated"),
        "header-only.gif": (gif[:13], "truncated"),
        "huge.gif": (_patched(gif, 6, b"\xff\xff\xff\xff"), "too_large"),
        "huge-frame.gif": (_patched(gif, gif.index(b"\x2c\0\0\0\0") + 5, b"\xff\xff\xff\xff"), "too_large"),
        "half.bmp": (bmp[: len(bmp) // 2], "truncated"),
        "huge.bmp": (_patched(bmp, 18, struct.pack("<ii", 50_000, 50_000)), "too_large"),
        "half.webp": (webp[: len(webp) // 2], "truncated"),
        "huge.webp": (_webp_claiming(16_384, 16_384), "too_large"),
        "document.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "unsupported_format"),
        "eps-inside.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", "unsupported_format"),
        "drawing.svg": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "unsupported_format"),
        "svg-inside.png": (b'\xef\xbb\xbf <svg width="9"></svg>', "unsupported_format"),
        "page.pdf": (b"%PDF-1.7\n", "unsupported_format"),
        "phone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + bytes(64), "unsupported_format"),
        "icon.ico": (encoded(scene(16, 16), "ICO"), "unsupported_format"),
        "grey.pgm": (encoded(scene()[..., 0], "PPM"), "unsupported_format"),
        "jpeg-2000.jp2": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40), "unsupported_format"),
        "lab.tif": (encoded(Image.new("LAB", (8, 8)), "TIFF"), "unsupported_format"),
        "raw.cr2": (b"II*\0\x10\0\0\0CR\2\0" + bytes(64), "unsupported_format"),
    }


def flipped(data: bytes, at: int, bit: int = 3) -> bytes:
    """The same bytes with one bit the other way."""
    return _patched(data, at, bytes((data[at] ^ 1 << bit,)))


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """A random change: bits flipped, bytes overwritten, a part cut out, doubled, zeroed or the end cut off."""
    at = int(rng.integers(len(data)))
    length = int(rng.integers(1, 40))
    change = int(rng.integers(6))
    if change == 0:
        return flipped(data, at, int(rng.integers(8)))
    if change == 1:
        return _patched(data, at, rng.bytes(min(length, len(data) - at)))
    if change == 2:
        return data[:at] + data[at + length :]
    if change == 3:
        return data[: at + length] + data[at:]
    if change == 4:
        return _patched(data, at, bytes(min(length, len(data) - at)))
    return data[:at]


def _patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def _tail_removed(data: bytes) -> bytes:
    """A TIFF whose strip points beyond the end: its directory is moved to where the last data byte lay."""
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    fields = [list(struct.unpack_from("<HHII", data, start + 2 + 12 * i)) for i in range(count)]
    for field in fields:
        if field[0] == 279 and field[2] == 1:
            field[3] += len(data)
    packed = b"".join(struct.pack("<HHII", *field) for field in fields)
    return _patched(data, start + 2, packed)


def _webp_claiming(width: int, height: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"VP8X" + struct.pack("<I", 10) + bytes(4) + size + encoded(scene(), "WEBP")[12:]
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def _exif_pointing_out() -> bytes:
    return b"Exif\0\0II*\0" + struct.pack("<IHHHII", 8, 1, 0x10F, 2, 400, 10_000) + bytes(4)

"""What the page says of files that it cannot show, and how it plays those that move: sizes, turns and times."""

import base64
import io
import struct

import av
import cv2
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from test_pictures import ASTRONAUT, choose, encode, shown
from waiting import until

import bodylens

IDENTIFY = """async (files) => {
  const home = new DOMParser().parseFromString(await (await fetch("/")).text(), "text/html");
  const { app } = JSON.parse(home.querySelector('meta[name="bodylens:site"]').content);
  const { identify, readBlob, explain } = await import(
    new URL(`${app}/page/formats.js`.replace("//", "/"), location.origin));
  return Promise.all(files.map(async (file) => {
    const bytes = Uint8Array.from(atob(file), (letter) => letter.charCodeAt(0));
    const format = await identify(readBlob(new Blob([bytes])));
    return { ...format, text: explain(format) };
  }));
}"""
TO_MP4 = "Convert it to MP4 with H.264, then open that."
TO_PNG = "Save it as PNG or JPEG, then open that."


def box(name, *contents):
    data = b"".join(contents)
    return struct.pack(">I", 8 + len(data)) + name + data


def iso(codec, handler=b"vide", brand=b"isom", before=b""):
    """Give an ISO base media file with one track and without its media."""
    handlers = box(b"hdlr", bytes(8), handler, bytes(12))
    entry = box(b"stsd", struct.pack(">II", 0, 1), box(codec, bytes(78)))
    track = box(b"trak", box(b"mdia", handlers, box(b"minf", box(b"stbl", entry))))
    return box(b"ftyp", brand, bytes(4), brand) + before + box(b"moov", box(b"mvhd", bytes(100)), track)


def matroska(kind, codec):
    """Give the beginning of a Matroska file with one track, whose name follows its codec."""
    return (
        b"\x1a\x45\xdf\xa3\x42\x82"
        + bytes([0x80 | len(kind)])
        + kind
        + bytes(20)
        + b"\x86"
        + bytes([0x80 | len(codec)])
        + codec
        + b"\x53\x6e\x84NAME"
        + bytes(20)
    )


def transport_stream():
    return (b"G" + bytes(187)) * 4


FILES = {
    "HEVC in MP4": (iso(b"hvc1"), f"Video in HEVC (H.265) cannot be shown in this browser. {TO_MP4}"),
    "HEVC behind its media, as cameras write": (
        iso(b"hev1", before=box(b"mdat", bytes(100_000))),
        f"Video in HEVC (H.265) cannot be shown in this browser. {TO_MP4}",
    ),
    "ProRes": (iso(b"apcn", brand=b"qt  "), f"Video in Apple ProRes cannot be shown in this browser. {TO_MP4}"),
    "AV1": (iso(b"av01"), f"Video in AV1 cannot be shown in this browser. {TO_MP4}"),
    "a codec that nobody knows": (iso(b"zzzz"), f"Video in zzzz cannot be shown in this browser. {TO_MP4}"),
    "H.264 that does not play": (
        iso(b"avc1"),
        "The H.264 video is damaged, or of a rare kind. Open another copy of it.",
    ),
    "MP4 without an index": (
        box(b"ftyp", b"isom", bytes(4)) + box(b"mdat", bytes(99)),
        "The MP4 file does not say what it holds: it is damaged. Open another copy of it.",
    ),
    "HEVC in Matroska": (
        matroska(b"matroska", b"V_MPEGH/ISO/HEVC"),
        f"Video in HEVC (H.265) cannot be shown in this browser. {TO_MP4}",
    ),
    "a transport stream": (
        transport_stream(),
        f"MPEG transport stream files cannot be shown in this browser. {TO_MP4}",
    ),
    "AVI": (b"RIFF\0\0\0\0AVI LIST", f"AVI files cannot be shown in this browser. {TO_MP4}"),
    "TIFF": (b"II*\0" + bytes(20), f"TIFF pictures cannot be shown in this browser. {TO_PNG}"),
    "TIFF of the other order": (b"MM\0*" + bytes(20), f"TIFF pictures cannot be shown in this browser. {TO_PNG}"),
    "HEIC": (box(b"ftyp", b"heic", bytes(4), b"mif1heic"), f"HEIC pictures cannot be shown in this browser. {TO_PNG}"),
    "JPEG XL": (b"\0\0\0\x0cJXL \r\n\x87\n", f"JPEG XL pictures cannot be shown in this browser. {TO_PNG}"),
    "half a JPEG": (
        encode(".jpg", ASTRONAUT)[:300],
        "The JPEG picture is damaged, or of a rare kind. Open another copy of it.",
    ),
    "a letter": (b"Dear Sir or Madam", ""),
    "nothing": (b"", ""),
}
SOUNDS = {
    "sound in MP4": iso(b"mp4a", handler=b"soun"),
    "sound in WebM": matroska(b"webm", b"A_OPUS"),
    "WAVE": b"RIFF\0\0\0\0WAVEfmt ",
}


def test_a_file_is_named_by_its_bytes(server, browser):
    page = browser.new_page()
    page.goto(f"{server}/health")
    contents = [*(content for content, _ in FILES.values()), *SOUNDS.values()]
    told = page.evaluate(IDENTIFY, [base64.b64encode(content).decode() for content in contents])
    page.close()
    texts = [file["text"] for file in told[: len(FILES)]]
    assert dict(zip(FILES, texts, strict=True)) == {name: text for name, (_, text) in FILES.items()}
    assert [file["kind"] for file in told[len(FILES) :]] == ["sound"] * len(SOUNDS)


def test_files_that_the_browser_cannot_show_are_named_with_a_way_out(visit, wait_state):
    opened = visit("?backend=wasm")
    page = opened.page
    text = page.locator("#message-text")
    for name in ("HEVC in MP4", "HEVC behind its media, as cameras write", "a transport stream", "TIFF", "half a JPEG"):
        content, sentence = FILES[name]
        choose(page, "file", content)
        expect(text).to_have_text(sentence)
        # What the browser says stands apart, smaller.
        assert page.inner_text("#message-detail") not in sentence
        expect(page.get_by_role("heading", name="This file cannot be shown")).to_be_visible()
    choose(page, "file", b"")
    expect(text).to_have_text("The file is empty. Open another copy of it.")
    choose(page, "file", SOUNDS["sound in MP4"])
    expect(page.get_by_role("heading", name="This file holds no pictures")).to_be_visible()
    choose(page, "file.png", FILES["TIFF"][0], "#background")
    expect(page.get_by_role("heading", name="This background cannot be shown")).to_be_visible()
    expect(text).to_have_text(FILES["TIFF"][1])
    content = FILES["HEVC behind its media, as cameras write"][0]
    page.route("**/film.mp4", lambda route: route.fulfill(body=content, content_type="video/mp4"))
    page.goto(page.url.split("?")[0] + "?backend=wasm&source=film.mp4")
    expect(text).to_have_text(FILES["HEVC in MP4"][1])  # though this host sends no ranges
    page.get_by_role("button", name="Use the sample picture").click()
    wait_state(page, "running")
    assert not [error for error in opened.errors if "film.mp4" not in error]


def animations():
    """Give three frames, blue, green and red, of 0.2, 0.3 and 0.5 s, as files of each format."""
    frames = [Image.new("RGB", (64, 48), color) for color in ("blue", "lime", "red")]
    files = {}
    for ending, options in {"GIF": {}, "WEBP": {"lossless": True}, "PNG": {}}.items():
        file = io.BytesIO()
        frames[0].save(
            file, ending, save_all=True, append_images=frames[1:], duration=[200, 300, 500], loop=0, **options
        )
        files[ending] = file.getvalue()
    return files


def test_animations_play_with_all_their_frames_and_times(visit):
    opened = visit("?backend=wasm&effect=none")
    page = opened.page
    for ending, content in animations().items():
        choose(page, ending, content)
        shown(page, 64, 48)
        page.evaluate(
            """() => {
              globalThis.seen = new Set();
              const look = () => {
                seen.add(bodylens.latest()?.frame.time);
                if (seen.size < 3) setTimeout(look, 10);
              };
              look();
            }"""
        )
        until(page, "seen.size === 3")
        assert sorted(page.evaluate("[...seen]")) == [0, 0.2, 0.5], ending
    cut = animations()["PNG"]
    choose(page, "cut.png", cut[: cut.rindex(b"fdAT") + 16])
    expect(page.locator("#message-text")).to_have_text(
        "The animation is damaged: frame 3 of 3 cannot be decoded. Open another copy of it."
    )
    single = io.BytesIO()
    Image.new("RGB", (30, 20)).save(single, "GIF")
    choose(page, "single.gif", single.getvalue())
    shown(page, 30, 20)
    until(page, "bodylens.latest().frame.time > 1")  # a still, by the clock
    assert not opened.errors


def test_without_a_decoder_of_frames_the_first_is_shown_and_a_sentence_says_so(visit):
    opened = visit("?backend=wasm", script="delete globalThis.ImageDecoder;")
    choose(opened.page, "moving.gif", animations()["GIF"])
    shown(opened.page, 64, 48)
    expect(opened.page.locator("#notice")).to_have_text("In this browser, only the first frame of GIF files is shown.")


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Write films of the portrait: stored half as wide as it is shown, and stored lying on its side."""
    folder = tmp_path_factory.mktemp("films")
    portrait = cv2.resize(ASTRONAUT, (256, 256))[..., ::-1]

    def write(name, picture, ratio=1):
        with av.open(str(folder / name), "w") as out:
            stream = out.add_stream("libvpx-vp9", rate=10, options={"crf": "10", "b": "0"})
            stream.width, stream.height, stream.pix_fmt = picture.shape[1], picture.shape[0], "yuv420p"
            stream.codec_context.sample_aspect_ratio = ratio
            for _ in range(5):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
                out.mux(stream.encode(frame))
            out.mux(stream.encode())
        return folder / name

    narrow = write("narrow.mp4", cv2.resize(portrait, (128, 256)), 2)
    lying = write("lying.mp4", np.rot90(portrait[:, 32:224]))
    content = lying.read_bytes()
    plain = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    at = content.index(plain, content.index(b"tkhd"))
    turned = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 256 << 16, 0, 1 << 30)  # a quarter, clockwise
    lying.write_bytes(content[:at] + turned + content[at + 36 :])
    return {narrow: (256, 256), lying: (192, 256)}


def test_films_are_worked_on_as_they_are_shown_and_as_natively(visit, films):
    opened = visit("?backend=wasm&model=movenet-lightning&effect=none")
    for film, (width, height) in films.items():
        picture, _ = next(bodylens.frames(film))
        assert picture.shape[:2] == (height, width)
        native = bodylens.create_detector("movenet-lightning").estimate_poses(picture)
        choose(opened.page, film.name, film.read_bytes())
        shown(opened.page, width, height)
        found = opened.page.evaluate("bodylens.latest().people[0].keypoints")
        for index, place in enumerate(native.keypoints[0, :5]):  # the face
            assert np.abs(place[:2] - [found[index]["x"], found[index]["y"]]).max() < 6, (film.name, index)
    assert not opened.errors

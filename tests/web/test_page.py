"""The whole page in a real Chromium: camera or picture in, our Python and real networks, a drawn mask out."""

import base64
import io
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from drawn import frames_out, snapshot
from waiting import until

import bodylens

PICTURES = Path(__file__).parents[1] / "pictures"
MEDIA = Path(__file__).parents[3] / "shared" / "media"
CURRENT_MASK = """
import base64, bodylens, numpy as np
segmenter = await bodylens.create_segmenter("{model}")
people = await segmenter.estimate()
mask = await people.read_mask()
[*mask.shape, base64.b64encode(np.round(mask * 255).astype(np.uint8).tobytes()).decode()]
"""


def python(page, code):
    return page.evaluate("code => bodylens.python(code)", code)


def current_mask(page, model="selfie-general"):
    height, width, text = python(page, CURRENT_MASK.format(model=model))
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width) / np.float32(255)


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


@pytest.fixture(scope="module")
def native():
    """Give the mask of the sample as the native driver sees it."""
    picture = bodylens.read_picture(PICTURES / "astronaut.jpg")
    return bodylens.create_segmenter("selfie-general").estimate(picture).read_mask()


@pytest.mark.parametrize("source", ["sample", "camera"])
def test_a_link_shows_a_person_cut_out_and_asks_nobody_else(visit, wait_state, server, source):
    opened = visit(f"?source={source}&effect=color&color=%230000ff&backend=wasm")
    wait_state(opened.page, "running")
    frames_out(opened.page, 5)
    drawn = snapshot(opened.page)
    blue = (drawn[..., :3] == (0, 0, 255)).all(-1)
    assert 0.1 < blue.mean() < 0.9, "the background is blue, the person is not"

    record = opened.page.evaluate("bodylens.latest()")
    (person,) = record["people"]
    assert person["score"] > 0.5
    assert person["keypoints"] == []
    assert set(record["frame"]) == {"index", "time", "width", "height"}

    origins = {
        urlsplit(request.url)[:2] for request in opened.requests if not request.url.startswith(("blob:", "data:"))
    }
    assert origins == {urlsplit(server)[:2]}
    assert not opened.errors


def test_the_mask_in_the_page_is_the_native_one(visit, wait_state, native):
    opened = visit("?source=sample&backend=wasm")
    wait_state(opened.page, "running")
    mask = current_mask(opened.page)
    assert iou(mask >= 0.5, native >= 0.5) > 0.985
    np.testing.assert_allclose(mask.mean(), native.mean(), atol=0.01)


@pytest.mark.skipif(not MEDIA.is_dir(), reason="the reference pictures are not beside the checkout")
def test_the_reference_portrait_is_cut_out_in_the_page_as_by_the_original(visit, wait_state):
    opened = visit("?backend=wasm")
    wait_state(opened.page, "ready")
    opened.page.set_input_files("input[type=file] >> nth=0", MEDIA / "portrait.jpg")
    wait_state(opened.page, "running")
    expected = bodylens.read_picture(MEDIA / "portrait_segmentation.png")[..., 2] > 127
    found = iou(current_mask(opened.page) >= 0.5, expected)
    print(f"\nselfie-general on portrait.jpg in the page: IoU {found:.4f}")
    assert found >= 0.98


@pytest.mark.parametrize("backend", ["wasm", "webgl", "webgpu"])
def test_every_provider_gives_the_same_mask(visit, wait_state, native, backend):
    opened = visit(f"?source=sample&backend={backend}")
    wait_state(opened.page, "running", timeout=180)
    until(opened.page, f"bodylens.stats().backend === '{backend}'")
    assert iou(current_mask(opened.page) >= 0.5, native >= 0.5) > 0.98


def test_every_frame_of_the_camera_is_closed(visit, wait_state):
    opened = visit("?source=camera&backend=wasm&effect=none")
    wait_state(opened.page, "running")
    before = frames_out(opened.page, 20)["frames"]
    after = frames_out(opened.page, 120)["frames"]
    for frames in (before, after):
        # One may be on its way and one may wait.
        assert 0 <= frames["in"] - frames["closed"] <= 2
        assert 0 <= frames["in"] - frames["dropped"] - frames["out"] <= 2
    assert after["in"] > before["in"]
    opened.page.click("#pause")
    wait_state(opened.page, "paused")


def test_what_is_chosen_is_in_the_address_and_the_address_says_what_is_chosen(visit, wait_state):
    opened = visit("?source=sample&effect=blur&blur=40&mirror=1&smoothing=0&backend=wasm")
    page = opened.page
    wait_state(page, "running")
    plain = snapshot(page)
    page.evaluate("document.querySelector('input[name=mirror]').click()")
    page.wait_for_url(lambda url: "mirror=0" in url or "mirror=1" not in url)
    frames_out(page, page.evaluate("bodylens.stats().frames.out") + 3)
    unmirrored = snapshot(page)
    assert np.abs(plain[:, ::-1].astype(int) - unmirrored).mean() < 4
    assert "effect=blur" in page.url
    assert "blur=40" in page.url


def test_python_in_the_page_has_the_same_api(visit, wait_state):
    opened = visit("?source=sample&backend=wasm")
    wait_state(opened.page, "running")
    picture = bodylens.read_picture(PICTURES / "astronaut.jpg")[::4, ::4]
    buffer = io.BytesIO()
    np.save(buffer, picture)
    text = base64.b64encode(buffer.getvalue()).decode()
    found = python(
        opened.page,
        f"""
import base64, io, bodylens, numpy as np
picture = np.load(io.BytesIO(base64.b64decode("{text}")))
segmenter = await bodylens.create_segmenter("selfie-landscape", threshold=0.6)
people = await segmenter.estimate(picture, 1.5)
mask = await people.read_mask(size=(32, 16))
{{"record": bodylens.to_record(people), "shape": list(mask.shape), "most": float(mask.max())}}
""",
    )
    assert found["record"]["frame"] == {"index": 0, "time": 1.5, "width": 128, "height": 128}
    assert len(found["record"]["people"]) == 1
    assert found["shape"] == [16, 32]
    assert found["most"] > 0.9


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import bodylens; await bodylens.create_segmenter('selfie')", "did you mean selfie-general"),
        ("import bodylens\ns = await bodylens.create_segmenter()\nawait s.estimate([[1]])", "a picture is an array"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_python_that_fails_says_so_and_costs_nothing(visit, wait_state, code, said):
    opened = visit("?source=sample&backend=wasm")
    wait_state(opened.page, "running")
    told = opened.page.evaluate("code => bodylens.python(code).catch((error) => error.message)", code)
    assert said in told
    assert python(opened.page, "6 * 7") == 42
    assert opened.state == "running"


def test_a_second_visit_starts_from_the_snapshot_of_the_first(visit, wait_state):
    first = visit("?source=sample&backend=wasm")
    wait_state(first.page, "running")
    assert first.page.evaluate("bodylens.stats().python.times.snapshot") is False
    frames_out(first.page, 10)
    kept = """(async () => {
      const folder = await navigator.storage.getDirectory();
      for await (const [name, handle] of folder) if ((await handle.getFile()).size) return name;
    })()"""
    assert until(first.page, kept).endswith(".snapshot")
    again = visit("?source=sample&backend=wasm", again=first)
    wait_state(again.page, "running")
    assert again.page.evaluate("bodylens.stats().python.times.snapshot") is True
    assert not again.errors


def test_a_model_can_be_changed_while_it_runs(visit, wait_state):
    opened = visit("?source=sample&backend=wasm")
    wait_state(opened.page, "running")
    opened.page.select_option("select[name=model]", "selfie-landscape")
    opened.page.wait_for_url("**model=selfie-landscape**")
    until(opened.page, "bodylens.latest()?.people.length === 1")
    assert opened.state == "running"
    assert any("selfie-landscape" in request.url for request in opened.requests)
    assert not opened.errors


def test_the_page_leads_to_the_licences_of_all_that_it_contains(visit, server):
    opened = visit("")
    link = opened.page.get_by_role("link", name="Licenses")
    link.scroll_into_view_if_needed()
    with opened.page.context.expect_page() as waiting:
        link.click()
    shown = waiting.value
    assert urlsplit(shown.url)[:2] == urlsplit(server)[:2]
    assert shown.get_by_role("heading", name="Licenses").is_visible()
    assert "Pyodide" in shown.locator("dl").inner_text()
    shown.get_by_role("link", name="MPL-2.0").first.click()
    shown.get_by_text("Mozilla Public License Version 2.0").wait_for()

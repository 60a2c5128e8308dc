"""Poses in a real Chromium, seen: on a camera, a picture and a video file that a person chooses."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from drawn import snapshot
from waiting import until

MEDIA = Path(os.environ.get("BODYLENS_MEDIA", Path(__file__).parents[3] / "shared" / "media"))
CLIP = MEDIA / "pose_1.mp4"
shared = pytest.mark.skipif(not CLIP.is_file(), reason="the reference clip is not beside the checkout")

FILM = """{
  const { play } = HTMLMediaElement.prototype;
  HTMLMediaElement.prototype.play = function () {
    globalThis.film = this;
    return play.call(this);
  };
}"""


@pytest.fixture
def show(visit, wait_state):
    """Open the page with a source: sample, camera, or the clip, chosen as a file."""

    def show(source, query):
        opened = visit(f"?backend=wasm&{query}" + ("" if source == "file" else f"&source={source}"), script=FILM)
        if source == "file":
            wait_state(opened.page, "ready")
            opened.page.set_input_files("input[type=file] >> nth=0", CLIP)
        wait_state(opened.page, "running", timeout=120)
        return opened

    return show


def watch(page, frames):
    """Give the records of so many different frames."""
    records = []
    while len(records) < frames:
        record = page.evaluate("bodylens.latest()")
        if not records or record["frame"]["index"] != records[-1]["frame"]["index"]:
            records.append(record)
        page.wait_for_timeout(20)
    return records


def hold(page, source):
    """Pause what moves, and wait until the last frame is drawn."""
    if source == "sample":
        return
    page.click("#pause")
    page.wait_for_selector("html[data-state=paused]", state="attached")
    before, after = None, snapshot(page)
    while before is None or not np.array_equal(before, after):
        page.wait_for_timeout(500)
        before, after = after, snapshot(page)


def keypoints(person):
    return np.array([[point["x"], point["y"]] for point in person["keypoints"]])


@shared
def test_a_video_file_is_followed_by_its_own_clock(show):
    page = show("file", "model=movenet-lightning&effect=none").page
    # Where frames take long the clip goes slowly too: else who is in it would leap from frame to frame.
    until(page, "bodylens.stats().fps")
    page.evaluate("film.playbackRate = Math.max(1 / 16, Math.min(1, bodylens.stats().fps / 10))")
    records = [record for record in watch(page, 40) if record["people"]]
    times = np.array([record["frame"]["time"] for record in records])
    ids = [record["people"][0]["id"] for record in records]
    assert len(records) >= 38
    # Seconds of the clip, which begins anew at its end; so do ids, which are not used again.
    assert 0 <= times.min() < times.max() < 4.1
    rounds = np.concatenate([[0], np.cumsum(np.diff(times) < 0)])
    assert ids == (ids[0] + rounds).tolist()

    want = json.loads((MEDIA / "pose_1.json").read_text())
    off = []
    for record, time in zip(records, times, strict=True):
        truth = want[min(round(time * 30), len(want) - 1)]
        there = [[truth[point["name"]]["x"], truth[point["name"]]["y"]] for point in record["people"][0]["keypoints"]]
        off.append(np.linalg.norm(keypoints(record["people"][0]) - there, axis=1))
    print(f"\npose_1.mp4 in the page: {np.mean(off):.1f} px from the reference on average")
    assert np.mean(off) < 30


@shared
@pytest.mark.parametrize("source", ["sample", "camera", "file"])
def test_the_skeleton_is_drawn_where_the_person_is(show, source):
    page = show(source, "model=movenet-lightning&effect=none&mirror=0").page
    hold(page, source)
    with_skeleton = snapshot(page)[..., :3].astype(int)
    (person,) = page.evaluate("bodylens.latest()")["people"]
    page.uncheck("input[name=skeleton]")
    for _ in range(100):  # until it is drawn anew
        without = snapshot(page)[..., :3].astype(int)
        rows, columns = np.nonzero(np.abs(with_skeleton - without).max(axis=-1) > 60)
        if len(rows):
            break
    assert len(rows) > 100
    frame = page.evaluate("bodylens.latest()")["frame"]
    scale = without.shape[1] / frame["width"]
    points = keypoints(person) * scale
    low, high = points.min(axis=0) - 12 * scale, points.max(axis=0) + 12 * scale
    within = (columns >= low[0]) & (columns <= high[0]) & (rows >= low[1]) & (rows <= high[1])
    print(f"\n{source}: {len(rows)} pixels drawn, {within.mean():.1%} of them around the person")
    assert within.mean() > 0.98
    assert page.locator("#world-button").is_hidden()


@shared
@pytest.mark.parametrize("source", ["sample", "camera", "file"])
def test_blazepose_cuts_people_out_of_every_source(show, source):
    page = show(source, "model=blazepose-lite&effect=cutout&skeleton=0&mirror=0").page
    hold(page, source)
    opaque = snapshot(page)[..., 3] > 127
    record = page.evaluate("bodylens.latest()")
    nose = keypoints(record["people"][0])[0] * opaque.shape[1] / record["frame"]["width"]
    print(f"\n{source}: {opaque.mean():.0%} of the picture is left")
    assert 0.03 < opaque.mean() < 0.8
    assert opaque[int(nose[1]), int(nose[0])]


@shared
def test_a_video_file_is_seen_in_three_dimensions_too(show):
    opened = show("file", "model=blazepose-lite&effect=none")
    opened.page.click("#world-button")
    opened.page.wait_for_selector("#world:not([hidden])")
    records = watch(opened.page, 5)
    heights = [np.ptp([point["y"] for point in record["people"][0]["world"]]) for record in records]
    assert all(0.8 < height < 2.2 for height in heights), "metres"
    assert not opened.errors


def test_on_a_still_image_landmarks_stay_where_they_are(show):
    page = show("sample", "model=blazepose-lite").page
    found = [record["people"][0]["keypoints"] for record in watch(page, 3)]
    assert found[0] == found[1] == found[2]

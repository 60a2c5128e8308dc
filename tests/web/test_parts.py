"""Parts of bodies in the page, with real networks: what is drawn against what the same Python finds natively."""

import base64
from pathlib import Path

import cv2
import numpy as np
import pytest

import bodylens
from bodylens import draw
from bodylens.limb_parts import hidden_parts, limb_parts
from bodylens_models import store

PICTURES = Path(__file__).parents[1] / "pictures"
# 24 colours whose bytes say which part they are.
NUMBERED = ",".join(f"{i + 1:02x}{2 * i:02x}{255 - i:02x}" for i in range(24))
SNAPSHOT = """async () => {
  const bytes = new Uint8Array(await (await bodylens.snapshot()).arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}"""


@pytest.fixture(scope="module")
def picture():
    return bodylens.read_picture(PICTURES / "astronaut.jpg")


@pytest.fixture
def drawn(visit, wait_state):
    """Open the page on the sample, and give what it draws and any error: `drawn(query)`."""

    def drawn(query):
        opened = visit(f"?source=sample&backend=wasm&skeleton=0&{query}")
        wait_state(opened.page, "running")
        png = base64.b64decode(opened.page.evaluate(SNAPSHOT))
        assert not opened.errors
        return cv2.cvtColor(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

    return drawn


def need(*labels):
    for label in labels:
        name, _, variant = label.partition("+")
        if store.state(name, variant or None).state != "ready":
            pytest.skip(f"{label} has not been fetched: bodylens models fetch {name}")


def agreement(name, image, native):
    """Share of pixels with the same label, of all and of the persons' in both; printed."""
    red, _, blue = np.moveaxis(image.astype(int), 2, 0)
    found = np.where((blue == 256 - red) & (red > 0) & (red <= 24), red - 1, -1)
    both = (found >= 0) & (native >= 0)
    whole, of_persons = (found == native).mean(), (found == native)[both].mean()
    print(f"\n{name}: {whole:.2%} of all pixels have the same label, {of_persons:.2%} of the persons' in both")
    assert both.mean() > 0.2
    return whole


def test_bodypix_draws_in_the_page_the_parts_that_it_finds_natively(drawn, picture):
    need("bodypix-050")
    native = bodylens.create_segmenter("bodypix-050", segment_body_parts=True, segmentation_threshold=0.5)
    parts = native.segment_people(picture).segmentation.parts()
    image = drawn(f"model=bodypix-050&effect=parts&opacity=1&edgeblur=0&edge=0.5&table={NUMBERED}")
    assert agreement("bodypix", image, parts) > 0.97


def test_a_system_without_a_head_for_parts_draws_those_of_its_skeletons(drawn, picture):
    detector = bodylens.create_detector("movenet-lightning", mask_model="selfie-general", enable_smoothing=False)
    people = detector.estimate_poses(picture)
    parts, _ = limb_parts(people, people.read_mask() > 0.5)
    image = drawn(f"model=movenet-lightning&effect=parts&opacity=1&edgeblur=0&table={NUMBERED}&smoothing=0")
    assert agreement("movenet with the mask of selfie", image, parts) > 0.95


def test_a_face_is_hidden_and_the_rest_is_left_alone(drawn, picture):
    image = drawn("model=blazepose-full&effect=hide&blur=16&smoothing=0")
    people = bodylens.create_detector("blazepose-full", mask_model="selfie-general").estimate_poses(picture)
    person = people.read_mask()
    parts, _ = limb_parts(people, person > 0.5)
    hidden = hidden_parts(people, person > 0.25).astype(np.uint8)
    changed = abs(cv2.GaussianBlur(image, (0, 0), 1).astype(int) - cv2.GaussianBlur(picture, (0, 0), 1)).max(axis=2)
    face = cv2.erode(np.isin(parts, draw.FACE).astype(np.uint8), np.ones((25, 25))) > 0
    away = cv2.dilate(hidden, np.ones((41, 41))) == 0
    assert face.mean() > 0.01
    assert hidden[face].all()
    assert away.mean() > 0.3
    assert np.median(changed[face]) > 8
    assert changed[away].mean() < 3


def test_people_are_coloured_one_by_one(drawn, picture):
    need("bodypix-050")
    image = drawn("model=bodypix-050&effect=people&opacity=1&edgeblur=0")
    colors, counts = np.unique(image.reshape(-1, 3), axis=0, return_counts=True)
    (first,) = colors[counts == counts.max()]
    assert counts.max() > 0.2 * image.shape[0] * image.shape[1]
    segmenter = bodylens.create_segmenter("bodypix-050", multi_segmentation=True, segmentation_threshold=0.5)
    owners = segmenter.segment_people(picture).segmentation.instances()
    shown = (image == first).all(axis=2)
    alike = max((shown & (owners == owner)).sum() / (shown | (owners == owner)).sum() for owner in np.unique(owners))
    print(f"\nthe person who covers most: IoU {alike:.3f}")
    assert alike > 0.9


def test_a_model_that_finds_no_parts_says_so(visit, wait_state):
    opened = visit("?source=sample&backend=wasm&effect=parts")
    wait_state(opened.page, "running")
    assert "finds no parts" in opened.page.inner_text("#no-parts-row")
    opened.page.select_option("select[name=model]", "movenet-lightning")
    opened.page.wait_for_selector("#no-parts", state="hidden")

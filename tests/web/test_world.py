"""People in three dimensions, in a real Chromium."""

import time

import cv2
import numpy as np


def coloured(page):
    """Count the pixels of the view that are orange (left) and blue (right)."""
    png = page.locator("#world-canvas").screenshot()
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).astype(int)
    blue, green, red = image[..., 0], image[..., 1], image[..., 2]
    return int(((red > 180) & (blue < 120)).sum()), int(((blue > 180) & (red < 120) & (green > 100)).sum())


def test_the_view_in_three_dimensions_is_loaded_when_it_is_opened_and_shows_both_sides(visit, wait_state):
    opened = visit("?source=sample&model=blazepose-full&effect=none&backend=wasm")
    page = opened.page
    wait_state(page, "running")
    assert not [request for request in opened.requests if "/three/" in request.url]
    page.click("#world-button")
    page.wait_for_selector("#world:not([hidden])")
    until = time.monotonic() + 120
    while min(coloured(page)) <= 10:
        assert time.monotonic() < until, "one side or the other is not drawn"
        page.wait_for_timeout(50)
    assert [request for request in opened.requests if "/three/" in request.url]
    page.focus("#world-canvas")
    page.keyboard.press("ArrowRight")
    page.click("#world-button")
    assert page.locator("#world").is_hidden()
    assert not opened.errors
    record = page.evaluate("bodylens.latest()")
    assert len(record["people"][0]["world"]) == 33


def sides(page):
    """Give where orange (left) and blue (right) are, as means of columns; None until both are there."""
    png = page.locator("#world-canvas").screenshot()
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).astype(int)
    image = image[:, image.shape[1] // 10 : -image.shape[1] // 10]  # at round corners one sees the picture
    blue, green, red = image[..., 0], image[..., 1], image[..., 2]
    left, right = (red > 180) & (blue < 120), (blue > 180) & (red < 120) & (green > 100)
    return (np.nonzero(left)[1].mean(), np.nonzero(right)[1].mean()) if left.any() and right.any() else None


def test_the_view_in_three_dimensions_has_left_where_the_picture_has_it(visit, wait_state):
    page = visit("?source=sample&model=blazepose-full&effect=none&backend=wasm&mirror=0").page
    wait_state(page, "running")
    page.click("#world-button")
    page.wait_for_selector("#world:not([hidden])")
    for mirrored in (False, True):
        page.locator("input[name=mirror]").set_checked(mirrored, force=True)
        end = time.monotonic() + 60
        while (at := sides(page)) is None or (at[0] < at[1]) != mirrored:
            assert time.monotonic() < end, f"mirrored: {mirrored}, orange and blue at {at}"
    page.select_option("select[name=model]", "selfie-general")
    page.wait_for_selector("#world", state="hidden")  # nothing has depth any more, and no button would close it


def test_a_system_without_depth_offers_no_such_view(visit, wait_state):
    opened = visit("?source=sample&backend=wasm")
    wait_state(opened.page, "running")
    assert opened.page.locator("#world-button").is_hidden()

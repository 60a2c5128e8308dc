"""Segmenting pictures natively, with the real weights."""

import json
from pathlib import Path

import numpy as np
import pytest

import bodylens
from bodylens.native import media

PICTURES = Path(__file__).parents[2] / "pictures"
MEDIA = Path(__file__).parents[4] / "shared" / "media"
shared = pytest.mark.skipif(not MEDIA.is_dir(), reason="the reference pictures are not beside the checkout")


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


@pytest.fixture(scope="module")
def astronaut():
    return bodylens.read_picture(PICTURES / "astronaut.jpg")


@pytest.fixture(scope="module")
def segmenter():
    return bodylens.create_segmenter("selfie-general")


@shared
@pytest.mark.parametrize(("model", "least"), [("selfie-general", 0.98), ("selfie-landscape", 0.97)])
def test_the_reference_portrait_is_cut_out_as_by_the_original(model, least):
    picture = bodylens.read_picture(MEDIA / "portrait.jpg")
    expected = media.read_picture(MEDIA / "portrait_segmentation.png")[..., 2] > 127  # the person is blue
    mask = bodylens.create_segmenter(model).estimate(picture).read_mask()
    found = iou(mask >= 0.5, expected)
    print(f"\n{model} on portrait.jpg: IoU {found:.4f}")
    assert found >= least


def test_a_person_is_one_entry_with_box_and_score(segmenter, astronaut):
    people = segmenter.estimate(astronaut)
    mask = people.read_mask()
    assert mask.shape == (512, 512)
    assert mask.dtype == np.float32
    rows, columns = np.flatnonzero((mask >= 0.5).any(1)), np.flatnonzero((mask >= 0.5).any(0))
    x, y, w, h = people.boxes[0]
    np.testing.assert_allclose([x, y, x + w, y + h], [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], atol=2)
    assert people.scores[0] == pytest.approx(mask[mask >= 0.5].mean(), abs=0.02)
    assert people.keypoints.shape == (1, 0, 2)


def test_nobody_is_no_entry(segmenter):
    assert len(segmenter.estimate(np.zeros((120, 160, 3), np.uint8))) == 0


def test_the_frame_may_have_any_shape_and_grey_or_alpha(segmenter, astronaut):
    for picture in (astronaut[:, :200], astronaut[..., 0], np.dstack([astronaut, astronaut[..., :1]])):
        assert segmenter.estimate(picture).read_mask().shape == picture.shape[:2]


@pytest.mark.parametrize("bad", [np.zeros((4, 4)), np.zeros((4, 4, 5), np.uint8), np.zeros((0, 4, 3), np.uint8), "x"])
def test_what_is_no_picture_is_refused_in_one_sentence(segmenter, bad):
    with pytest.raises(ValueError, match="picture"):
        segmenter.estimate(bad)


def test_smoothing_follows_the_earlier_masks(astronaut):
    plain, smooth = (bodylens.create_segmenter("selfie-general", smoothing=s) for s in (False, True))
    empty = np.zeros_like(astronaut)
    for segmenter in (plain, smooth):
        segmenter.estimate(empty)
    a, b = plain.estimate(astronaut).read_mask(), smooth.estimate(astronaut).read_mask()
    unsure = (a > 0.2) & (a < 0.8)
    assert (b[unsure] < a[unsure]).mean() > 0.95
    np.testing.assert_allclose(b[a > 0.999], a[a > 0.999], atol=0.02)
    smooth.reset()
    np.testing.assert_allclose(smooth.estimate(astronaut).read_mask(), a, atol=1e-6)


def test_an_old_mask_says_that_it_is_gone(segmenter, astronaut):
    first = segmenter.estimate(astronaut)
    for _ in range(20):
        segmenter.estimate(astronaut[:64, :64])
    with pytest.raises(bodylens.StaleMask, match="read a mask in its own frame"):
        first.read_mask()


def test_a_mask_can_be_read_at_another_size(segmenter, astronaut):
    people = segmenter.estimate(astronaut)
    small, whole = people.read_mask(size=(128, 64)), people.read_mask()
    assert small.shape == (64, 128)
    np.testing.assert_allclose(small, whole.reshape(64, 8, 128, 4).mean((1, 3)), atol=0.25)


@pytest.mark.parametrize(
    ("model", "options", "error", "said"),
    [
        ("selfie-generl", {}, ValueError, "did you mean selfie-general"),
        ("selfie-general", {"smothing": True}, TypeError, "did you mean smoothing"),
    ],
)
def test_a_wrong_name_says_what_was_meant(model, options, error, said):
    with pytest.raises(error, match=said):
        bodylens.create_segmenter(model, **options)


def test_a_frame_is_a_line_of_json(segmenter, astronaut):
    people = segmenter.estimate(astronaut, 1.5)
    record = json.loads(json.dumps(bodylens.to_record(people, people.read_mask())))
    assert record["frame"] == {"index": people.frame.index, "time": 1.5, "width": 512, "height": 512}
    assert sum(record["mask"]["rle"]) == 512 * 512
    (person,) = record["people"]
    assert set(person) == {"id", "score", "box", "keypoints"}


def test_the_mask_beside_blazepose_does_not_follow_its_own(astronaut):
    """Both call their first stream of masks by the same number."""
    options = {"mask_model": "selfie-general", "enable_segmentation": True}
    both = bodylens.create_detector("blazepose-lite", **options)
    alone = bodylens.create_segmenter("selfie-general", smoothing=True)
    for _ in range(3):
        mask, expected = both.estimate_poses(astronaut).read_mask(), alone.estimate(astronaut).read_mask()
    np.testing.assert_allclose(mask, expected, atol=1e-3)

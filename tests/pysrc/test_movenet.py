"""MoveNet without a network: decoding, where it looks next, who is who."""

from functools import partial
from math import asinh, hypot

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodylens import Frame, Inferred, Region
from bodylens.movenet import MoveNet, MoveNetMultiPose, crop
from bodylens.movenet.decoding import decode, decode_several
from bodylens.pipeline import finish
from bodylens.systems import make_detector
from bodylens.topology import COCO

single = partial(MoveNet, heads=False)
several = MoveNetMultiPose
SHAPE = np.random.default_rng(7).uniform(-1, 1, (17, 2)).astype(np.float32)


def answering(keypoints, scores=0.9):
    """Answer as a perfect network: `keypoints` (17, 2) pixels, seen through the region that is asked for."""

    def answer(requests):
        (request,) = requests
        answer.regions.append(request.region)
        at = request.region.from_frame(np.asarray(keypoints, np.float32) + 0.5) - 0.5 / answer.side
        values = np.concatenate([at[:, ::-1], np.broadcast_to(np.float32(scores), (17,))[:, None]], axis=1)
        return [Inferred({"poses": values.reshape(1, 1, 17, 3).astype(np.float32)})]

    answer.regions, answer.side = [], 192
    return answer


def run(pipeline, answers, rate=30.0, size=(640, 480)):
    return [finish(pipeline.estimate(Frame(i, i / rate, *size)), answer) for i, answer in enumerate(answers)]


def plain_decoding(heads):
    """The four steps, cell by cell."""
    planes = heads[0]
    rows, columns = planes.shape[1:]
    best = max(
        ((planes[0, r, c] * np.float32(np.float16(1 / (hypot(r - rows // 2, c - columns // 2) + 1.8)))), -r, -c)
        for r in range(rows)
        for c in range(columns)
    )
    row, column = -best[1], -best[2]
    out = []
    for k in range(17):
        y, x = row + planes[1 + 2 * k, row, column], column + planes[2 + 2 * k, row, column]
        weighed = [
            (planes[35 + k, r, c] / (hypot(r - y, c - x) + 1.7998047), r, c)
            for r in range(rows)
            for c in range(columns)
        ]
        _, r, c = max(weighed)
        out.append(
            [
                (r + planes[52 + 2 * k, r, c]) / rows,
                (c + planes[53 + 2 * k, r, c]) / columns,
                planes[35 + k, r, c],
            ]
        )
    return np.array(out)


@pytest.mark.parametrize(("rows", "columns"), [(12, 12), (8, 14)])
def test_decoding_is_the_four_steps(rows, columns):
    random = np.random.default_rng(8)
    for _ in range(5):
        heads = random.normal(0, 2, (1, 86, rows, columns)).astype(np.float32)
        for maps in (slice(0, 1), slice(35, 52)):
            heads[:, maps] = 1 / (1 + np.exp(-heads[:, maps]))
        np.testing.assert_allclose(decode(heads), plain_decoding(heads), atol=1e-3)


def body(x, y, size):
    """17 keypoints with the hips about (x, y), all within `size` of them."""
    points = SHAPE * size + np.float32([x, y])
    points[crop.HIPS] = [[x - 0.1 * size, y], [x + 0.1 * size, y]]
    return points


def test_it_begins_in_the_middle_of_the_frame():
    (request,) = single().ahead(Frame(0, 0, 640, 480))
    assert request.region == Region(320, 240, 480, 480)
    assert request.fetch == ("poses",)


@settings(deadline=None)
@given(
    at=st.tuples(st.floats(100, 540), st.floats(100, 380)), size=st.floats(20, 90), steps=st.integers(1, 4),
)  # fmt: skip
def test_a_person_comes_back_where_it_is_through_any_region(at, size, steps):
    keypoints = body(*at, size)
    for people in run(single(enable_smoothing=False), [answering(keypoints)] * steps):
        np.testing.assert_allclose(people.keypoints[0], keypoints, atol=0.05)
        low, high = keypoints.min(axis=0), keypoints.max(axis=0)
        np.testing.assert_allclose(people.boxes[0], [*low, *(high - low)], atol=0.1)


def test_the_square_holds_torso_and_body_about_the_hips():
    keypoints = body(300, 200, 80)
    region = crop.next_region(keypoints, np.full(17, 0.9, np.float32), 640, 480)
    away = np.abs(keypoints - [300, 200]).max(axis=1)
    half = max(1.9 * away[crop.TORSO].max(), 1.2 * away.max())
    assert (region.x, region.y) == pytest.approx((300, 200), abs=1e-3)
    assert region.width == region.height == pytest.approx(2 * half, rel=1e-4)


def test_only_sure_keypoints_count_for_the_body():
    keypoints = body(300, 200, 40)
    keypoints[0] = (600, 400)
    scores = np.full(17, 0.9, np.float32)
    scores[0] = 0.1
    unsure = crop.next_region(keypoints, scores, 640, 480)
    assert unsure.width < 400
    assert crop.next_region(keypoints, np.full(17, 0.9, np.float32), 640, 480).width > unsure.width


@pytest.mark.parametrize("hidden", [crop.HIPS, crop.SHOULDERS], ids=["no hip", "no shoulder"])
def test_without_a_torso_it_looks_at_the_whole_frame(hidden):
    scores = np.full(17, 0.9, np.float32)
    scores[hidden] = 0.1
    assert crop.next_region(body(300, 200, 40), scores, 640, 480) == Region(320, 240, 640, 640)


def test_a_square_larger_than_the_frame_becomes_the_whole_frame():
    assert crop.next_region(body(320, 240, 300), np.full(17, 0.9, np.float32), 640, 480) == Region(320, 240, 640, 640)


def test_the_region_follows_a_little_behind():
    answer = answering(body(300, 200, 60))
    later = answering(body(400, 200, 60))
    run(single(enable_smoothing=False), [answer, answer, later, later])
    here, there = later.regions[0], later.regions[1]
    assert there.x == pytest.approx(here.x + 0.9 * (400 - here.x), abs=0.1)


def test_nobody_sure_enough_is_nobody_and_the_next_frame_begins_anew():
    pipeline = single(min_score=0.3)
    here, gone = answering(body(200, 200, 60)), answering(body(200, 200, 60), 0.25)
    people = run(pipeline, [here, here, gone])
    assert [len(p) for p in people] == [1, 1, 0]
    assert people[2].names == COCO.names
    assert pipeline.ahead(Frame(3, 0.1, 640, 480))[0].region == crop.first_region(640, 480)


def test_the_score_is_the_mean_of_the_sure_keypoints():
    scores = np.full(17, 0.8, np.float32)
    scores[:5] = 0.1
    (people,) = run(single(), [answering(body(300, 200, 60), scores)])
    assert people.scores[0] == pytest.approx(0.8)


def test_the_same_person_after_a_moment_and_another_after_a_while():
    here, gone = answering(body(300, 240, 60)), answering(body(300, 240, 60), 0.0)
    assert [p.ids.tolist() for p in run(single(), [here, gone, here])] == [[1], [], [1]]
    assert run(single(), [here, *[gone] * 40, here])[-1].ids.tolist() == [2]


def test_on_a_slow_machine_the_same_person_stays_the_same_even_after_a_missed_frame():
    here, gone = answering(body(300, 240, 60)), answering(body(300, 240, 60), 0.0)
    assert [p.ids.tolist() for p in run(single(), [here, here, gone, here], rate=0.6)] == [[1], [1], [], [1]]


def test_smoothing_is_the_originals_in_units_of_the_frame():
    one, other = body(300, 240, 60), body(340, 240, 60)
    people = run(single(), [answering(one), answering(other)])
    raw = run(single(enable_smoothing=False), [answering(one), answering(other)])

    def alpha(cutoff):
        return 1 / (1 + 30 / (2 * np.pi * cutoff))

    step = (40 / 640) * 30
    speed = alpha(2.5) * step
    limit = 0.5 + 5 * speed
    moved = alpha(2.5 + 300 * speed) * limit * asinh(40 / 640 / limit) * 640
    np.testing.assert_allclose(people[1].keypoints[..., 0] - one[:, 0], moved, atol=0.05)
    np.testing.assert_allclose(raw[1].keypoints[..., 0] - one[:, 0], 40, atol=0.05)


def test_a_frame_that_fails_costs_that_frame_alone():
    pipeline = single()
    run(pipeline, [answering(body(300, 240, 60))] * 2)
    before = pipeline.memory
    estimation = pipeline.estimate(Frame(2, 0.1, 640, 480))
    next(estimation)
    with pytest.raises(RuntimeError, match="lost"):
        estimation.throw(RuntimeError("lost"))
    assert pipeline.memory is before


@pytest.mark.parametrize("make", [MoveNet, MoveNetMultiPose])
def test_what_it_announces_is_what_it_asks(make):
    pipeline = make()
    frame = Frame(0, 0, 640, 480)
    for _ in range(3):
        assert tuple(pipeline.ahead(frame)) == tuple(next(pipeline.estimate(frame)))


def test_flipped_results_are_the_mirror_image():
    keypoints = body(200, 240, 60)
    (people,) = run(single(flip_horizontal=True), [answering(keypoints)])
    np.testing.assert_allclose(people.keypoints[0, :, 0], 640 - 1 - keypoints[:, 0], atol=0.05)


def crowd(*persons):
    """Answer as a perfect MultiPose: each person is (keypoints, score)."""

    def answer(requests):
        (request,) = requests
        rows = np.zeros((6, 56), np.float32)
        width, height = request.size or (256, 192 if request.model.endswith("wide") else 256)
        half = np.array([0.5 / width, 0.5 / height])
        for row, (keypoints, score) in zip(rows, persons, strict=False):
            at = request.region.from_frame(np.asarray(keypoints, np.float32) + 0.5) - half
            row[:51] = np.concatenate([at[:, ::-1], np.full((17, 1), 0.8)], axis=1).ravel()
            row[51:55] = [*at.min(axis=0)[::-1], *at.max(axis=0)[::-1]]
            row[55] = score
        answer.models.append(request.model)
        return [Inferred({"poses": rows[None]})]

    answer.models = []
    return answer


@pytest.mark.parametrize(
    ("size", "model"),
    [((640, 480), "+wide"), ((1920, 1080), "+wide"), ((500, 500), ""), ((480, 640), "")],
    ids=["4:3", "16:9", "square", "tall"],
)
def test_several_people_come_back_where_they_are(size, model):
    a, b = body(0.3 * size[0], 0.5 * size[1], 60), body(0.7 * size[0], 0.4 * size[1], 80)
    answer = crowd((a, 0.5), (b, 0.9))
    (people,) = run(several(), [answer], size=size)
    assert answer.models == [f"movenet-multipose{model}"]
    np.testing.assert_allclose(people.keypoints, [b, a], atol=0.1)
    np.testing.assert_allclose(people.boxes[1], [*a.min(axis=0), *np.ptp(a, axis=0)], atol=0.1)
    np.testing.assert_allclose(people.scores, [0.9, 0.5])


@pytest.mark.parametrize(
    ("size", "longest", "given"),
    [
        ((640, 480), 512, (512, 384)),
        ((1920, 1080), 320, (320, 192)),
        ((480, 640), 192, (160, 192)),
        ((500, 500), 96, (96, 96)),
        ((2000, 10), 64, (64, 32)),
    ],
    ids=["4:3", "16:9", "tall", "square", "a strip"],
)
def test_another_longest_side_gives_the_originals_input_and_people_come_back_where_they_are(size, longest, given):
    pipeline = several(multi_pose_max_dimension=longest)
    assert pipeline.models == ("movenet-multipose+any-size",)
    (request,) = pipeline.ahead(Frame(0, 0, *size))
    assert (request.model, request.size, request.fetch) == (pipeline.models[0], given, ("heads",))
    assert request.region.width / request.region.height == pytest.approx(given[0] / given[1])

    # One peak in the heads, in the cell whose place in the frame is known.
    columns, rows = given[0] // 4, given[1] // 4
    row, column = rows // 2, columns // 3

    def answer(_):
        heads = np.zeros((1, 90, rows, columns), np.float32)
        heads[0, 0, row, column] = 0.9
        heads[0, 1:3, row, column] = (rows, columns)
        heads[0, 39:56, row, column] = 0.8
        return [Inferred({"heads": heads})]

    (people,) = run(several(multi_pose_max_dimension=longest, enable_smoothing=False), [answer], size=size)
    unit = np.float32([(column * 4 + 0.5) / given[0], (row * 4 + 0.5) / given[1]])
    np.testing.assert_allclose(people.keypoints[0], [request.region.to_frame(unit) - 0.5] * 17, atol=0.02)


def test_how_keypoints_are_compared_can_be_said():
    a = body(200, 240, 60)
    frames = [[crowd((a, 0.9))], [crowd((a + np.float32([14, 0]), 0.9)), crowd()]]

    def same(**options):
        pipeline = several(tracker_type="keypoint", min_similarity=0.9, **options)
        first, later = (run(pipeline, some)[0] for some in frames)
        return bool(first.ids[0] == later.ids[0])

    assert not same()
    assert same(keypoint_falloff=[1.0] * 17)
    # The crowd's keypoints have a score of 0.8.
    assert not same(keypoint_falloff=[1.0] * 17, keypoint_confidence_threshold=0.81)
    assert same(keypoint_falloff=[1.0] * 17, keypoint_confidence_threshold=0.79, min_number_of_keypoints=17)


def test_people_below_the_score_or_beyond_the_number_are_not_reported():
    persons = [(body(100 + 100 * i, 240, 40), score) for i, score in enumerate((0.2, 0.6, 0.9, 0.7))]
    (people,) = run(several(), [crowd(*persons)])
    assert people.scores.tolist() == pytest.approx([0.9, 0.7, 0.6])
    (people,) = run(several(max_poses=1, min_score=0), [crowd(*persons)])
    assert people.scores.tolist() == pytest.approx([0.9])


@pytest.mark.parametrize("tracker", ["bounding_box", "keypoint"])
def test_people_who_cross_and_hide_keep_their_ids(tracker):
    frames, truth = [], []
    other = SHAPE[::-1]
    for i in range(41):
        a = body(120 + 10 * i, 240, 60)
        b = (other * 60 + np.float32([520 - 10 * i, 250])).astype(np.float32)
        hidden = 18 <= i <= 22
        frames.append(crowd((a, 0.9)) if hidden else crowd((a, 0.9), (b, 0.8)) if i % 2 else crowd((b, 0.8), (a, 0.9)))
        truth.append([a] if hidden else [a, b])
    people = run(several(tracker_type=tracker, enable_smoothing=False), frames)
    ids = None
    for got, want in zip(people, truth, strict=True):
        now = [int(got.ids[np.abs(got.keypoints - keypoints).mean(axis=(1, 2)).argmin()]) for keypoints in want]
        ids = ids or now
        assert now == ids[: len(now)]


def test_without_tracking_people_are_numbered_by_score():
    answer = crowd((body(100, 240, 40), 0.5), (body(400, 240, 40), 0.9))
    for people in run(several(enable_tracking=False), [answer] * 2):
        assert people.ids.tolist() == [1, 2]
        assert people.scores[0] == pytest.approx(0.9)


def test_each_person_is_smoothed_by_its_own_past():
    random = np.random.default_rng(9)
    still = [crowd((body(200, 240, 60) + random.normal(0, 0.5, (17, 2)), 0.9), (body(450, 240, 60), 0.8))
             for _ in range(40)]  # fmt: skip
    smooth = run(several(), still)
    raw = run(several(enable_smoothing=False), still)

    def jitter(people):
        return np.diff([p.keypoints[0] for p in people[10:]], axis=0).std()

    assert jitter(smooth) < 0.8 * jitter(raw)


def test_reset_forgets():
    pipeline = several()
    run(pipeline, [crowd((body(200, 240, 60), 0.9))])
    pipeline.reset()
    assert pipeline.memory is None
    alone = single()
    run(alone, [answering(body(200, 240, 60))])
    alone.reset()
    assert alone.ahead(Frame(0, 0, 640, 480))[0].region == crop.first_region(640, 480)


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (MoveNet, {"min_score": 2}, "min_score must be a number from 0 to 1"),
        (MoveNetMultiPose, {"min_score": -1}, "min_score must be a number from 0 to 1"),
        (MoveNetMultiPose, {"max_poses": 7}, "max_poses must be a whole number from 1 to 6"),
        (MoveNetMultiPose, {"multi_pose_max_dimension": 300}, "multi_pose_max_dimension must be a multiple of 32 from"),
        (MoveNetMultiPose, {"multi_pose_max_dimension": 0}, "multi_pose_max_dimension must be a multiple of 32 from"),
        (
            MoveNetMultiPose,
            {"keypoint_confidence_threshold": 1.1},
            "keypoint_confidence_threshold must be a number from 0 to 1",
        ),
        (MoveNetMultiPose, {"keypoint_falloff": [0.1] * 16}, "keypoint_falloff must be 17 numbers above 0"),
        (MoveNetMultiPose, {"keypoint_falloff": [0.0] * 17}, "keypoint_falloff must be 17 numbers above 0"),
        (MoveNetMultiPose, {"keypoint_falloff": "wide"}, "keypoint_falloff must be 17 numbers above 0, not 'wide'"),
        (MoveNetMultiPose, {"min_similarity": 2}, "min_similarity must be a number from 0 to 1, not 2"),
        (
            MoveNetMultiPose,
            {"min_number_of_keypoints": 0},
            "min_number_of_keypoints must be a whole number from 1 to 17",
        ),
        (MoveNetMultiPose, {"max_tracks": 0}, "max_tracks must be a whole number of at least 1"),
        (MoveNetMultiPose, {"max_age": 0}, "max_age must be a number above 0"),
        (MoveNetMultiPose, {"tracker_type": "dog"}, "tracker_type must be bounding_box or keypoint, not 'dog'"),
    ],
)
def test_options_out_of_range_are_refused(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_a_family_may_be_named_with_its_type_as_an_option():
    assert make_detector("movenet", {}).models == ("movenet-lightning+heads",)
    assert make_detector("movenet", {"model_type": "thunder", "heads": False}).models == ("movenet-thunder",)
    assert make_detector("blazepose", {"model_type": "lite"}).models[1] == "blazepose-lite+poses"
    with pytest.raises(ValueError, match="there is no detector 'movenet-heavy'; did you mean movenet-"):
        make_detector("movenet", {"model_type": "heavy"})


def plain_decoding_of_several(heads):
    """MultiPose's steps, cell by cell and person by person."""
    planes = heads[0]
    rows, columns = planes.shape[1:]
    spread = 19.203125 * min(rows, columns) / 64
    peaks = []
    for r in range(rows):
        for c in range(columns):
            around = planes[0, max(r - 2, 0) : r + 3, max(c - 2, 0) : c + 3]
            if around.max() - planes[0, r, c] < 1e-6:
                peaks.append((-planes[0, r, c], r, c))
    people = []
    y, x = np.mgrid[:rows, :columns]
    for _, r, c in sorted(peaks)[:6]:
        tall, broad = np.maximum(planes[1:3, r, c], 0)
        my, mx = r + planes[3, r, c], c + planes[4, r, c]
        low = np.clip([my - tall / 2, mx - broad / 2], 0, [rows, columns])
        high = np.clip([my + tall / 2, mx + broad / 2], 0, [rows, columns])
        inside = (y >= low[0]) & (y < high[0]) & (x >= low[1]) & (x < high[1])
        weighed = []
        for k in range(17):
            ky, kx = r + planes[5 + 2 * k, r, c], c + planes[6 + 2 * k, r, c]
            weighed.append(planes[39 + k] * np.exp(-((y - ky) ** 2 + (x - kx) ** 2) / spread) * inside)
        people.append((r, c, low, high, np.array(weighed)))
    highest = np.max([person[4] for person in people], axis=0)
    out = []
    for r, c, low, high, weighed in people:
        row = []
        for k in range(17):
            kr, kc = np.unravel_index(weighed[k].argmax(), weighed[k].shape)
            offset = planes[56 + 2 * k : 58 + 2 * k, kr, kc]
            row += [(kr + offset[0]) / rows, (kc + offset[1]) / columns, highest[k, kr, kc]]
        scores = np.array(row[2::3])
        sure = scores[scores > 0.126953125]
        total = planes[0, r, c] * (sure.mean() if len(sure) else 0)
        out.append([*row, *(low / [rows, columns]), *(high / [rows, columns]), total])
    return np.array(out)


@pytest.mark.parametrize(("rows", "columns"), [(64, 64), (48, 64), (24, 16), (10, 12)])
def test_decoding_of_several_is_the_networks_own(rows, columns):
    random = np.random.default_rng(10)
    heads = random.normal(0, 1.5, (1, 90, rows, columns)).astype(np.float32)
    heads[:, 1:3] = random.uniform(-1, 0.7 * rows, (1, 2, rows, columns))  # a few boxes are empty
    heads[:, 5:39] *= 3
    for maps in (slice(0, 1), slice(39, 56)):
        heads[:, maps] = 1 / (1 + np.exp(-2 * heads[:, maps]))
    got, want = decode_several(heads), plain_decoding_of_several(heads)
    # Scores near 0 say nothing about their places.
    some = want[:, 2:51:3] > 1e-4
    np.testing.assert_allclose(got[:, 51:], want[:, 51:], atol=1e-4)
    np.testing.assert_allclose(got[:, :51].reshape(-1, 17, 3)[some], want[:, :51].reshape(-1, 17, 3)[some], atol=1e-4)


def test_cut_at_its_heads_one_network_serves_all_shapes():
    assert several(heads=True).models == ("movenet-multipose+heads",)
    assert several(heads=True).ahead(Frame(0, 0, 640, 480))[0].fetch == ("heads",)
    assert several().models == ("movenet-multipose", "movenet-multipose+wide")

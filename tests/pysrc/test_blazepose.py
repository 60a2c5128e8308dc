"""BlazePose without a network: bodies whose place is known exactly, seen through any region that is asked for."""

from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodylens import Frame, Inferred, Mask
from bodylens.blazepose import BlazePose, detector, landmarks
from bodylens.blazepose.alignment import MARGIN, body_region
from bodylens.pipeline import finish
from bodylens.topology import BLAZEPOSE

SHAPE = np.random.default_rng(4).uniform(-0.4, 0.4, (33, 2))


@dataclass(frozen=True)
class Body:
    """A flat body: the middle of its hips, its size (radius of the circle around it) and how it is turned."""

    x: float
    y: float
    radius: float = 100.0
    angle: float = 0.0
    score: float = 0.9

    def place(self, points):
        """Points in radii, x right and y down of an upright body, to pixels."""
        c, s = cos(self.angle), sin(self.angle)
        points = np.asarray(points, np.float64) * self.radius
        return points @ np.array([[c, s], [-s, c]]) + (self.x, self.y)

    @property
    def centre(self):
        return self.place([0, 0])

    @property
    def rim(self):
        return self.place([0, -1])

    @property
    def keypoints(self):
        return self.place(SHAPE)


class World:
    """Answers as perfect networks would."""

    def __init__(self, *bodies):
        self.bodies = bodies
        self.asked = []

    def __call__(self, requests):
        self.asked.append([r.model for r in requests])
        return [self.detect(r) if r.model == detector.MODEL else self.look(r) for r in requests]

    def detect(self, request):
        boxes = np.zeros((1, 2254, 12), np.float32)
        scores = np.full((1, 2254, 1), -50, np.float32)
        for body in self.bodies:
            points = request.region.from_frame(np.array([body.centre, body.centre, body.rim, body.centre, body.rim]))
            size = 0.4 * body.radius / request.region.width
            anchor = int(np.square(detector.ANCHORS[:, :2] - points[0]).sum(axis=1).argmin())
            at = points - detector.ANCHORS[anchor, :2]
            boxes[0, anchor] = np.concatenate([at[0], [size, size], at[1:].ravel()]) * 224
            scores[0, anchor] = np.log(body.score / (1 - body.score))
        return Inferred({"boxes": boxes, "scores": scores})

    def look(self, request):
        region = request.region
        # Whoever is nearest to the middle of the region; nobody if all are far.
        near = sorted(self.bodies, key=lambda b: (b.x - region.x) ** 2 + (b.y - region.y) ** 2)
        body = near[0] if near else None
        values = np.zeros((1, 39, 5), np.float32)
        values[..., 3:] = 4
        world = np.zeros((1, 39, 3), np.float32)
        flag = 0.0
        if body and np.hypot(body.x - region.x, body.y - region.y) < 0.3 * region.width:
            flag = body.score
            points = np.concatenate([body.keypoints, [body.centre, body.rim], np.zeros((4, 2))])
            values[0, :, :2] = region.from_frame(points) * 256
            values[0, :, 2] = 25.6
            # In the region the body stands as much turned as the region is not.
            c, s = cos(body.angle - region.rotation), sin(body.angle - region.rotation)
            world[0, :33, :2] = SHAPE @ np.array([[c, s], [-s, c]])
        outputs = {
            "landmarks": values.reshape(1, 195),
            "flag": np.array([[flag]], np.float32),
            "heatmap": np.full((1, 39, 64, 64), -50, np.float32),
            "world": world.reshape(1, 117),
        }
        masks = tuple(Mask(1, 256, 256, region, k.meaning, k.threshold, 9, 0.9, (0, 0, 3, 3)) for k in request.keep)
        return Inferred(outputs, masks)


def run(pipeline, frames, rate=30.0, size=(640, 480)):
    """Give the people of each frame; `frames` are worlds."""
    return [finish(pipeline.estimate(Frame(i, i / rate, *size)), world) for i, world in enumerate(frames)]


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (200, 1000)], ids=["wide", "tall", "a strip"])
@settings(deadline=None)
@given(
    at=st.tuples(st.floats(0.2, 0.8), st.floats(0.2, 0.8)), radius=st.floats(30, 300), angle=st.floats(-pi, pi),
)  # fmt: skip
def test_a_body_is_found_wherever_and_however_it_is(size, at, radius, angle):
    body = Body(at[0] * size[0], at[1] * size[1], radius, angle)
    for people in run(BlazePose(), [World(body)] * 3, size=size):
        assert len(people) == 1
        np.testing.assert_allclose(people.keypoints[0, :, :2], body.keypoints, atol=0.1)
        np.testing.assert_allclose(
            people.world[0, :, :2], Body(0, 0, 1, angle).place(SHAPE), atol=1e-3
        )  # upright in the frame, whatever the region
        np.testing.assert_allclose(people.keypoints[0, :, 2], 0.1 * 2 * MARGIN * radius, rtol=1e-3)


@settings(deadline=None)
@given(angle=st.floats(-3, 3))
def test_the_region_stands_with_the_body(angle):
    body = Body(300, 200, 80, angle)
    region = body_region(body.centre, body.rim)
    assert region.rotation == pytest.approx(angle, abs=1e-6)
    assert (region.x, region.y) == pytest.approx((300, 200))
    assert region.width == region.height == pytest.approx(2 * 80 * MARGIN)


def test_it_detects_once_and_then_follows():
    world = World(Body(320, 240))
    run(BlazePose(), [world] * 4)
    assert world.asked == [[detector.MODEL], ["blazepose-full+poses"]] + [["blazepose-full+poses"]] * 3


def test_what_it_announces_is_what_it_asks():
    pipeline = BlazePose(max_poses=3)
    for i in range(6):
        frame = Frame(i, i / 30, 640, 480)
        assert list(pipeline.ahead(frame)) == list(next(pipeline.estimate(frame)))
        finish(pipeline.estimate(frame), World(Body(200, 240), Body(440, 240)))


def test_a_frame_that_fails_costs_that_frame_alone():
    pipeline = BlazePose()
    frames = [World(Body(300 + 5 * i, 240)) for i in range(4)]
    run(pipeline, frames[:2])
    before = pipeline.memory
    estimation = pipeline.estimate(Frame(2, 2 / 30, 640, 480))
    next(estimation)
    with pytest.raises(RuntimeError, match="lost device"):
        estimation.throw(RuntimeError("lost device"))
    assert pipeline.memory is before
    people = finish(pipeline.estimate(Frame(3, 3 / 30, 640, 480)), frames[3])
    assert people.ids.tolist() == [1]


def test_someone_lost_is_looked_for_and_is_the_same_person_if_it_was_short():
    here = World(Body(320, 240))
    away = World()
    people = run(BlazePose(), [here, here, away, here, here])
    assert [p.ids.tolist() for p in people] == [[1], [1], [], [1], [1]]
    assert away.asked == [["blazepose-full+poses"]]
    long_away = run(BlazePose(), [here, *[away] * 40, here])
    assert long_away[-1].ids.tolist() == [2]


def test_another_frame_size_begins_anew():
    pipeline = BlazePose()
    run(pipeline, [World(Body(320, 240))] * 2)
    world = World(Body(200, 200))
    finish(pipeline.estimate(Frame(2, 0.1, 400, 400)), world)
    assert world.asked[0] == [detector.MODEL]


def test_static_pictures_are_taken_each_for_itself():
    world = World(Body(320, 240))
    pipeline = BlazePose(static_image_mode=True)
    people = run(pipeline, [world, world])
    assert world.asked == [[detector.MODEL], ["blazepose-full+poses"]] * 2
    assert [p.ids.tolist() for p in people] == [[1], [1]]


def test_stills_are_taken_each_for_itself_and_frames_of_a_clip_are_not():
    world = World(Body(320, 240))
    for static, stills in ((None, True), (True, True), (False, False)):
        world.asked.clear()
        pipeline = BlazePose(static_image_mode=static)
        for i in range(2):
            finish(pipeline.estimate(Frame(i, i / 30, 640, 480, still=True)), world)
        assert (world.asked == [[detector.MODEL], ["blazepose-full+poses"]] * 2) == stills
    pipeline = BlazePose()
    run(pipeline, [world])
    memory = pipeline.memory
    finish(pipeline.estimate(Frame(1, 0.1, 640, 480, still=True)), world)
    assert pipeline.memory is memory


def test_reset_forgets():
    pipeline = BlazePose()
    run(pipeline, [World(Body(320, 240))])
    pipeline.reset()
    world = World(Body(320, 240))
    assert run(pipeline, [world])[0].ids.tolist() == [1]
    assert world.asked[0] == [detector.MODEL]


def test_several_people_are_followed_and_others_looked_for_ever_more_seldom():
    world = World(Body(150, 240, 60), Body(450, 240, 60))
    people = run(BlazePose(max_poses=4), [world] * 60)
    assert all(p.ids.tolist() == [1, 2] for p in people)
    assert 4 <= sum(detector.MODEL in asked for asked in world.asked) < 10


def test_someone_who_joins_is_found_within_half_a_second():
    alone = [World(Body(150, 240, 60))] * 40
    both = [World(Body(150, 240, 60), Body(450, 240, 60))] * 17
    people = run(BlazePose(max_poses=2), alone + both)
    assert people[-1].ids.tolist() == [1, 2]


def test_with_as_many_as_wanted_nobody_else_is_looked_for():
    world = World(Body(150, 240, 60), Body(320, 240, 60), Body(500, 240, 60))
    people = run(BlazePose(max_poses=2), [world] * 10)
    assert all(len(p) == 2 for p in people)
    assert sum(detector.MODEL in asked for asked in world.asked) == 1


def test_each_person_has_a_mask_stream_of_its_own_that_begins_fresh():
    pipeline = BlazePose(max_poses=2, enable_segmentation=True)
    requests = []

    def answer(world):
        def look(asked):
            requests.append([r.keep[0] for r in asked if r.keep])
            return world(asked)

        return look

    both = World(Body(150, 240, 60), Body(450, 240, 60))
    for i in range(3):
        people = finish(pipeline.estimate(Frame(i, i / 30, 640, 480)), answer(both))
    assert len(people.masks) == 2
    first, then = (keeps for keeps in requests if len(keeps) == 2), requests[-1]
    begun = next(first)
    assert [k.stream for k in begun] == [k.stream for k in then] == [0, 1]
    assert all(0 < k.smoothing < 1e-3 for k in begun)
    assert all(k.smoothing == 0.7 for k in then)
    assert all(k.activation == "sigmoid" for k in then)


def test_someone_found_elsewhere_does_not_wait_until_who_is_missed_is_given_up():
    left, right, other = Body(120, 240, 50), Body(320, 240, 50), Body(520, 240, 50)
    people = run(BlazePose(max_poses=2), [World(left, right)] * 5 + [World(left, other)] * 6)
    assert people[4].ids.tolist() == [1, 2]
    assert people[-1].ids.tolist() == [1, 3]
    crowd = run(BlazePose(max_poses=2), [World(left, right)] * 5 + [World(left, right, other)] * 40)
    assert all(len(p) == 2 for p in crowd)


@pytest.mark.parametrize("hides", [False, True], ids=["all seen", "one is hidden while they cross"])
def test_people_who_cross_keep_their_ids(hides):
    frames, truth = [], []
    for i in range(41):
        a, b = Body(140 + 9 * i, 240, 60, score=0.95), Body(500 - 9 * i, 250, 60)
        hidden = hides and abs(a.x - b.x) < 50
        frames.append(World(a) if hidden else World(a, b))
        truth.append((a, None if hidden else b))
    people = run(BlazePose(max_poses=2), frames)
    first = people[0]
    ids = {}
    for body, who in zip(truth[0], ("a", "b"), strict=True):
        ids[who] = int(first.ids[np.abs(first.keypoints[:, :, :2] - body.keypoints).mean(axis=(1, 2)).argmin()])
    assert sorted(ids.values()) == [1, 2]
    for got, (a, b) in list(zip(people, truth, strict=True))[-8:]:
        for body, who in ((a, "a"), (b, "b")):
            at = np.abs(got.keypoints[:, :, :2] - body.keypoints).mean(axis=(1, 2))
            assert int(got.ids[at.argmin()]) == ids[who]


def test_flipped_results_are_the_mirror_image_with_the_same_names():
    world = World(Body(200, 240, 80, 0.3))
    (plain,) = run(BlazePose(enable_segmentation=True), [world])
    (flipped,) = run(BlazePose(enable_segmentation=True, flip_horizontal=True), [world])
    np.testing.assert_allclose(flipped.keypoints[..., 0], 640 - 1 - plain.keypoints[..., 0], rtol=1e-6)
    np.testing.assert_allclose(flipped.keypoints[..., 1:], plain.keypoints[..., 1:])
    np.testing.assert_allclose(flipped.boxes[:, 0] + flipped.boxes[:, 2], 640 - plain.boxes[:, 0], rtol=1e-6)
    assert flipped.names == plain.names == BLAZEPOSE.names
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.3, 0.9]])
    there, here = flipped.masks[0].region.to_frame(corners), plain.masks[0].region.to_frame(corners)
    np.testing.assert_allclose(there[:, 0], 640 - here[:, 0])
    np.testing.assert_allclose(there[:, 1], here[:, 1])


def test_overlapping_detections_are_averaged_by_score():
    boxes = np.zeros((1, 2254, 12), np.float32)
    scores = np.full((1, 2254, 1), -50, np.float32)
    for anchor, logit in ((1000, 2.0), (1001, 1.0)):
        boxes[0, anchor] = [0, 0, 60, 60, *([0, 0] * 4)]
        scores[0, anchor] = logit
    found = detector.decode(boxes, scores, detector.look_at(224, 224), 0.5, 5)
    weights = 1 / (1 + np.exp(-np.array([2.0, 1.0])))
    want = (detector.ANCHORS[[1000, 1001], :2] * weights[:, None]).sum(axis=0) / weights.sum() * 224
    assert len(found) == 1
    np.testing.assert_allclose(found.points[0, 0], want, rtol=1e-4)
    assert found.scores[0] == pytest.approx(weights[0])


def test_nobody_detected_is_nobody():
    world = World()
    (people,) = run(BlazePose(), [world])
    assert len(people) == 0
    assert people.keypoints.shape == (0, 33, 3)
    assert people.names == BLAZEPOSE.names


def plain_refinement(point, plane):
    """The original's loop over the cells around one landmark."""
    rows, columns = plane.shape
    column, row = int(point[0] * columns), int(point[1] * rows)
    if not (0 <= column < columns and 0 <= row < rows):
        return point[:2]
    total = x = y = best = 0.0
    for r in range(max(0, row - 3), min(rows, row + 4)):
        for c in range(max(0, column - 3), min(columns, column + 4)):
            sure = 1 / (1 + np.exp(-plane[r, c]))
            total, best, x, y = total + sure, max(best, sure), x + c * sure, y + r * sure
    return (x / columns / total, y / rows / total) if best >= 0.5 else point[:2]


def test_refinement_is_that_of_the_original_at_edges_too():
    random = np.random.default_rng(5)
    points = random.uniform(-0.1, 1.1, (3, 35, 3)).astype(np.float32)
    heatmaps = random.normal(-4, 2.5, (3, 39, 64, 64)).astype(np.float32)
    got = landmarks.refine(points, heatmaps)
    for n in range(3):
        for k in range(35):
            np.testing.assert_allclose(got[n, k, :2], plain_refinement(points[n, k], heatmaps[n, k]), atol=1e-5)
    np.testing.assert_array_equal(got[..., 2], points[..., 2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_detection_confidence": 1.5}, "min_detection_confidence must be a number from 0 to 1"),
        ({"min_tracking_confidence": -1}, "min_tracking_confidence must be a number from 0 to 1"),
        ({"max_poses": 0}, "max_poses must be a whole number of at least 1"),
        ({"threshold": 0}, "threshold must be a number above 0"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        BlazePose(**options)


def test_a_still_person_with_noise_is_calmed_and_smoothing_can_be_switched_off():
    random = np.random.default_rng(6)
    frames = [World(Body(320 + random.normal(), 240 + random.normal(), 100)) for _ in range(60)]
    jitter = {}
    for smooth in (True, False):
        people = run(BlazePose(enable_smoothing=smooth), frames)
        jitter[smooth] = np.diff([p.keypoints[0, :, :2] for p in people[20:]], axis=0).std()
    assert jitter[True] < 0.7 * jitter[False]

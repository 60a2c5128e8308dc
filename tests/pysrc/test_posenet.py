"""PoseNet without a network: what it asks for, and what it makes of painted heads and of the originals' heads."""

import asyncio
import csv
from pathlib import Path

import numpy as np
import pytest
from painted import paint, standing
from references import MEDIA, MIRROR, read, with_media, with_mirror

import bodylens
from bodylens import Frame, Inferred
from bodylens.personlab import Heads, decode_multiple
from bodylens.pipeline import finish
from bodylens.posenet import PoseNet, estimate_multiple_poses, estimate_single_pose, to_poses, valid_resolution

FRAME = Frame(0, 0.0, 1280, 720)
ASTRONAUT = bodylens.read_picture(Path(__file__).parents[1] / "pictures" / "astronaut.jpg")


def answering(heads):
    def answer(requests):
        (request,) = requests
        outputs = {
            "heatmaps": heads.heat,
            "offsets": heads.offsets,
            "displacement_fwd": heads.forward,
            "displacement_bwd": heads.backward,
        }
        return [Inferred({name: outputs[name][None] for name in request.fetch})]

    return answer


class Net:
    """A detector as the drivers are, without networks."""

    any_size = True

    def __init__(self, heads, frame=FRAME):
        self.pipeline = PoseNet("posenet-075")
        self.heads, self.frame = heads, frame

    def estimate_by(self, pipeline, image):
        self.ran = pipeline
        return finish(pipeline.estimate(self.frame), answering(self.heads))


class NetInPage(Net):
    any_size = False

    async def estimate_by(self, pipeline, image):
        return super().estimate_by(pipeline, image)


@pytest.mark.parametrize(
    ("pixels", "stride", "valid"),
    [(257, 16, 257), (256, 16, 257), (260, 16, 257), (271, 16, 257), (640, 32, 641), (5, 8, 9)],
)
def test_an_input_is_a_multiple_of_the_stride_plus_one(pixels, stride, valid):
    assert valid_resolution(pixels, stride) == valid


@pytest.mark.parametrize(
    ("options", "model", "size"),
    [
        ({}, "posenet-075", None),
        ({"output_stride": 8}, "posenet-075+stride8", None),
        ({"output_stride": 32}, "posenet-075+stride32", None),
        ({"image_scale_factor": 0.2}, "posenet-075+small", None),
        ({"image_scale_factor": 0.4}, "posenet-075+wide", None),
        ({"input_resolution": 257}, "posenet-075+small", None),
        ({"input_resolution": (513, 513)}, "posenet-075+large", None),
        ({"image_scale_factor": 0.5, "any_size": True}, "posenet-075+any-size", (641, 353)),
        ({"input_resolution": 300, "any_size": True, "output_stride": 8}, "posenet-075+stride8+any-size", (297, 297)),
    ],
)
def test_it_looks_at_the_whole_frame_at_the_nearest_size(options, model, size):
    pipeline = PoseNet("posenet-075", **options)
    (request,) = next(pipeline.estimate(FRAME))
    assert (request.model, request.size) == (model, size)
    assert pipeline.ahead(FRAME) == (request,)
    x, y, width, height = request.region.bounds()
    assert x <= 0
    assert y <= 0
    assert x + width >= 1280
    assert y + height >= 720
    label, wanted = pipeline.input(FRAME)
    assert label == model
    assert width / height == pytest.approx(wanted[0] / wanted[1])


def test_keypoints_lie_in_the_frame_where_they_were_painted():
    # 385 × 385 shows the frame with bars above and below.
    scale = 1280 / 385
    pose = standing(150.3, 190.7, 1.2)
    people = finish(PoseNet("posenet-075").estimate(FRAME), answering(paint([pose], [0.9], (25, 25))))
    expected = (pose + 0.5) * scale - [0, (1280 - 720) / 2]
    np.testing.assert_allclose(people.keypoints[0], expected, atol=0.5 * scale)
    low, high = expected.min(axis=0), expected.max(axis=0)
    np.testing.assert_allclose(people.boxes[0], [*low, *(high - low)], atol=2)
    assert people.names[0] == "nose"
    assert people.ids.tolist() == [1]


def test_one_person_needs_two_heads_alone():
    pipeline = PoseNet("posenet-050", decoding="single-person")
    assert pipeline.ahead(FRAME)[0].fetch == ("heatmaps", "offsets")
    people = finish(pipeline.estimate(FRAME), answering(paint([standing(150, 190)], [0.9], (25, 25))))
    assert len(people) == 1


def walk(pipeline, frames, size=(385, 385)):
    """The people of frames 40 ms apart; a frame is what is in it, as (pose, score), surest first."""
    found = []
    for i, persons in enumerate(frames):
        poses, scores = [pose for pose, _ in persons], [score for _, score in persons]
        answer = answering(paint(poses or [standing(0, 0)], scores or [1e-4], (25, 25)))
        found.append(finish(pipeline.estimate(Frame(i, i / 25, *size)), answer))
    return found


def crossing():
    """Two of different size pass each other; one hides behind the other for a moment; who is surer changes."""
    frames, truth = [], []
    for i in range(41):
        a, b = standing(60 + 6 * i, 210, 1.6), standing(320 - 6 * i, 190, 2.4)
        hidden = 17 <= i <= 23
        frames.append([(b, 0.9)] if hidden else [(a, 0.9), (b, 0.8)] if i % 2 else [(b, 0.9), (a, 0.8)])
        truth.append([b] if hidden else [b, a])
    return frames, truth


@pytest.mark.parametrize("tracker", ["keypoint", "bounding_box"])
def test_people_who_cross_and_hide_keep_their_ids(tracker):
    frames, truth = crossing()
    ids = None
    for got, want in zip(walk(PoseNet("posenet-075", tracker_type=tracker), frames), truth, strict=True):
        assert len(got) == len(want)
        now = [int(got.ids[np.abs(got.keypoints - pose).mean(axis=(1, 2)).argmin()]) for pose in want]
        ids = ids or now
        assert now == ids[: len(now)]
    assert sorted(ids) == [1, 2]


def test_a_person_seen_again_within_a_second_is_the_same_and_later_another():
    here, gone = [(standing(150, 190), 0.9)], []
    ids = [
        people.ids.tolist() for people in walk(PoseNet("posenet-050"), [here, *[gone] * 20, here, *[gone] * 26, here])
    ]
    assert ids[0] == ids[21] == [1]
    assert ids[-1] == [2]
    soon = walk(PoseNet("posenet-050", max_age=0.1), [here, *[gone] * 3, here])
    assert soon[-1].ids.tolist() == [2]


def test_without_tracking_people_are_numbered_as_they_are_found():
    a, b = (standing(90, 190), 0.9), (standing(290, 190), 0.8)
    for frame in ([a, b], [(b[0], 0.95), a]):
        people = walk(PoseNet("posenet-050", enable_tracking=False), [frame])[0]
        assert people.ids.tolist() == [1, 2]
    left = [
        (people.ids[people.keypoints[:, 0, 0].argmin()])
        for people in walk(PoseNet("posenet-050"), [[a, b], [(b[0], 0.95), a]])
    ]
    assert left == [1, 1]


def test_the_one_person_of_single_person_decoding_is_always_number_1_and_nobody_where_all_is_unsure():
    pipeline = PoseNet("posenet-050", decoding="single-person")
    people = walk(pipeline, [[(standing(90, 190), 0.9)], [], [(standing(290, 190), 0.9)]])
    assert [p.ids.tolist() for p in people] == [[1], [], [1]]
    always = PoseNet("posenet-050", decoding="single-person", min_score=0)
    assert [p.ids.tolist() for p in walk(always, [[]])] == [[1]]


def test_reset_forgets_and_another_size_of_frame_forgets_places_but_not_numbers():
    here = [(standing(150, 190), 0.9)]
    pipeline = PoseNet("posenet-050")
    walk(pipeline, [here] * 3)
    assert walk(pipeline, [here], (720, 1280))[0].ids.tolist() == [2]
    pipeline.reset()
    assert walk(pipeline, [here])[0].ids.tolist() == [1]


def test_a_frame_that_fails_costs_that_frame_alone():
    here = [(standing(150, 190), 0.9)]
    pipeline = PoseNet("posenet-050")
    walk(pipeline, [here])
    failing = pipeline.estimate(Frame(1, 0.04, 385, 385))
    next(failing)
    with pytest.raises(RuntimeError, match="lost"):
        failing.throw(RuntimeError("the device was lost"))
    assert walk(pipeline, [here])[0].ids.tolist() == [1]


def test_a_mirrored_result_is_mirrored_in_the_frame():
    heads = paint([standing(150, 190)], [0.9], (25, 25))
    plain, mirrored = (
        finish(PoseNet("posenet-050", flip_horizontal=flip).estimate(FRAME), answering(heads)) for flip in (False, True)
    )
    np.testing.assert_allclose(mirrored.keypoints[..., 0], 1279 - plain.keypoints[..., 0])
    np.testing.assert_allclose(mirrored.keypoints[..., 1], plain.keypoints[..., 1])


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"decoding": "both"}, "decoding must be multi-person or single-person, not 'both'"),
        ({"output_stride": 10}, "output_stride must be 8 or 16 or 32 for posenet-075, not 10"),
        ({"image_scale_factor": 0.1}, "image_scale_factor must be a number from 0.2 to 1, not 0.1"),
        ({"input_resolution": 5}, "input_resolution must be a whole number from 33 to 2049, not 5"),
        ({"max_detections": 0}, "max_detections must be a whole number of at least 1, not 0"),
        ({"score_threshold": 1.1}, "score_threshold must be a number from 0 to 1, not 1.1"),
        ({"min_score": -0.1}, "min_score must be a number from 0 to 1, not -0.1"),
        ({"nms_radius": 0}, "nms_radius must be a number above 0, not 0"),
        ({"refine_steps": 11}, "refine_steps must be a whole number from 0 to 10, not 11"),
        ({"nms_radius": float("nan")}, "nms_radius must be a number above 0, not nan"),
        ({"tracker_type": "face"}, "tracker_type must be bounding_box or keypoint, not 'face'"),
        ({"max_age": 0}, "max_age must be a number above 0, not 0"),
    ],
)
def test_what_is_out_of_range_is_refused_with_the_range(option, message):
    with pytest.raises(ValueError, match=message):
        PoseNet("posenet-075", **option)


def test_the_calls_of_2018_have_their_defaults_and_their_result():
    pose = standing(150, 190)
    net = Net(paint([pose, standing(290, 190)], [0.9, 0.8], (23, 41)))
    poses = estimate_multiple_poses(net, None)
    assert (net.ran.stride, net.ran.scale, net.ran.most, net.ran.threshold, net.ran.radius) == (16, 0.5, 5, 0.5, 20)
    assert not net.ran.flip
    assert net.ran.min_score == 0
    assert net.ran.input(FRAME) == ("posenet-075+any-size", (641, 353))
    assert len(poses) == 2
    assert set(poses[0]) == {"score", "keypoints"}
    assert [k["part"] for k in poses[0]["keypoints"]][:6] == [
        "nose", "leftEye", "rightEye", "leftEar", "rightEar", "leftShoulder",
    ]  # fmt: skip
    assert set(poses[0]["keypoints"][0]["position"]) == {"x", "y"}
    alone = estimate_single_pose(net, None)
    assert net.ran.single
    assert alone["score"] == pytest.approx(0.9, abs=0.01)
    with pytest.raises(ValueError, match=r"image_scale_factor must be a number from 0\.2 to 1, not 2"):
        estimate_single_pose(net, None, 2)


def test_in_the_page_the_calls_of_2018_are_awaited_and_take_the_catalogues_sizes():
    net = NetInPage(paint([standing(150, 190)], [0.9], (19, 33)))
    poses = asyncio.run(estimate_multiple_poses(net, None))
    assert len(poses) == 1
    assert net.ran.input(FRAME)[0] == "posenet-075+wide"


def test_a_network_without_numbers_gives_nobody():
    nothing = [np.full((c, 9, 9), np.nan, np.float32) for c in (17, 34, 32, 32)]
    net = Net(Heads(*nothing, 16))
    assert estimate_multiple_poses(net, None) == []
    assert estimate_single_pose(net, None) is None


def int8_heads(width, height):
    """Run the quantised network on the couple, stretched to its input as its authors did."""
    interpreter = pytest.importorskip("ai_edge_litert.interpreter", reason="needs LiteRT")
    import cv2

    path = MIRROR / f"posenet_mobilenet_v1_075_{height}_{width}_16_quant.tflite"
    model = interpreter.Interpreter(str(path))
    model.allocate_tensors()
    image = cv2.resize(read("couple.jpg"), (width, height), interpolation=cv2.INTER_LINEAR)
    model.set_tensor(model.get_input_details()[0]["index"], image[None])
    model.invoke()
    heat, offsets, displacements = (
        ((model.get_tensor(d["index"])[0].astype(np.float32) - d["quantization"][1]) * d["quantization"][0])
        .astype(np.float32)
        .transpose(2, 0, 1)
        for d in model.get_output_details()
    )
    return Heads(heat, offsets, displacements[:32], displacements[32:], 16)


@with_media
@with_mirror
@pytest.mark.parametrize(("width", "height"), [(481, 353), (641, 481)])
def test_the_couples_poses_are_those_of_the_reference_decoder(width, height):
    # The reference was made by another decoder (one that lists the better pose first), from a picture resized in a way
    # that is not told: the way alone moves keypoints by half a pixel on average. Our decoder is that of tfjs, whose
    # own results it gives exactly (test_original_posenet.py).
    name = f"couple_posenet_mobilenet_v1_075_{height}_{width}_quant_decoder_reference.csv"
    with (MEDIA / name).open() as file:
        rows = list(csv.DictReader(file))
    places = np.array([[float(r["keypoint_x"]), float(r["keypoint_y"])] for r in rows]).reshape(-1, 17, 2)
    chances = np.array([float(r["keypoint_score"]) for r in rows]).reshape(-1, 17)
    overall = np.array([float(r["pose_score"]) for r in rows]).reshape(-1, 17)[:, 0]
    heads = int8_heads(width, height)
    for steps in (2, 5):
        found = decode_multiple(heads, refinements=steps)
        assert len(found) == len(places) == 2
        order = np.argsort(found.keypoints[:, 0, 0])
        away = np.hypot(*(found.keypoints[order] - places).transpose(2, 0, 1))
        sure = chances > 0.3
        off = np.abs(found.keypoint_scores[order] - chances)[sure].mean()
        print(
            f"\n{width}x{height}, {steps} refinements: mean {away[sure].mean():.2f} px, "
            f"greatest {away[sure].max():.2f} px; keypoint scores off by {off:.3f} on average; "
            f"pose scores {found.scores[order].round(3)} for {overall.round(3)}"
        )
        assert away[sure].mean() < 2
        assert away[sure].max() < 8
        assert off < 0.05
        np.testing.assert_allclose(found.scores[order], overall, atol=0.05)


def test_a_fragment_of_a_person_is_nobody():
    (person,) = bodylens.create_detector("posenet-075").estimate(ASTRONAUT)
    assert person.scores[0] > 0.4
    everything = bodylens.create_detector("posenet-075", min_score=0).estimate(ASTRONAUT)
    assert len(everything) > 1, "where nothing else is found, this test says nothing"
    assert (everything.scores < 0.1).sum() == len(everything) - 1


@with_media
@with_mirror
def test_the_couple_are_two_at_the_largest_size(monkeypatch):
    monkeypatch.setenv("BODYLENS_MIRROR", str(MIRROR))
    detector = bodylens.create_detector("posenet-075-int8", input_resolution=(1280, 720))
    assert len(detector.estimate(read("couple.jpg"))) == 2


def test_nobody_is_written_as_no_pose():
    nobody = Heads(*(np.full((c, 9, 9), -9, np.float32) for c in (17, 34, 32, 32)), 16)
    assert to_poses(finish(PoseNet("posenet-050").estimate(FRAME), answering(nobody))) == []

"""A pose system with another system's mask beside it, without a network."""

import pytest

from bodylens import Frame, Inferred, Mask
from bodylens.masked import Masked
from bodylens.people import People
from bodylens.pipeline import Infer, finish
from bodylens.region import Region
from bodylens.selfie import SelfieSegmentation
from bodylens.systems import make_detector

FRAME = Frame(0, 0.0, 64, 48)
REGION = Region.whole(64, 48)
MASK = Mask(7, 4, 4, REGION, "person", 0.5, 3, 0.9, (0, 0, 2, 2))


class TwoRounds:
    """Asks twice, for its own networks alone."""

    topology = None
    models = ("first", "second")

    def __init__(self, known=True):
        self.known = known
        self.resets = 0

    def ahead(self, frame):
        return (Infer("first", REGION),) if self.known else None

    def estimate(self, frame):
        (first,) = yield (Infer("first", REGION),)
        (second,) = yield (Infer("second", REGION),)
        assert (first.outputs, second.outputs) == ({"of": "first"}, {"of": "second"})
        return People.none(frame)

    def reset(self):
        self.resets += 1


def test_both_look_in_the_same_round_and_each_gets_its_own_results():
    rounds = []

    def answer(requests):
        rounds.append([request.model for request in requests])
        return [Inferred({"of": r.model}, (MASK,) if r.keep else ()) for r in requests]

    people = finish(Masked(TwoRounds(), SelfieSegmentation("selfie-general")).estimate(FRAME), answer)
    assert rounds == [["first", "selfie-general"], ["second"]]
    assert people.masks == (MASK,)


def test_it_announces_both_or_nothing():
    masks = SelfieSegmentation("selfie-general")
    announced = Masked(TwoRounds(), masks).ahead(FRAME)
    assert [request.model for request in announced] == ["first", "selfie-general"]
    assert Masked(TwoRounds(known=False), masks).ahead(FRAME) is None


def test_masks_that_take_two_rounds_are_refused():
    with pytest.raises(TypeError, match="once a frame"):
        finish(Masked(TwoRounds(), TwoRounds()).estimate(FRAME), lambda rs: [Inferred({"of": "first"})] * len(rs))


def test_a_detector_is_made_with_a_model_of_masks():
    pipeline = make_detector("movenet-lightning", {"mask_model": "selfie-landscape"})
    assert pipeline.models[-1] == "selfie-landscape"
    poses = pipeline.poses
    pipeline.poses = counted = TwoRounds()
    pipeline.reset()
    assert counted.resets == 1
    assert poses.topology is not None
    with pytest.raises(ValueError, match="no model of masks 'movenet-lightning'"):
        make_detector("movenet-lightning", {"mask_model": "movenet-lightning"})

"""The selfie pipeline without any driver: requests out, results in, people back."""

import numpy as np
import pytest

from bodylens import Frame, Inferred, Mask, Region
from bodylens.pipeline import finish
from bodylens.selfie import SMOOTHING_RATIO, SelfieSegmentation

FRAME = Frame(3, 0.1, 640, 480)


def answered(count, extent=(0, 0, 0, 0), score=0.0):
    def answer(requests):
        (request,) = requests
        mask = Mask(1, 256, 256, request.region, "person", request.keep[0].threshold, count, score, extent)
        return [Inferred(masks=(mask,))]

    return answer


def test_it_looks_at_the_whole_frame_and_keeps_the_mask():
    (request,) = next(SelfieSegmentation("selfie-general").estimate(FRAME))
    assert request.region == Region.whole(640, 480)
    assert request.fetch == ()
    assert [k.output for k in request.keep] == ["mask"]
    assert request.keep[0].smoothing == 0


def test_what_passes_the_threshold_is_one_entry_with_the_masks_box_and_mean_score():
    people = finish(
        SelfieSegmentation("selfie-general").estimate(FRAME), answered(5000, (64, 128, 192, 256), score=0.9)
    )
    assert len(people) == 1
    np.testing.assert_allclose(people.boxes, [[160, 240, 320, 240]])
    np.testing.assert_allclose(people.scores, [0.9], rtol=1e-6)
    assert people.keypoints.shape == (1, 0, 2)


def test_an_empty_mask_is_nobody_but_can_still_be_read():
    people = finish(SelfieSegmentation("selfie-general").estimate(FRAME), answered(0))
    assert len(people) == 0
    assert len(people.masks) == 1


def test_what_it_announces_is_what_it_asks():
    pipeline = SelfieSegmentation("selfie-general", smoothing=True)
    assert pipeline.ahead(FRAME) == next(pipeline.estimate(FRAME))


def test_smoothing_continues_a_stream_until_reset():
    pipeline = SelfieSegmentation("selfie-general", smoothing=True)
    ((before,),) = [r.keep for r in pipeline.ahead(FRAME)]
    pipeline.reset()
    ((after,),) = [r.keep for r in pipeline.ahead(FRAME)]
    assert before.smoothing == SMOOTHING_RATIO
    assert after.stream != before.stream


@pytest.mark.parametrize("threshold", [0, -0.5, 1.1])
def test_a_threshold_out_of_range_is_refused(threshold):
    with pytest.raises(ValueError, match="threshold must be a number above 0 and at most 1"):
        SelfieSegmentation("selfie-general", threshold=threshold)

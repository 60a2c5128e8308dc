"""What an estimator owns: its networks, which it releases, and the history of its masks."""

import weakref
from pathlib import Path

import numpy as np
import pytest

import bodylens
from bodylens.native.driver import Segmenter
from bodylens.selfie import SelfieSegmentation

PICTURES = Path(__file__).parents[2] / "pictures"


@pytest.fixture(scope="module")
def astronaut():
    return bodylens.read_picture(PICTURES / "astronaut.jpg")


def networks(segmenter):
    return [weakref.ref(model.session) for model in segmenter.driver.models.values()]


def test_a_closed_estimator_has_no_networks_and_says_so_and_its_masks_stay_readable(astronaut):
    with bodylens.create_segmenter("selfie-general") as segmenter:
        held = networks(segmenter)
        people = segmenter.estimate(astronaut)
    assert held
    assert not any(network() for network in held)
    assert people.read_mask().max() > 0.9
    with pytest.raises(RuntimeError, match="closed: create another one"):
        segmenter.estimate(astronaut)
    segmenter.close()


def test_an_estimator_that_nobody_has_releases_its_networks_though_its_people_are_kept(astronaut):
    segmenter = bodylens.create_segmenter("selfie-general")
    held = networks(segmenter)
    people = segmenter.estimate(astronaut)
    del segmenter
    assert not any(network() for network in held)
    assert people.read_mask().max() > 0.9


def test_another_pipeline_on_one_picture_has_no_part_in_the_history_of_masks(astronaut):
    segmenter = Segmenter(SelfieSegmentation("selfie-general", smoothing=True))
    alone = segmenter.estimate(astronaut).read_mask()
    segmenter.reset()
    segmenter.estimate_by(SelfieSegmentation("selfie-general", smoothing=True), np.zeros_like(astronaut))
    np.testing.assert_array_equal(segmenter.estimate(astronaut).read_mask(), alone)

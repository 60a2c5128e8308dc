"""The native driver with several inputs of one model, another pipeline for one picture, and late activation."""

import numpy as np
import pytest

from bodylens import Frame, Infer, Keep, People, Region
from bodylens.bodypix import BodyPix, segment_person
from bodylens.native import driver
from bodylens.native.driver import Driver, Segmenter

IMAGE = np.zeros((240, 320, 3), np.uint8)
FRAME = Frame(0, 0.0, 320, 240)


class Network:
    """Answers every head with the same numbers, whatever it is shown."""

    def __init__(self, size):
        self.size = size

    def run(self, image, region, outputs, size=None):
        width, height = size or self.size
        shape = ((height - 1) // 16 + 1, (width - 1) // 16 + 1)
        counts = {"segments": 1, "heatmaps": 17, "offsets": 34}
        heads = {name: np.zeros((1, counts.get(name, 32), *shape), np.float32) for name in outputs}
        if "segments" in heads:
            heads["segments"][..., : shape[1] // 2] = 4
            heads["segments"][..., shape[1] // 2 :] = -4
        return list(heads.values())


@pytest.fixture(autouse=True)
def networks(monkeypatch):
    loaded = []

    def load(name, *_):
        loaded.append(name)
        return Network((321, 241) if name.endswith("small") else (481, 353))

    monkeypatch.setattr(driver.Model, "load", load)
    return loaded


class Asking:
    """A pipeline that keeps one mask."""

    topology = None
    models = ("one",)

    def __init__(self, keep):
        self.keep = keep

    def estimate(self, frame):
        ((result),) = yield (Infer("one", Region.whole(frame.width, frame.height), keep=(self.keep,)),)
        people = People.none(frame)
        return People(**{f: getattr(people, f) for f in people.__slots__} | {"masks": result.masks})

    def ahead(self, frame):
        return None

    def reset(self):
        pass


@pytest.mark.parametrize("late", [False, True])
def test_a_late_mask_is_sharper_than_an_early_one_but_counts_the_same(late):
    runner = Driver(Asking(Keep("segments", activation="sigmoid", late=late)))
    people = runner.estimate(IMAGE, FRAME)
    mask = people.read_mask()
    assert people.masks[0].count == 23 * 15
    assert mask[:, :100].min() > 0.98
    assert mask[:, 220:].max() < 0.02
    slope = np.abs(np.diff(mask[120])).max()
    assert slope > 0.1 if late else slope < 0.1


def test_what_a_late_mask_does_not_cover_is_nobody():
    runner = Driver(Asking(Keep("segments", activation="sigmoid", late=True)))
    people = runner.estimate(IMAGE, FRAME)
    mask = people.masks[0]
    moved = type(mask)(**{f: getattr(mask, f) for f in mask.__slots__} | {"region": Region(80, 60, 160, 120)})
    assert runner.masks.read(moved, (320, 240))[180:].max() < 1e-6


def test_another_input_size_is_loaded_when_a_frame_asks_for_it(networks):
    segmenter = Segmenter(BodyPix("bodypix-050", internal_resolution="full"))
    assert networks == ["bodypix-050"]
    segmenter.estimate(np.zeros((180, 240, 3), np.uint8))
    assert networks == ["bodypix-050", "bodypix-050+small"]
    segmenter.estimate(np.zeros((180, 240, 3), np.uint8))
    assert len(networks) == 2


def test_another_pipeline_runs_on_one_picture_and_changes_nothing(networks):
    segmenter = Segmenter(BodyPix("bodypix-050"))
    person = segment_person(segmenter, IMAGE, segmentation_threshold=0.5)
    assert networks[-1] == "bodypix-050+any-size"
    assert person.data[:, :120].all()
    assert not person.data[:, 190:].any()
    assert segmenter.pipeline.threshold == 0.7
    assert segmenter.index == 0

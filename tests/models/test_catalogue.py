"""The catalogue is whole, and what is written from it is up to date."""

import re
from pathlib import Path

import pytest

from bodylens import bodypix, posenet
from bodylens.systems import DETECTORS, SEGMENTERS, make_pipeline, option_names
from bodylens_models import cards, catalogue, store
from bodylens_models.catalogue import UnknownModel

ROOT = Path(__file__).parents[2]
EVERY = [(name, variant) for name, entry in catalogue.entries().items() for variant in (None, *entry.variants)]


@pytest.mark.parametrize(("name", "variant"), EVERY)
def test_every_entry_says_what_a_person_must_know(name, variant):
    entry = catalogue.entry(name, variant)
    assert entry.name == name
    assert entry.licence == "Apache-2.0"
    assert entry.card.startswith("https://")
    assert entry.input.padding in ("stretch", "letterbox")
    assert entry.input.low < entry.input.high
    assert entry.outputs
    for output in entry.outputs.values():
        assert len(output.meaning) > 10
        assert not output.meaning.endswith(".")
    for file in entry.source.files:
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.bytes > 0
        assert file.mirror or file.urls or (file.npm and entry.source.package)
    assert bool(entry.source.files) != bool(entry.unavailable)
    assert entry.unavailable or entry.onnx, "the sha256 of what the conversion gives"


@pytest.mark.parametrize("model", [*posenet.INPUTS, *bodypix.INPUTS])
def test_what_the_page_may_ask_for_is_fetched_together(model):
    entry = catalogue.entry(model)
    inputs = (posenet.INPUTS | bodypix.INPUTS)[model]
    labels = {inputs.choose(stride, *size, False)[0] for stride, sizes in inputs.sizes.items() for size in sizes}
    for stride, sizes in inputs.sizes.items():
        for width, height in sizes:
            label, size = inputs.choose(stride, width, height, False)
            chosen = catalogue.entry(model, label.partition("+")[2] or None)
            assert size == (width, height) == (chosen.input.width, chosen.input.height)
            assert chosen.options.get("stride", stride) == stride
    assert entry.unavailable or set(entry.together) == labels


def test_variants_join():
    entry = catalogue.entry("posenet-075", "wide+stride8+single")
    assert entry.label == "posenet-075+wide+stride8+single"
    assert list(entry.outputs) == ["heatmaps", "offsets"]
    assert entry.outputs["heatmaps"].shape == (1, 17, 37, 65)
    with pytest.raises(UnknownModel, match="no variant 'tiny'"):
        catalogue.entry("posenet-075", "wide+tiny")


def test_a_page_spec_is_plain_json():
    import json

    spec = store.page_spec(catalogue.entry("blazepose-lite", "plain"))
    assert json.loads(json.dumps(spec)) == spec
    assert spec["variant"] == "plain"
    assert list(spec["outputs"]) == ["landmarks", "flag", "heatmap"]


@pytest.mark.parametrize("name", SEGMENTERS | DETECTORS)
def test_what_a_system_usually_asks_for_is_fetched_together(name):
    asked = set(make_pipeline(name, {}).models)
    if "enable_segmentation" in option_names(name):
        asked |= set(make_pipeline(name, {"enable_segmentation": True}).models)
    assert asked <= set(catalogue.together([name]))


def test_a_form_stands_for_itself_alone():
    assert catalogue.together(["movenet-thunder+webgl"]) == ["movenet-thunder+webgl"]
    with pytest.raises(UnknownModel, match="there is no model called 'dance'"):
        catalogue.together(["dance"])


def test_what_cannot_be_had_says_where_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("BODYLENS_CACHE", str(tmp_path))
    state = store.state("bodypix-resnet50")
    assert state.state == "unavailable"
    assert "https://storage.googleapis.com/" in state.why
    with pytest.raises(store.ModelUnavailable, match="bodylens models import"):
        store.ensure("bodypix-resnet50")


def test_what_is_only_in_a_mirror_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("BODYLENS_CACHE", str(tmp_path))
    monkeypatch.delenv("BODYLENS_MIRROR", raising=False)
    state = store.state("movenet-lightning-int8")
    assert state.state == "unavailable"
    assert "BODYLENS_MIRROR" in state.why


def test_the_page_of_cards_is_what_the_catalogue_says():
    written = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    assert written == cards.page(), "run: bodylens models cards > docs/models.md"

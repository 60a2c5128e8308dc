"""The engine's own mathematics, run under node, against the Python that says what it must be."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bodylens import Frame, Keep, Mask, People, Region, draw, to_record
from bodylens.bodypix import PART_NAMES
from bodylens.native.crop import lay
from bodylens.native.driver import summarise
from bodylens.personlab import sigmoid
from bodylens.record import pack
from bodylens.smoothing import blend_masks

WEB = Path(__file__).parents[2] / "web"
NODE = shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))


def javascript(module, call, data):
    """Evaluate `call` with everything that `module` exports and `data`, and give its value."""
    code = f"""
        import * as m from {json.dumps((WEB / module).as_uri())};
        let text = ""; for await (const chunk of process.stdin) text += chunk;
        const data = JSON.parse(text);
        const plain = (key, value) => ArrayBuffer.isView(value) ? Array.from(value) : value;
        console.log(JSON.stringify(({call})(m, data), plain));
    """
    assert NODE, "node is not installed; scripts/test brings it"
    done = subprocess.run(
        [NODE, "--input-type=module", "-e", code], input=json.dumps(data), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def region_list(region):
    return [region.x, region.y, region.width, region.height, region.rotation]


REGIONS = [Region.whole(640, 480), Region(300, 200, 150, 90, 0.7), Region(-20, 40, 400, 300, -2.5)]


@pytest.mark.parametrize("region", REGIONS)
def test_a_regions_matrices_are_those_of_python(region):
    forward, back = javascript(
        "engine/region.js", "(m, d) => [m.toFrame(d), m.after(m.fromFrame(d), m.toFrame(d))]", region_list(region)
    )
    np.testing.assert_allclose(np.reshape(forward, (2, 3)), region.matrix(), atol=1e-9)
    np.testing.assert_allclose(back, [1, 0, 0, 0, 1, 0], atol=1e-9)


def test_masks_blend_as_in_python():
    before, now = np.random.default_rng(0).random((2, 40, 30), np.float32)
    blended = javascript(
        "engine/masks.js",
        "(m, d) => { const now = new Float32Array(d.now); m.blend(new Float32Array(d.before), now, 0.7); return now; }",
        {"before": before.ravel().tolist(), "now": now.ravel().tolist()},
    )
    # The engine passes over cells that are surer than a thousandth.
    np.testing.assert_allclose(np.reshape(blended, now.shape), blend_masks(before, now, 0.7), atol=5e-4)


@pytest.mark.parametrize("threshold", [0.5, 0.95, 1.0])
def test_masks_are_summarised_as_in_python(threshold):
    mask = np.random.default_rng(1).random((12, 9), np.float32) * np.float32(0.98)
    count, score, *extent = javascript(
        "engine/masks.js",
        f"(m, d) => m.summarise(Float32Array.from(d), 9, 12, {threshold})",
        mask.ravel().tolist(),
    )
    expected = summarise(1, mask, Region.whole(9, 12), Keep("mask", threshold=threshold))
    assert (count, tuple(extent)) == (expected.count, expected.extent)
    assert score == pytest.approx(expected.score, abs=1e-6)


LAY = """(m, { data, keep, region }) => m.lay(
  { data: Float32Array.from(data), width: 16, height: 16, keep, region }, region, 640, 480, 160, 120)"""


def laid_mask(mask, region, late):
    return {"data": mask.ravel().tolist(), "region": region_list(region), "keep": {"late": late}}


@pytest.mark.parametrize("region", REGIONS)
def test_masks_are_laid_over_a_frame_as_natively(region):
    mask = np.random.default_rng(2).random((16, 16), np.float32)
    laid = javascript("engine/masks.js", LAY, laid_mask(mask, region, late=False))
    native = lay(mask, region, (640, 480), (160, 120))
    # OpenCV interpolates in steps of 1/32 and fades out over the last half cell; inside they agree.
    inside = lay(np.ones_like(mask), region.scaled(0.9), (640, 480), (160, 120)) == 1
    np.testing.assert_allclose(np.reshape(laid, (120, 160))[inside], native[inside], atol=0.04)


@pytest.mark.parametrize("region", REGIONS)
def test_late_masks_are_enlarged_before_they_become_probabilities(region):
    logits = np.random.default_rng(4).normal(0, 6, (16, 16)).astype(np.float32)
    laid = np.reshape(javascript("engine/masks.js", LAY, laid_mask(logits, region, late=True)), (120, 160))
    native = sigmoid(lay(np.clip(logits, -80, 80) + 80, region, (640, 480), (160, 120)) - 80)
    inside = lay(np.ones_like(logits), region.scaled(0.9), (640, 480), (160, 120)) == 1
    np.testing.assert_allclose(laid[inside], native[inside], atol=0.12)
    assert abs(laid[inside] - native[inside]).mean() < 0.01
    outside = lay(np.ones_like(logits), region.scaled(1.3), (640, 480), (160, 120)) == 0
    assert (laid[outside] < 1e-6).all()


UNITE = """(m, { frame, masks }) => {
  const given = masks.map(({ data, keep, region }) => (
    { mask: { data: Float32Array.from(data), width: 64, height: 64, keep, region }, region }));
  const { data, width, height } = m.unite(given, ...frame);
  const laid = given.map(({ mask, region }) => m.lay(mask, region, ...frame, width, height));
  return { data, width, height, laid };
}"""


@pytest.mark.parametrize("late", [False, True])
def test_masks_of_several_people_are_united_where_they_lie(late):
    logits = np.random.default_rng(6).normal(0, 4, (4, 64, 64)).astype(np.float32)
    regions = [
        Region(150, 200, 160, 160, 0.4),
        Region(600, 300, 200, 160, -2),
        Region(-20, 40, 90, 120),
        Region(2000, 0, 9, 9),  # outside of the frame
    ]
    masks = [laid_mask(m if late else sigmoid(m), region, late) for m, region in zip(logits, regions, strict=True)]
    for frame, size in ([640, 480], (320, 240)), ([300, 2560], (75, 640)), ([320, 240], (256, 192)):
        told = javascript("engine/masks.js", UNITE, {"frame": frame, "masks": masks})
        assert (told["width"], told["height"]) == size
        np.testing.assert_allclose(told["data"], np.max(told["laid"], axis=0), atol=1e-5)
        assert 0.01 < (np.array(told["data"]) > 0.5).mean() < 0.5


def test_a_late_mask_is_summarised_by_its_probabilities():
    logits = np.random.default_rng(5).normal(0, 3, (12, 9)).astype(np.float32)
    handle, width, height, count, score, *extent = javascript(
        "engine/masks.js",
        """(m, d) => new m.Masks().keep(
          { data: Float32Array.from(d), width: 9, height: 12, region: [0, 0, 9, 12, 0], stride: 16 },
          { meaning: "person", activation: "sigmoid", late: true, threshold: 0.7, smoothing: 0 }, new Map(), "test")""",
        logits.ravel().tolist(),
    )
    expected = summarise(1, sigmoid(logits), Region.whole(9, 12), Keep("mask", threshold=0.7))
    assert (handle, width, height, count, tuple(extent)) == (1, 9, 12, expected.count, expected.extent)
    assert score == pytest.approx(expected.score, abs=1e-6)


@pytest.mark.parametrize("name", draw.TABLES)
def test_the_tables_of_colours_are_those_of_python(name):
    colors = javascript("tables.js", "(m, d) => m.table(d)", name)
    np.testing.assert_allclose(np.multiply(colors, 255), draw.TABLES[name], atol=1e-6)


def test_a_table_of_ones_own_is_24_colours():
    own = ",".join(f"{i:02x}00ff" for i in range(24))
    assert javascript("tables.js", "(m, d) => m.table(d)", own)[5] == pytest.approx([5 / 255, 0, 1])
    assert javascript("tables.js", "(m, d) => [m.table(d), m.table('none'), m.table('')]", own[:-2]) == [None] * 3


def test_words_name_parts_of_the_body():
    names, face, left_hand, both, wrong = javascript(
        "page/parts.js",
        "(m) => [m.PART_NAMES, ...['face', 'left_hand', '12,face', 'tail'].map(m.partNumbers)]",
        None,
    )
    assert tuple(names) == PART_NAMES
    assert (face, left_hand, both, wrong) == ([0, 1], [10], [12, 0, 1], None)


def test_a_packed_frame_becomes_the_record_that_python_writes():
    rng = np.random.default_rng(3)
    names = ("nose", "left_eye")
    people = People(
        Frame(5, 1.25, 640, 480),
        np.array([3, 8], np.int32),
        rng.random(2, np.float32),
        rng.random((2, 4), np.float32) * 300,
        rng.random((2, 2, 3), np.float32) * 300,
        rng.random((2, 2), np.float32),
        world=rng.random((2, 2, 3), np.float32),
        presence=rng.random((2, 2), np.float32),
        names=names,
        masks=(Mask(1, 4, 4, Region.whole(640, 480), "person", 0.5, 1, 1.0, (0, 0, 1, 1)),),
    )
    record = javascript(
        "page/record.js",
        "(m, d) => m.toRecord(Float64Array.from(d.packed), d.names)",
        {"packed": pack(people).tolist(), "names": names},
    )
    expected = json.loads(json.dumps(to_record(people)))
    assert record["frame"] == expected["frame"]

    def flat(value):
        match value:
            case dict():
                return [x for key in sorted(value) for x in flat(value[key])]
            case list():
                return [x for item in value for x in flat(item)]
            case str():
                return [hash(value) % 1000]
        return [value]

    np.testing.assert_allclose(flat(record["people"]), flat(expected["people"]), atol=0.011)
    assert [list(p) for p in record["people"]] == [list(p) for p in expected["people"]]

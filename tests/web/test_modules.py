"""The engine's own mathematics, run under node, against the Python that says what it must be."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bodylens import Frame, Keep, Mask, People, Region, to_record
from bodylens.native.crop import lay
from bodylens.native.driver import summarise
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


@pytest.mark.parametrize("region", REGIONS)
def test_masks_are_laid_over_a_frame_as_natively(region):
    mask = np.random.default_rng(2).random((16, 16), np.float32)
    laid = javascript(
        "engine/masks.js",
        "(m, d) => m.lay({...d, data: Float32Array.from(d.data), width: 16, height: 16}, 640, 480, 160, 120)",
        {"data": mask.ravel().tolist(), "region": region_list(region)},
    )
    native = lay(mask, region, (640, 480), (160, 120))
    # OpenCV interpolates in steps of 1/32 and fades out over the last half cell; inside they agree.
    inside = lay(np.ones_like(mask), region.scaled(0.9), (640, 480), (160, 120)) == 1
    np.testing.assert_allclose(np.reshape(laid, (120, 160))[inside], native[inside], atol=0.04)


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

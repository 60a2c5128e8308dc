"""A person's own Python beside a live picture: it gets frames, owns its state and gives back what it had."""

import pytest
from drawn import frames_out
from playwright.sync_api import expect
from waiting import until

# A picture whose mask is unsure, and three smoothed segmenters: what the second one saw must not reach the others.
HISTORY = """
import bodylens, numpy as np

def picture(seed):
    y, x = np.mgrid[:256, :256]
    body = ((x - 128) / 60) ** 2 + ((y - 190) / 90) ** 2 < 1
    head = (x - 128) ** 2 + (y - 70) ** 2 < 1600
    noise = np.random.default_rng(seed).integers(0, 90, (256, 256, 3))
    return (np.where((body | head)[..., None], 130, 40) + noise).astype(np.uint8)

async def mask(segmenter, image):
    return await (await segmenter.estimate(image)).read_mask()

blank = np.zeros((256, 256, 3), np.uint8)
alone, first, second = [await bodylens.create_segmenter("selfie-general", smoothing=True) for _ in range(3)]
expected = [await mask(alone, picture(0)), await mask(alone, picture(1))]
found = [await mask(first, picture(0))]
await mask(second, blank)
await second.estimate_by(second.pipeline, picture(5))
found.append(await mask(first, picture(1)))
second.reset()
found.append(await mask(second, picture(0)))
difference = [float(np.abs(a - b).max()) for a, b in zip([*expected, expected[0]], found)]
history = float(np.abs(expected[1] - await mask(await bodylens.create_segmenter("selfie-general"), picture(1))).max())
for segmenter in (alone, first, second):
    segmenter.close()
{"difference": difference, "history": history}
"""
# Six networks, each of which is dropped in another way.
ROUND = """
import bodylens
async with await bodylens.create_segmenter("selfie-general") as one:
    await one.estimate()
with await bodylens.create_segmenter("selfie-landscape"):
    pass
three = await bodylens.create_detector("movenet-thunder")
three.close()
three.close()
four = await bodylens.create_detector("blazepose-lite")
del four
five = await bodylens.create_segmenter("bodypix-050")
five = None
async def six():
    await bodylens.create_detector("posenet-075")
await six()
"""
PENDING = """
import bodylens
segmenter = await bodylens.create_segmenter()
while True:
    await segmenter.estimate()
"""


def python(page, code):
    return page.evaluate("code => bodylens.python(code)", code)


def said(page, code):
    return page.evaluate("code => bodylens.python(code).then(() => '', (error) => error.message)", code)


@pytest.fixture(scope="module")
def opened(server, browser):
    """Open one page on the camera with a pose model."""
    page = browser.new_context().new_page()
    page.goto(f"{server}/?source=camera&model=movenet-lightning&backend=wasm")
    expect(page.locator("html[data-state=running]")).to_be_attached()
    yield page
    page.context.close()


@pytest.mark.parametrize(
    "query",
    ["model=movenet-lightning", "model=movenet-lightning&effect=color", "model=selfie-general"],
)
def test_a_script_gets_frames_whatever_model_runs(opened, query):
    opened.evaluate(
        "(query) => [...new URLSearchParams(query)].forEach(([k, v]) => bodylens.settings.set(k, v))", query
    )
    until(opened, "document.documentElement.dataset.state === 'running'")
    code = """
import bodylens
segmenter = await bodylens.create_segmenter("selfie-landscape")
[(await segmenter.estimate()).frame.time for _ in range(3)]
"""
    first, second, third = python(opened, code)
    assert first < second < third


def test_smoothed_segmenters_of_one_script_have_each_their_own_history(opened):
    found = python(opened, HISTORY)
    assert found["history"] > 0.01, "smoothing does something to these pictures"
    assert max(found["difference"]) < 1e-6


def test_networks_that_no_script_has_any_more_are_released(opened):
    count = "bodylens.stats().sessions"
    opened.evaluate("bodylens.stop()")
    frames_out(opened, opened.evaluate("bodylens.stats().frames.out") + 5)
    before = opened.evaluate(count)
    python(opened, ROUND)
    until(opened, f"{count} === {before}")
    held = opened.evaluate("bodylens.stats().heap")
    python(opened, ROUND)
    until(opened, f"{count} === {before}")
    assert opened.evaluate("bodylens.stats().heap") <= held * 1.1
    told = said(opened, "await three.estimate()")
    assert "this estimator is closed: create another one" in told
    # What runs goes on, and what a script that is stopped had is released as well.
    python(opened, "kept = await bodylens.create_segmenter('selfie-landscape')")
    until(opened, f"{count} === {before} + 1")
    opened.evaluate("bodylens.stop()")
    until(opened, f"{count} === {before}")


def test_a_script_that_waits_for_a_frame_is_told_that_none_will_come(opened):
    python(opened, "import bodylens\nsegmenter = await bodylens.create_segmenter()")
    waiting = opened.evaluate_handle(
        "(code) => ({ said: bodylens.python(code).catch((error) => error.message) })", PENDING
    )
    opened.evaluate("document.getElementById('pause').click()")
    assert "The page is paused: resume it, then call again." in waiting.evaluate("({ said }) => said")
    assert "The page is paused" in said(opened, "await segmenter.estimate()")
    opened.evaluate("document.getElementById('pause').click()")
    assert python(opened, "(await segmenter.estimate()).frame.width") > 0


# Imports what the engine is made of: `load("frames")`.
LOAD = """
  const site = JSON.parse(document.querySelector('meta[name="bodylens:site"]').content);
  for (const key of ["ort", "catalogue", "app"]) site[key] = new URL(site[key], location.href).href;
  const load = (name) => import(`${site.app.replace(/\\/*$/, "")}/engine/${name}.js`);
"""
WAITING = """async () => {
  LOAD
  const { Frames } = await load("frames");
  const frames = new Frames(() => undefined, () => undefined);
  const clones = [];
  const { clone } = VideoFrame.prototype;
  VideoFrame.prototype.clone = function () {
    clones.push(clone.call(this));
    return clones.at(-1);
  };
  const said = [];
  const copy = () => said.push(frames.copy().then(({ time, width }) => [time, width], ({ message }) => message));
  copy();
  frames.open({ kind: "pushed" });
  copy();
  frames.open(null);
  frames.open({ kind: "pushed" });
  copy();
  frames.paused = true;
  copy();
  frames.paused = false;
  copy();
  const canvas = new OffscreenCanvas(8, 6);
  canvas.getContext("2d");
  frames.push(new VideoFrame(canvas, { timestamp: 0 }), 1.5);
  frames.take().close();
  copy();
  frames.end();
  copy();
  const heard = await Promise.all(said);
  return [...heard, clones.length, clones.filter(({ codedWidth }) => codedWidth).length];
}"""


def test_a_script_waiting_for_a_frame_gets_it_or_an_error_that_says_why(visit):
    said = visit(program=False).page.evaluate(WAITING.replace("LOAD", LOAD))
    nothing, changed, paused, still_paused, frame, ended, still_ended, clones, left_open = said
    assert "no source: start the camera" in nothing
    assert "source was closed or changed" in changed
    assert paused == still_paused == "The page is paused: resume it, then call again."
    assert frame == [1.5, 8]
    assert "source has ended" in ended
    assert ended == still_ended
    assert (clones, left_open) == (1, 0), "what frames were copied from is closed"


# A network whose answers were right at first: nothing but the check tells when they no longer are.
RECHECK = """async () => {
  LOAD
  const { Networks } = await load("networks");
  const networks = await Networks.open("webgl", site);
  const network = await networks.get("selfie-general", {});
  const said = [];
  const again = () => networks.recheck().then(() => said.push("right"), ({ message }) => said.push(message));
  await again();
  const [output] = Object.values(network.spec.check.outputs);
  output.values = output.values.map((value) => value + 1);
  await again();
  return said;
}"""


def test_the_self_check_can_be_repeated_and_finds_what_has_become_wrong(visit):
    right, wrong = visit(program=False).page.evaluate(RECHECK.replace("LOAD", LOAD))
    assert right == "right"
    assert "webgl gives a wrong answer for selfie-general+webgl here" in wrong

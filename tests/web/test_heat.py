"""A hot device: what is decided, by the module alone; and that a real slow-down makes a real camera give less."""

import pytest
from waiting import until

# Runs a story through the decisions: [seconds, milliseconds a frame, pressure, work] each, four reports a second.
STORY = """async (story) => {
  const site = document.querySelector('script[type="module"]').src;
  const { Heat } = await import(new URL("heat.js", site));
  const heat = new Heat();
  const changes = [];
  let now = 0;
  for (const [seconds, ms, pressure = "nominal", work = "selfie"] of story) {
    for (const end = now + 1000 * seconds; now < end; now += 250) {
      if (heat.observe(now, ms, work, pressure)) changes.push([Math.round(now / 1000), heat.step]);
    }
  }
  return changes;
}"""

# A graphics card that can be made slow: whatever it draws for a worker then takes so many milliseconds longer.
SLOW_CARD = """
const draw = WebGL2RenderingContext.prototype.drawArrays;
WebGL2RenderingContext.prototype.drawArrays = function (...given) {
  for (const end = performance.now() + (globalThis.slowness ?? 0); performance.now() < end; );
  draw.apply(this, given);
};
"""


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        pytest.param([(300, 30)], [], id="a device that stays cool is left alone"),
        pytest.param([(60, 30), (9, 60), (60, 30), (9, 60)], [], id="a moment of slowness is nothing"),
        pytest.param([(60, 30), (15, 60)], [(70, 1)], id="ten seconds of it are one step"),
        pytest.param([(60, 30), (60, 60)], [(70, 1), (84, 2)], id="where that is not enough there is another"),
        pytest.param([(60, 30), (300, 60)], [(70, 1), (84, 2)], id="and no third"),
        pytest.param([(60, 30), (15, 60), (200, 42)], [(70, 1)], id="half recovered it stays"),
        pytest.param([(60, 30), (15, 60), (60, 32)], [(70, 1), (105, 0)], id="recovered it goes back"),
        pytest.param([(60, 4), (300, 9)], [], id="what is fast enough even so needs no help"),
        pytest.param([(60, 30), (30, 42)], [], id="a little slower is no reason"),
        pytest.param([(60, 30), (12, 42, "critical")], [(70, 1)], id="unless the processor is at its end"),
        pytest.param([(60, 30), (15, 60), (90, 30, "serious")], [(70, 1)], id="which also keeps it from going back"),
        pytest.param([(60, 30), (300, 80, "nominal", "two people")], [], id="other work takes its own time"),
    ],
)
def test_what_is_asked_of_the_camera(page, story, expected):
    assert page.evaluate(STORY, story) == [list(change) for change in expected]


def test_a_step_up_that_was_too_early_makes_the_next_one_wait_longer(page):
    hot = (14.5, 60)
    changes = page.evaluate(STORY, [(60, 30), hot, (40, 30), hot, (80, 30)])
    steps = [step for _, step in changes]
    assert steps == [1, 0, 1, 0]
    first, second = changes[1][0] - changes[0][0], changes[3][0] - changes[2][0]
    assert second > first + 25


def pace(page):
    """Give the milliseconds of a frame as the page reports them next."""
    page.evaluate("globalThis.reported = bodylens.stats().frames?.out")
    return until(page, "bodylens.stats().frames.out !== reported && bodylens.stats().pace")


def test_a_device_that_becomes_slow_makes_its_camera_give_less(visit, wait_state):
    opened = visit("?source=camera&effect=color&backend=wasm", worker=SLOW_CARD)
    page = opened.page
    wait_state(page, "running")
    best = min(pace(page) for _ in range(20))  # it learns how fast it is
    before = page.evaluate("bodylens.stats().step")  # 0, unless something else here has made it slow meanwhile
    (engine,) = (worker for worker in page.workers if worker.url.endswith("engine/worker.js"))
    engine.evaluate("(ms) => { globalThis.slowness = ms; }", max(30, best))
    until(page, f"bodylens.stats().pace > 2 * {best}")
    step = until(page, f"bodylens.stats().step > {before} && bodylens.stats().step", seconds=240)
    given = f"{320 if step == 2 else 480} × {240 if step == 2 else 360}, {15 if step == 2 else 20} pictures a second"
    page.locator("#notice", has_text=f"so the camera gives less: {given}").wait_for(state="attached")
    engine.evaluate("globalThis.slowness = 0")
    until(page, "[0, 480, 320][bodylens.stats().step] === bodylens.latest().frame.width")
    assert page.evaluate("bodylens.latest().frame.height") in (360, 240)
    assert page.evaluate("document.documentElement.dataset.state") == "running"

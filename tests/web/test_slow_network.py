"""On a slow network: the page opens whole, always says how far it is, and takes patience for no fault."""

from urllib.parse import urlsplit

import pytest
from slow_link import SlowLink
from waiting import until

# Four times a second, what a person sees while they wait; each entry is [ms, state, told, message].
WATCH = """
globalThis.seen = [];
setInterval(() => {
  const shown = (id) => {
    const element = document.getElementById(id);
    return element?.checkVisibility() ? element.innerText : "";
  };
  const said = document.querySelector("#progress-parts") ? shown("progress") : "";
  const bars = [...document.querySelectorAll("#progress-parts progress")].map((bar) => bar.value).join(" ");
  const { state } = document.documentElement.dataset;
  seen.push([performance.now(), state, said && `${said} ${bars}`, shown("message-card")]);
}, 250);
"""
# Seconds, on a fast machine: what takes its time on a fast network as well is let off.
SOON = 10  # until something is told
QUIET = 10  # in which nothing may move before a person takes it for stuck
PATIENCE = 500


@pytest.fixture(scope="module")
def link(start_served):
    """Give a slow link to a server of our own."""
    served = start_served("--models", "selfie-general", "blazepose-full")
    with SlowLink(urlsplit(served.address).port) as link:
        yield link


def longest_quiet(seen):
    """Give the longest time, in seconds, in which what was told did not change."""
    longest, since = 0, seen[0]
    for entry in seen:
        if entry[2] != since[2]:
            since = entry
        longest = max(longest, entry[0] - since[0])
    return longest / 1000


@pytest.fixture
def own_time(visit, wait_state, link):
    """Measure how many seconds a first visit takes without the slow link: so much is this machine's own."""

    def own_time():
        page = visit("?source=sample&backend=wasm", at=f"http://localhost:{link.port}/").page
        wait_state(page, "running")
        return page.evaluate("bodylens.stats().startup.firstResult") / 1000

    return own_time


def test_a_first_visit_opens_whole_and_says_all_the_while_how_far_it_is(visit, wait_state, link, own_time):
    before = own_time()
    opened = visit("?source=sample&backend=wasm", at=f"{link.address}/", script=WATCH)
    page = opened.page
    wait_state(page, "running", timeout=PATIENCE)
    assert page.evaluate("bodylens.latest().people[0].score") > 0.5
    waiting = [entry for entry in page.evaluate("seen") if entry[1] == "loading"]
    started = next(index for index, entry in enumerate(waiting) if entry[2])
    own = max(before, own_time())
    soon, quiet = waiting[started][0] / 1000, longest_quiet(waiting[started:])
    print(f"\ntold after {soon:.1f} s, at most {quiet:.1f} s quiet; of that up to {own:.1f} s are this machine's own")
    assert soon < SOON + own, "something is told soon"
    assert all(told for _, _, told, _ in waiting[started:]), "and until the picture is there"
    assert not [message for *_, message in waiting if message]
    assert quiet < QUIET + own
    assert not opened.errors
    seconds = page.evaluate("bodylens.stats().startup.firstResult") / 1000
    print(f"\n{link.down.carried / 1e6:.1f} MB, first mask after {seconds:.0f} s (with whatever else ran here)")


def test_another_model_in_mid_run_may_take_its_time(visit, wait_state, link):
    # The second visit of a person: all but the other model is here already.
    first = visit("?source=sample&backend=wasm", at=f"{link.address}/")
    wait_state(first.page, "running", timeout=PATIENCE)
    second = visit("?source=camera&backend=wasm", at=f"{link.address}/", again=first, script=WATCH)
    page = second.page
    wait_state(page, "running", timeout=PATIENCE)
    page.select_option("select[name=model]", "blazepose-full")
    error = "document.documentElement.dataset.state === 'error'"
    until(page, f"bodylens.latest()?.people[0]?.keypoints.length || {error}", seconds=PATIENCE)
    assert second.state != "error", page.inner_text("#message-card")
    assert not [message for *_, message in page.evaluate("seen") if message]

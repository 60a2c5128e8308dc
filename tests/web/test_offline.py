"""What is kept on the device: shown, completed, stopped, refused for want of room, and removed."""

import re

import pytest

SAMPLE = "?source=sample&effect=cutout&backend=wasm"
# What estimate() said a moment ago is not what is free when the file is written.
LITTLE = "StorageManager.prototype.estimate = async () => ({ quota: 5e6, usage: 3e6 })"
PLENTY = "StorageManager.prototype.estimate = async () => ({ quota: 1e12, usage: 0 })"

KEPT = """async () => {
  const names = [];
  for (const name of await caches.keys()) {
    for (const { url } of await (await caches.open(name)).keys()) names.push(url);
  }
  return names;
}"""


def status(page, text):
    """Wait for what the section says last."""
    page.locator("#offline-status", has_text=text).wait_for()


@pytest.fixture
def running(visit, wait_state, host):
    """Give a page that runs the sample, and has kept what that needs and what a person's own code may need."""
    page = visit(SAMPLE, at=host.address).page
    wait_state(page, "running")
    page.wait_for_selector("html[data-kept=yes]", state="attached", timeout=120_000)
    page.locator("#offline-kept", has_text="general").wait_for()
    return page


@pytest.fixture
def limit_storage(host):
    """Limit what the browser grants the host's origin, in bytes."""

    def limit_storage(page, size):
        origin = host.address.removesuffix("/below/a%20path/")
        page.context.new_cdp_session(page).send("Storage.overrideQuotaForOrigin", {"origin": origin, "quotaSize": size})

    return limit_storage


def test_the_section_says_what_is_kept_and_what_the_rest_takes(running):
    said = running.inner_text("#offline-kept")
    assert re.fullmatch(r"Kept for visits without a network: 4\d MB, with .*Selfie.*general.*\.", said), said
    assert "landscape" not in said
    assert re.fullmatch(r"Keep all models on this device \(\d+ MB\)", running.inner_text("#offline-keep"))


def test_with_all_models_kept_a_model_never_used_before_works_without_a_network(running, wait_state, host):
    running.click("#offline-keep")
    status(running, "All models work without a network now")
    assert running.locator("#offline-keep").is_hidden(), "nothing is missing"
    assert "landscape" in running.inner_text("#offline-kept")
    host.stop()
    running.goto(host.address + SAMPLE + "&model=selfie-landscape")
    wait_state(running, "running")
    assert running.evaluate("bodylens.latest() !== null")


def test_it_can_be_stopped_and_what_came_is_kept(visit, wait_state, slow_host):
    page = visit(at=slow_host.address).page
    page.locator("#offline-keep").wait_for()
    page.click("#offline-keep")
    page.locator("#offline-progress", has_text="file 1 of").wait_for()
    page.locator("#offline-keep", has_text="Stop").click()
    status(page, "Stopped. What was loaded so far is kept.")
    assert page.inner_text("#offline-keep").startswith("Keep all models on this device")
    slow_host.opened.set()
    wait_state(page, "ready")


def test_it_says_how_much_of_a_large_file_has_come(visit, wait_state, halving_host):
    page = visit(at=halving_host.address).page
    page.locator("#offline-keep").wait_for()
    page.click("#offline-keep")
    # Half of the first file is here, and the other half is held back.
    said = page.locator("#offline-progress", has_text=re.compile(r"0\.[1-9] MB of \d+ MB \(\d %\), file 1 of \d+"))
    said.wait_for()
    assert 0 < page.evaluate("document.querySelector('#offline-bar').value") < 0.1
    assert page.locator("#offline-keep", has_text="Stop").is_visible()
    halving_host.opened.set()
    status(page, "All models work without a network now")
    assert page.inner_text("#offline-progress") == ""
    wait_state(page, "ready")


def test_what_does_not_fit_is_said_before_anything_is_loaded(visit, host):
    page = visit(at=host.address, script=LITTLE).page
    page.locator("#offline-keep").wait_for()
    before = len(host.sent)
    page.click("#offline-keep")
    status(page, "and the browser gives this site 2.0 MB: free some space on this device, try again.")
    assert not [path for path, _ in host.sent[before:] if "jspi" in path]
    assert page.locator("#offline-keep").is_enabled()


def test_a_disk_that_fills_up_meanwhile_is_one_sentence_and_the_picture_goes_on(visit, wait_state, host, limit_storage):
    page = visit(SAMPLE, at=host.address, script=PLENTY).page
    wait_state(page, "running")
    page.locator("#offline-keep").wait_for()
    limit_storage(page, 1_000_000)
    page.click("#offline-keep")
    status(page, "and the browser gives this site no more: free some space on this device, try again.")
    wait_state(page, "running")


def test_without_a_network_it_says_that_the_rest_must_wait(running, host):
    host.stop()
    running.click("#offline-keep")
    status(running, "is not on this device, and the site cannot be reached.")
    assert running.inner_text("#offline-keep").startswith("Keep all models on this device")


def test_what_is_kept_can_be_removed_and_comes_again(running, wait_state, host):
    running.click("#offline-remove")
    status(running, "Removed: what you use next is loaded again.")
    kept = running.evaluate(KEPT)
    assert [url for url in kept if "/app/" in url], "the page itself stays"
    assert not [url for url in kept if re.search("/(pyodide|ort|models/selfie)", url)]
    assert running.locator("#offline-remove").is_hidden()
    running.reload()
    wait_state(running, "running")
    assert [url for url in running.evaluate(KEPT) if url.endswith("pyodide.asm.wasm")]

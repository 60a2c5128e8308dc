"""The static site on a host that knows nothing of it: private, isolated, offline; or what it says instead."""

import gzip
import json
import shutil

import pytest
from waiting import until

from bodylens_server import checkout

# Decodes the drawn picture and gives the share of it that is transparent.
DRAWN = """async () => {
  const bitmap = await createImageBitmap(await bodylens.snapshot());
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const data = context.getImageData(0, 0, width, height).data;
  let clear = 0;
  for (let i = 3; i < data.length; i += 4) clear += data[i] < 128;
  return clear / (width * height);
}"""

FETCH = """async (address) => {
  try {
    return (await fetch(address, { mode: "no-cors" })).type;
  } catch (error) {
    return error.name;
  }
}"""

SAMPLE = "?source=sample&effect=cutout&backend=wasm"
NO_SERVICE_WORKERS = "delete Navigator.prototype.serviceWorker"
LOADS = "sessionStorage.loads = Number(sessionStorage.loads ?? 0) + 1"


def cut_out(page):
    """Say which part of the picture is transparent: with the sample's person cut out, about half."""
    return page.evaluate(DRAWN)


def test_a_first_visit_ends_private_isolated_and_with_a_mask(visit, wait_state, host):
    opened = visit(SAMPLE, at=host.address, script=LOADS)
    page = opened.page
    wait_state(page, "running")
    assert 0.2 < cut_out(page) < 0.8
    assert page.evaluate("sessionStorage.loads") == "2", "it loads anew once"
    assert page.evaluate("crossOriginIsolated") is True
    assert page.evaluate("bodylens.stats().threads") > 1
    assert page.inner_text("#privacy-badge") == "Private: nothing left this device"
    assert page.locator("#unprotected").is_hidden()
    assert opened.errors == []


def test_a_first_visit_to_a_host_that_compresses_nothing_loads_gzipped_files_once(visit, wait_state, host, built):
    page = visit(SAMPLE, at=host.address).page
    wait_state(page, "running")
    large = [(path, size) for path, size in host.sent if size > 100_000]
    assert len(set(large)) == len(large), "nothing heavy comes twice"
    python = [path for path, _ in large if "/pyodide/" in path]
    assert {path.rsplit("/", 1)[1] for path in python} >= {"pyodide.asm.wasm.gz", "python_stdlib.zip.gz"}
    assert not [path for path, _ in large if path.endswith((".wasm", ".whl", ".zip", ".mjs"))]
    plain = sum(path.stat().st_size for path in built.glob("**/pyodide/**/*") if path.suffix != ".gz")
    packed = sum(size for path, size in host.sent if "/pyodide/" in path)
    assert packed < 0.45 * plain
    # What comes inflated out of the service worker is still wasm that compiles while it streams.
    told = page.evaluate(
        """async () => {
          const { pyodide } = JSON.parse(document.querySelector('meta[name="bodylens:site"]').content);
          const response = await fetch(new URL(pyodide + "pyodide.asm.wasm", document.baseURI));
          return [response.headers.get("content-type"), response.headers.get("content-encoding"),
            Number(response.headers.get("content-length")) === (await response.arrayBuffer()).byteLength];
        }"""
    )
    assert told == ["application/wasm", None, True]


def test_a_host_that_inflates_gzipped_files_by_itself_is_trusted_no_less(visit, wait_state, inflating_host):
    opened = visit(SAMPLE, at=inflating_host.address)
    wait_state(opened.page, "running")
    assert any(path.endswith("pyodide.asm.wasm.gz") for path, _ in inflating_host.sent)
    assert opened.page.locator("#privacy-open").is_visible()
    assert opened.errors == []


def test_a_changed_gzipped_file_is_refused_for_the_plain_one(visit, wait_state, host, changed):
    changed("**/pyodide/*/pyodide.asm.wasm.gz", gzip.compress(b"another program"))
    page = visit(SAMPLE, at=host.address).page
    wait_state(page, "running")
    assert any(path.endswith("pyodide.asm.wasm") for path, _ in host.sent)


def test_neither_the_page_nor_its_workers_can_fetch_from_elsewhere(visit, wait_state, host):
    page = visit(SAMPLE, at=host.address).page
    wait_state(page, "running")
    elsewhere = host.address.replace("localhost", "127.0.0.1")
    workers = [worker for worker in page.workers if worker.url.endswith(("/engine/worker.js", "/python/worker.js"))]
    assert len(workers) == 2
    for world in [page, *workers]:
        assert world.evaluate(FETCH, elsewhere) == "TypeError"
        assert world.evaluate(FETCH, host.address) == "basic"
    assert all(worker.evaluate("crossOriginIsolated") for worker in workers)


def test_after_one_visit_it_works_with_the_host_switched_off(visit, wait_state, host):
    page = visit(SAMPLE, at=host.address).page
    wait_state(page, "running")
    host.stop()
    page.reload()
    wait_state(page, "running")
    assert 0.2 < cut_out(page) < 0.8
    assert page.evaluate("crossOriginIsolated") is True


def test_after_one_visit_a_persons_python_has_all_its_libraries_with_the_host_switched_off(visit, wait_state, host):
    page = visit(SAMPLE, at=host.address).page
    wait_state(page, "running")
    page.wait_for_selector("html[data-kept=yes]", state="attached", timeout=120_000)
    host.stop()
    program = """
        import json, xml.dom.minidom, numpy as np
        text = xml.dom.minidom.parseString("<a><b/></a>").documentElement.firstChild.tagName
        json.dumps([text, np.fft.fft([1.0, 0.0]).real.tolist(), np.random.default_rng(0).random(3).shape])
    """
    assert json.loads(page.evaluate("(code) => bodylens.python(code)", program)) == ["b", [1, 1], [3]]


def test_after_each_reload_past_all_caches_the_page_comes_back_under_protection_by_itself(visit, wait_state, host):
    page = visit(at=host.address).page
    wait_state(page, "ready")
    tools = page.context.new_cdp_session(page)
    for _ in range(4):
        page.evaluate("document.documentElement.dataset.before = 'yes'")
        tools.send("Page.reload", {"ignoreCache": True})
        shown = page.locator("html:not([data-before])").locator("#privacy-open, #unprotected")
        shown.filter(visible=True).wait_for()
        assert page.locator("#unprotected").is_hidden()
        assert page.evaluate("[crossOriginIsolated, navigator.serviceWorker.controller !== null]") == [True, True]
        wait_state(page, "ready")


def test_without_service_workers_it_says_so_and_goes_on_with_one_thread(visit, wait_state, host):
    opened = visit(SAMPLE, at=host.address, script=NO_SERVICE_WORKERS)
    page = opened.page
    wait_state(page, "running")
    assert 0.2 < cut_out(page) < 0.8
    assert page.inner_text("#unprotected") == (
        "Your browser does not enforce here that nothing leaves this device (this browser offers no service worker "
        "here); bodylens itself still sends nothing."
    )
    assert page.locator("#privacy-open").is_hidden(), "no promise that is not kept"
    assert page.evaluate("crossOriginIsolated") is False
    assert page.evaluate("bodylens.stats().threads") == 1
    assert any(path.endswith("ort-wasm-simd-threaded.wasm.gz") for path, _ in host.sent), "too large, the page inflates"


def test_a_service_worker_that_never_takes_over_costs_a_few_reloads(visit, wait_state, host):
    never = f"{LOADS}; Object.defineProperty(ServiceWorkerContainer.prototype, 'controller', {{ value: null }})"
    page = visit(at=host.address, script=never).page
    wait_state(page, "ready")
    # The first reload isolates this page all the same, and what isolates it starts a new count: see protection.js.
    assert page.evaluate("sessionStorage.loads") == "4"
    assert "the service worker does not reach this page" in page.inner_text("#unprotected")
    assert page.locator("#privacy-open").is_hidden()


def test_nothing_is_switched_on_before_the_service_worker_is_there(visit, host):
    waits = "ServiceWorkerContainer.prototype.register = () => new Promise(() => undefined)"
    asked = "MediaDevices.prototype.getUserMedia = () => { sessionStorage.asked = 'yes' }"
    page = visit("?source=camera", at=host.address, script=f"{waits}; {asked}").page
    page.wait_for_timeout(1000)
    page.locator("input[name=source][value=camera]").dispatch_event("click")
    assert page.evaluate("[document.documentElement.dataset.state, sessionStorage.asked ?? 'no']") == ["loading", "no"]
    assert page.locator("#privacy-open").is_hidden()
    assert page.workers == []


@pytest.fixture
def changed(built):
    """Change a file of the built site, and put it back afterwards."""
    before = {}

    def change(pattern, content):
        (path,) = built.glob(pattern)
        before[path] = path.read_bytes()
        path.write_bytes(content)

    yield change
    for path, content in before.items():
        path.write_bytes(content)


def test_a_changed_file_of_the_page_is_refused_and_the_promise_not_given(visit, wait_state, host, changed):
    changed("**/app/*/page/world.js", b"export class World {}")
    page = visit(at=host.address).page
    wait_state(page, "ready")
    assert "the service worker could not be installed" in page.inner_text("#unprotected")
    assert page.locator("#privacy-open").is_hidden()


def test_a_changed_model_is_refused(visit, host, changed):
    changed("**/models/selfie-general.*.onnx", b"other weights")
    changed("**/models/selfie-general.*.onnx.gz", gzip.compress(b"other weights"))
    page = visit(SAMPLE, at=host.address).page
    page.wait_for_selector('html[data-state="error"]', state="attached")
    assert "the server said 502" in page.inner_text("#message-card")


def test_a_form_of_a_model_that_the_site_was_built_without_is_named_with_the_way_to_have_it(visit, host):
    page = visit(f"{SAMPLE}&model=movenet-multipose&multi_pose_max_dimension=192", at=host.address).page
    page.wait_for_selector('html[data-state="error"]', state="attached", timeout=60000)
    assert (
        "The model movenet-multipose+any-size is not on this site, which was built without it: "
        "`bodylens build OUT --models movenet-multipose movenet-multipose+any-size` has it."
    ) in page.inner_text("#message-card")


def test_it_can_be_installed_as_an_application(visit, wait_state, host):
    page = visit(at=host.address).page
    wait_state(page, "ready")
    told = page.context.new_cdp_session(page).send("Page.getAppManifest")
    assert told["errors"] == []
    assert told["url"].startswith(host.address + "app/")
    assert json.loads(told["data"])["name"] == "bodylens"
    problems = page.context.new_cdp_session(page).send("Page.getInstallabilityErrors")["installabilityErrors"]
    # Playwright's contexts are private windows, in which nothing can be installed.
    assert [problem["errorId"] for problem in problems] in ([], ["in-incognito"])


def test_opened_as_a_file_it_says_what_to_do(visit, built):
    (path,) = built.glob("**/index.html")
    sentence = visit(at=path.as_uri()).page.locator("#opened-as-file")
    sentence.wait_for()
    assert sentence.inner_text() == (
        "Browsers run no such program from a file: run python -m http.server in this folder, then open "
        "http://localhost:8000."
    )


@pytest.fixture
def publish(built, start_host, write_site, tmp_path):
    """Copy the built site to a host of its own, where `publish(program)` puts a later version in its place."""
    source = tmp_path / "web"
    shutil.copytree(checkout.WEB, source, ignore=shutil.ignore_patterns("node_modules", "wheels"))
    folder = tmp_path / "host"
    shutil.copytree(built, folder)

    def publish(content):
        (source / "page" / "later.js").write_text(content)
        write_site(folder, source)

    publish.host = start_host(folder)
    return publish


def test_a_new_version_takes_over_whole_and_leaves_nothing_of_the_old(visit, wait_state, publish):
    address = publish.host.address
    first = visit(SAMPLE, at=address)
    wait_state(first.page, "running")
    first.page.wait_for_selector("html[data-kept=yes]", state="attached", timeout=120_000)
    names = "caches.keys()"
    program = "document.querySelector('script[type=module]').src"
    (old,) = first.page.evaluate(names)
    before = first.page.evaluate(program)
    publish("// a later version")
    # This visit is still the old version, whole; meanwhile the browser installs the new one beside it.
    second = visit(SAMPLE, at=address, again=first)
    wait_state(second.page, "running")
    assert second.page.evaluate(program) == before
    second.page.locator("#new-version").wait_for()
    third = second
    for _ in range(10):  # a worker goes on for a moment after its last page, and with it the old version
        for visited in (first, third):
            visited.page.close()
        third = visit(SAMPLE, at=address, again=first)
        wait_state(third.page, "running")
        if third.page.evaluate(program) != before:
            break
    assert third.page.evaluate(program) != before
    until(third.page, "caches.keys().then((names) => names.length === 1)")
    assert third.page.evaluate(names) != [old]
    fetched = [request.url for request in third.requests if request.service_worker]
    assert not [url for url in fetched if "/ort/" in url or "/pyodide/" in url], "what did not change is not fetched"
    assert third.errors == []


def test_a_new_version_is_used_at_once_where_a_person_wishes_so_and_only_there(visit, wait_state, publish):
    address = publish.host.address
    program = "document.querySelector('script[type=module]').src"
    other = visit(SAMPLE, at=address)
    wait_state(other.page, "running")
    before = other.page.evaluate(program)
    publish("// a later version")
    page = visit(SAMPLE, at=address, again=other).page
    wait_state(page, "running")
    page.locator("#new-version").wait_for()
    assert page.evaluate(program) == before, "nobody has asked for it yet"
    with page.expect_navigation():
        page.click("#new-version-use")
    wait_state(page, "running")
    assert page.evaluate(program) != before
    assert page.locator("#new-version").is_hidden()
    # The other tab goes on with the version before, and still has what belongs to it.
    other.page.locator("#new-version-text", has_text="Another tab uses a new version").wait_for()
    assert other.state == "running"
    assert other.page.evaluate(program) == before
    assert other.page.evaluate(FETCH, before) == "basic"
    assert len(page.evaluate("caches.keys()")) == 2
    other.page.close()
    page.reload()
    wait_state(page, "running")
    until(page, "caches.keys().then((names) => names.length === 1)")

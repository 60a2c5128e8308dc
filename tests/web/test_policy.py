"""What the headers do in a real browser: threads work, nothing gets out, and a second visit downloads nothing."""

SITE = "JSON.parse(document.querySelector('meta[name=\"bodylens:site\"]').content)"

THREADS = f"""async () => {{
  const site = {SITE};
  const base = new URL(site.ort, document.baseURI).href;
  const ort = await import(base + "ort.wasm.min.mjs");
  Object.assign(ort.env.wasm, {{ numThreads: 2, wasmPaths: base }});
  const catalogue = new URL(site.catalogue, document.baseURI);
  const spec = (await (await fetch(catalogue)).json()).find((model) => model.name === "selfie-general");
  const weights = await (await fetch(new URL(spec.url, catalogue))).arrayBuffer();
  const session = await ort.InferenceSession.create(new Uint8Array(weights), {{ executionProviders: ["wasm"] }});
  const size = spec.input.height * spec.input.width * 3;
  const shape = [1, 3, spec.input.height, spec.input.width];
  const output = await session.run({{ [spec.input.name]: new ort.Tensor("float32", new Float32Array(size), shape) }});
  return output[spec.outputs.mask.name].data.length;
}}"""

FETCH = """async (address) => {
  try {
    return (await fetch(address, { mode: "no-cors" })).type;
  } catch (error) {
    return error.name;
  }
}"""


def elsewhere(server):
    """Give the same server by another name: for a browser that is another origin."""
    return server.replace("localhost", "127.0.0.1") + "/health"


def test_threads_of_onnxruntime_run_under_the_policy(visit):
    opened = visit(program=False)
    opened.errors.clear()  # that of the program which was not loaded
    before = len(opened.page.workers)
    assert opened.page.evaluate(THREADS) == 256 * 256
    assert len(opened.page.workers) == before + 1, "the second thread is a worker"
    assert opened.errors == []


def test_the_page_can_fetch_nothing_from_elsewhere(page, server):
    assert page.evaluate(FETCH, elsewhere(server)) == "TypeError"
    assert page.evaluate(FETCH, "/health") == "basic"


def test_a_worker_can_fetch_nothing_from_elsewhere(page, server):
    script = f'new Worker(new URL({SITE}.app + "engine/worker.js", document.baseURI), {{ type: "module" }})'
    with page.expect_worker() as started:
        page.evaluate(f"() => void (globalThis.kept = {script})")
    worker = started.value
    assert worker.evaluate(FETCH, elsewhere(server)) == "TypeError"
    assert worker.evaluate(FETCH, "/health") == "basic"
    assert worker.evaluate("crossOriginIsolated") is True


def test_inline_scripts_pictures_from_elsewhere_and_forms_are_refused(page, server):
    told = page.evaluate(
        """async (address) => {
          const refused = [];
          document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
          const script = document.createElement("script");
          script.textContent = "globalThis.ran = true";
          const picture = new Image();
          picture.src = address;
          const form = document.createElement("form");
          form.action = address;
          document.body.append(script, picture, form);
          form.submit();
          const told = () => new Set(refused).size;
          for (let i = 0; i < 600 && told() < 3; i++) await new Promise((resolve) => setTimeout(resolve, 100));
          return { refused, ran: globalThis.ran ?? false };
        }""",
        elsewhere(server),
    )
    assert told["ran"] is False
    assert {"script-src-elem", "img-src", "form-action"} <= set(told["refused"])


def test_the_page_is_isolated_which_threads_need(page):
    assert page.evaluate("crossOriginIsolated") is True


# Fetches a few hashed files, from a page without any program, and tells what each cost on the wire.
COST = """async () => {
  const text = await (await fetch("/")).text();
  const front = new DOMParser().parseFromString(text, "text/html");
  const site = JSON.parse(front.querySelector('meta[name="bodylens:site"]').content);
  const files = [site.app + "page/main.js", site.ort + "ort.wasm.min.mjs", site.pyodide + "pyodide.asm.mjs"];
  for (const file of [...files, site.catalogue]) await (await fetch("/" + file)).arrayBuffer();
  const entries = performance.getEntriesByType("resource").filter((entry) => /[/][0-9a-f]{8}[/]/.test(entry.name));
  return Object.fromEntries(entries.map((entry) => [entry.name, entry.transferSize]));
}"""


def test_a_second_visit_downloads_nothing_again(visit):
    first = visit("health")
    before = first.page.evaluate(COST)
    assert len(before) == 4
    assert all(cost > 0 for cost in before.values())
    after = visit("health", again=first).page.evaluate(COST)
    assert after == dict.fromkeys(before, 0)

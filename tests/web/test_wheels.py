"""The served Python in a real browser: numpy computes right there too, and nothing but our files is asked for."""

import json
from pathlib import Path

NUMBERS = (Path(__file__).parents[1] / "server" / "numpy_checks.py").read_text()

RUN = """async (program) => {
  const site = JSON.parse(document.querySelector('meta[name="bodylens:site"]').content);
  const base = new URL(site.pyodide, document.baseURI).href;
  const { loadPyodide } = await import(base + "pyodide.mjs");
  const python = await loadPyodide({ indexURL: base });
  await python.loadPackage(["numpy", "bodylens"], { checkIntegrity: true });
  return python.runPython(program);
}"""


def test_our_numpy_computes_right_in_the_browser(visit, server):
    opened = visit(program=False)
    told = json.loads(opened.page.evaluate(RUN, NUMBERS))
    assert told["version"] == "2.4.6"
    assert "mismatch" in told["told"]
    assert [request.url for request in opened.requests if not request.url.startswith(server + "/")] == []

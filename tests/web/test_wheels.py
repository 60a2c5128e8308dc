"""The served Python in a real browser: numpy computes right there too, and nothing but our files is asked for."""

import json
from pathlib import Path

NUMBERS = (Path(__file__).parents[1] / "server" / "numpy_checks.py").read_text()


def test_our_numpy_computes_right_in_the_browser(visit, wait_state, server):
    opened = visit()
    wait_state(opened.page, "ready")
    told = json.loads(opened.page.evaluate("(code) => bodylens.python(code)", NUMBERS))
    assert told["version"] == "2.4.6"
    assert "mismatch" in told["told"]
    # What only a person's code needs came when it was asked for.
    assert [request.url for request in opened.requests if "_later" in request.url]
    assert [request.url for request in opened.requests if not request.url.startswith(server + "/")] == []

"""What a long run keeps: after each garbage collection the page and its workers hold as much as before."""

import json

import pytest
from waiting import until

WARM, MORE = 160, 120  # frames: until all is compiled, and those that are watched
# Bytes that may be there after MORE frames and were not before. The page gets a few hundred numbers a frame, the engine
# tensors and masks of 260 kB; what their own code and measurements keep goes up and down by some 0.5 MB.
BOUNDS = {"page": 120_000, "engine": 2_500_000, "python": 1_500_000}


class Heaps:
    """The memory of a page and its workers, over Chromium's debugging protocol."""

    def __init__(self, page):
        self.page = page
        self.session = page.context.new_cdp_session(page)
        self.workers = []
        self.answers = {}
        self.session.on("Target.attachedToTarget", lambda event: self.workers.append(event["sessionId"]))
        self.session.on("Target.receivedMessageFromTarget", self.hear)
        self.session.send(
            "Target.setAutoAttach", {"autoAttach": True, "waitForDebuggerOnStart": False, "flatten": False}
        )

    def hear(self, event):
        message = json.loads(event["message"])
        if "id" in message:
            self.answers[message["id"]] = message["result"]

    def ask(self, worker, method, **params):
        number = len(self.answers) + 1
        message = json.dumps({"id": number, "method": method, "params": params})
        self.session.send("Target.sendMessageToTarget", {"sessionId": worker, "message": message})
        while number not in self.answers:
            self.page.wait_for_timeout(10)
        return self.answers[number]

    def read(self):
        """Collect garbage, and give the bytes held by name: objects and the buffers that they hold."""
        self.session.send("HeapProfiler.collectGarbage")
        held = {"page": self.session.send("Runtime.getHeapUsage")["usedSize"]}
        for worker in self.workers:
            self.ask(worker, "HeapProfiler.collectGarbage")
            usage = self.ask(worker, "Runtime.getHeapUsage")
            name = self.ask(worker, "Runtime.evaluate", expression="self.name")["result"].get("value")
            held[name] = usage["usedSize"] + usage.get("backingStorageSize", 0)
        return held


@pytest.mark.parametrize("model", ["selfie-general", "blazepose-lite"])
def test_frame_after_frame_leaves_nothing_behind(visit, wait_state, model):
    page = visit(f"?source=camera&model={model}&backend=wasm").page
    wait_state(page, "running")
    heaps = Heaps(page)
    until(page, f"bodylens.stats().frames?.out > {WARM}", seconds=600)
    before = heaps.read()
    assert before.keys() >= BOUNDS.keys()
    until(page, f"bodylens.stats().frames.out > {WARM + MORE}", seconds=600)
    after = heaps.read()
    grown = {name: after[name] - before[name] for name in BOUNDS}
    print(f"{model}: bytes more after {MORE} frames: {grown}")
    assert all(grown[name] < bound for name, bound in BOUNDS.items()), grown

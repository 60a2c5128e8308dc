"""What a page has drawn, for the tests that look at it."""

import base64

import cv2
import numpy as np


def snapshot(page):
    """Give what is drawn as (h, w, 3|4) uint8."""
    text = page.evaluate(
        """async () => {
          const blob = await bodylens.snapshot();
          const bytes = new Uint8Array(await blob.arrayBuffer());
          return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
        }"""
    )
    image = cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_UNCHANGED)
    return cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA if image.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def frames_out(page, count, timeout=240):
    """Wait until so many frames were drawn since the engine's start."""
    page.evaluate(
        """([count, timeout]) => new Promise((resolve, reject) => {
          const end = performance.now() + 1000 * timeout;
          const look = () => {
            if ((bodylens.stats().frames?.out ?? 0) >= count) resolve();
            else if (performance.now() > end) reject(new Error(`only ${bodylens.stats().frames?.out} frames`));
            else requestAnimationFrame(look);
          };
          look();
        })""",
        [count, timeout],
    )
    return page.evaluate("bodylens.stats()")

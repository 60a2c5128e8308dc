// Keeps the screen awake while somebody watches themselves, where the browser can.

export class WakeLock {
  #wanted = false;
  #asking = false;
  /** @type {WakeLockSentinel | null} */
  #lock = null;

  /** @param {boolean} wanted whether the screen is to stay on; the browser itself lets go when the page is hidden */
  keep(wanted) {
    this.#wanted = wanted;
    if (wanted) void this.#take();
    else {
      this.#lock?.release().catch(() => undefined);
      this.#lock = null;
    }
  }

  get held() {
    return this.#lock !== null && !this.#lock.released;
  }

  async #take() {
    if (this.held || this.#asking || !("wakeLock" in navigator) || document.hidden) return;
    this.#asking = true;
    try {
      const lock = await navigator.wakeLock.request("screen");
      if (this.#wanted) this.#lock = lock;
      else await lock.release(); // no longer wanted meanwhile
    } catch {
      // A battery that is nearly empty, or a policy: the screen then goes off as it always does.
    } finally {
      this.#asking = false;
    }
  }
}

// Counts the bytes of what a worker downloads, without touching what is downloaded.

/**
 * Wraps this worker's fetch so that progress can be shown, on a first visit. A clone is counted and the response itself
 * goes on as it came, so that the browser may still compile wasm while it streams; but it then has no use for the
 * compiled code that it kept, which on later visits is worth more than a progress bar.
 * @param {(loaded: number, total: number) => void} report bytes of all downloads so far, after content decoding;
 *   the total grows as downloads begin
 */
export function countDownloads(report) {
  const plain = globalThis.fetch;
  let loaded = 0;
  let total = 0;
  globalThis.fetch = async (...args) => {
    const response = await plain(...args);
    if (!response.ok || !response.body) return response;
    // The server says the decoded length, for content-length is that of the encoded body.
    const length = Number(response.headers.get("x-decoded-length") ?? response.headers.get("content-length") ?? 0);
    total += length;
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.clone().body).getReader();
    void (async () => {
      let read = 0;
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        read += value.length;
        loaded += value.length;
        report(loaded, Math.max(total, loaded));
      }
      total += read - length;
      report(loaded, total);
    })().catch(() => undefined); // whoever asked for it hears of the failure
    return response;
  };
}

/** Bytes of everything that this worker has downloaded or found in the browser's cache, decoded. */
export function downloaded() {
  const resources = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByType("resource"));
  return resources.reduce((sum, { decodedBodySize }) => sum + decodedBodySize, 0);
}

/** Remembers the wasm memories that this worker makes, so that their sizes can be told. */
export function countMemories() {
  /** @type {WebAssembly.Memory[]} */
  const made = [];
  const Memory = WebAssembly.Memory;
  WebAssembly.Memory = class extends Memory {
    /** @param {WebAssembly.MemoryDescriptor} descriptor */
    constructor(descriptor) {
      super(descriptor);
      made.push(this);
    }
  };
  return () => made.reduce((sum, memory) => sum + memory.buffer.byteLength, 0);
}

// Python's memory after start-up, kept on this device: reading it back takes a tenth of starting afresh.

/** One file a version of Pyodide, in the origin's private file system. */
export class Snapshot {
  /** @param {string} address of the Pyodide that it belongs to */
  constructor(address) {
    this.name = `python-${address.split("/").filter(Boolean).at(-1)}.snapshot`;
  }

  /** @returns {Promise<ArrayBuffer | null>} null where there is none, or this browser keeps no files */
  async read() {
    try {
      const folder = await navigator.storage.getDirectory();
      const file = await (await folder.getFileHandle(this.name)).getFile();
      return file.size ? await file.arrayBuffer() : null;
    } catch {
      return null; // the first visit, a private window, a full disk: Python starts afresh
    }
  }

  /**
   * Keeps a snapshot, and none of an older version.
   * @param {Uint8Array} memory
   */
  async write(memory) {
    try {
      const folder = await navigator.storage.getDirectory();
      for await (const name of folder.keys()) {
        if (name.endsWith(".snapshot") && name !== this.name) await folder.removeEntry(name);
      }
      const handle = await folder.getFileHandle(this.name, { create: true });
      const stream = await handle.createWritable(); // it appears whole or not at all
      await stream.write(/** @type {Uint8Array<ArrayBuffer>} */ (memory));
      await stream.close();
    } catch {
      return; // nothing is lost but time on the next visit
    }
  }
}

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
      const bytes = /** @type {Uint8Array<ArrayBuffer>} */ (memory);
      // Either way it appears whole or not at all.
      if ("createWritable" in FileSystemFileHandle.prototype) await stream(folder, this.name, bytes);
      else await move(folder, this.name, bytes);
    } catch {
      return; // nothing is lost but time on the next visit
    }
  }
}

/** @param {FileSystemDirectoryHandle} folder @param {string} name @param {Uint8Array<ArrayBuffer>} bytes */
async function stream(folder, name, bytes) {
  const handle = await folder.getFileHandle(name, { create: true });
  const file = await handle.createWritable();
  await file.write(bytes);
  await file.close();
}

/**
 * The same where files have no streams, as in Safari before 26.
 * @param {FileSystemDirectoryHandle} folder @param {string} name @param {Uint8Array<ArrayBuffer>} bytes
 */
async function move(folder, name, bytes) {
  /** @type {any} */
  const handle = await folder.getFileHandle(`${name}.part`, { create: true });
  const file = await handle.createSyncAccessHandle();
  try {
    file.truncate(0);
    if (file.write(bytes) < bytes.length) return; // the device is full
    file.flush();
  } finally {
    file.close();
  }
  await handle.move(name);
}

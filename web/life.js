// What a worker shows of its life: a lock that it holds until it ends, whatever ends it.

/**
 * Holds a lock from now on, and says so once it has it; a browser without locks leaves it at that.
 * @param {string} lock @param {() => void} held
 */
export function holdForLife(lock, held) {
  void globalThis.navigator.locks?.request(lock, () => {
    held();
    return new Promise(() => undefined);
  });
}

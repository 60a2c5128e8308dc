// What a page needs of Python's standard library and of numpy at its start, and where the rest comes from.

/** What Pyodide, numpy and bodylens import: it is in the snapshot, and in the archive that a visit starts with. */
export const STANDARD =
  "import abc, ast, bisect, builtins, collections.abc, contextlib, copy, ctypes, dataclasses, datetime, difflib, " +
  "encodings.cp437, enum, functools, glob, inspect, itertools, json, math, numbers, operator, os, pathlib, pickle, " +
  "platform, random, re, shutil, struct, sys, tarfile, tempfile, textwrap, threading, types, typing, warnings, " +
  "weakref, zipfile, zipimport, importlib.metadata";

/** The archive of the rest. The other one lists its modules in `later.txt`: web/wheels/compile_archive.py. */
const LATER = "python_stdlib_later.zip";

/** The archive of what numpy itself imports only once it is asked for. */
export const NUMPY_LATER = "numpy_later.zip";

/** Python that gives a function, which takes another that fetches the archive. */
const FINDER = `
import importlib, io, sys, zipfile, zipimport
from importlib.machinery import PathFinder

ARCHIVE = next(path for path in sys.path if path.endswith(".zip"))

class Later:
    """Finds the modules that come later: the first of them that is imported brings them all."""

    def __init__(self, fetch):
        self.names = set(zipimport.zipimporter(ARCHIVE).get_data(ARCHIVE + "/later.txt").decode().split())
        self.fetch = fetch

    def find_spec(self, name, path=None, target=None):
        if name not in self.names:
            return None
        try:
            later = self.fetch().to_bytes()
        except Exception as error:
            why = "its part of the standard library is not on this device, and the site cannot be reached"
            raise ImportError(f"{name} cannot be loaded now: {why}", name=name) from error
        with zipfile.ZipFile(ARCHIVE, "a") as whole, zipfile.ZipFile(io.BytesIO(later)) as part:
            for entry in part.infolist():
                whole.writestr(entry, part.read(entry))
        self.names = set()
        importlib.invalidate_caches()
        return PathFinder.find_spec(name, path, target)

lambda fetch: sys.meta_path.insert(sys.meta_path.index(PathFinder) + 1, Later(fetch))
`;

/**
 * Has Python load the rest of its standard library when something of it is imported.
 * @param {any} python @param {(name: string) => Uint8Array} read gives a file of Pyodide's at once: an import cannot wait
 */
export function completeLater(python, read) {
  const locals = python.toPy({});
  const install = python.runPython(FINDER, { globals: locals });
  install(() => read(LATER));
  install.destroy();
  locals.destroy();
}

/**
 * Puts the rest of numpy beside what is loaded of it: not as a package, for it is none.
 * @param {any} python @param {ArrayBuffer | Uint8Array} archive
 */
export function completeNumpy(python, archive) {
  const extractDir = python.runPython("import site; site.getsitepackages()[0]");
  python.unpackArchive(archive, "zip", { extractDir });
}

/** A file that is not waited for. @param {string} address */
export function readNow(address) {
  const request = new XMLHttpRequest();
  request.open("GET", address, false);
  request.responseType = "arraybuffer";
  request.send();
  if (request.status !== 200) throw new Error(`The site said ${request.status}.`);
  return new Uint8Array(request.response);
}

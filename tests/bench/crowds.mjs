// Runs crowds.py in Pyodide under node: `node tests/bench/crowds.mjs`, after `npm ci` in web/.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const pyodideFolder = join(root, "web", "node_modules", "pyodide");
const { loadPyodide } = await import(join(pyodideFolder, "pyodide.mjs"));

const python = await loadPyodide({ indexURL: pyodideFolder + "/" });
const wheels = join(root, "web", "wheels");
const numpy = readdirSync(wheels).find((name) => name.startsWith("numpy-") && name.endsWith(".whl"));
if (!numpy) throw new Error(`there is no numpy wheel in ${wheels}; its README says how to make one`);
python.unpackArchive(new Uint8Array(readFileSync(join(wheels, numpy))), "wheel");
for (const [at, folder] of Object.entries({ "/src": "pysrc", "/tests": "tests" })) {
  python.FS.mkdirTree(at);
  python.mountNodeFS(at, join(root, folder));
}
console.log(python.runPython("import sys; sys.path[:0] = ['/src', '/tests/bench']; import crowds; crowds.main()"));

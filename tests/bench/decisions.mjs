// Runs decisions.py in Pyodide under node: `node tests/bench/decisions.mjs`, after `npm ci` in web/.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");
const pyodideFolder = join(root, "web", "node_modules", "pyodide");
const { loadPyodide } = await import(join(pyodideFolder, "pyodide.mjs"));

const python = await loadPyodide({ indexURL: pyodideFolder + "/" });
const wheels = join(root, "web", "wheels");
const numpy = readdirSync(wheels).find((name) => name.startsWith("numpy-") && name.endsWith(".whl"));
if (!numpy) throw new Error(`there is no numpy wheel in ${wheels}; its README says how to make one`);
python.unpackArchive(new Uint8Array(readFileSync(join(wheels, numpy))), "wheel");
python.FS.mkdirTree("/src");
python.mountNodeFS("/src", join(root, "pysrc"));
python.FS.mkdirTree("/bench");
python.mountNodeFS("/bench", here);
console.log(python.runPython("import sys; sys.path[:0] = ['/src', '/bench']; import decisions; decisions.main()"));

// Load wheels into Pyodide under node, and give what a piece of Python says, with the times, as JSON:
// milliseconds of the processor, which a busy machine does not change.
// node wheels.mjs PYODIDE_FOLDER FOLDER_WITH_LOCK_AND_WHEELS STANDARD_LIBRARY PACKAGES [later] < program.py
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";

const [pyodide, folder, stdLibURL, packages, later] = process.argv.slice(2);
const { completeLater, completeNumpy, NUMPY_LATER } = await import(pathToFileURL(`${import.meta.dirname}/../../web/python/standard.js`).href);
const { loadPyodide } = await import(pathToFileURL(`${pyodide}/pyodide.mjs`).href);
const times = {};
const timed = async (name, work) => {
  const begun = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(begun);
  times[name] = Math.round((user + system) / 1000);
  return result;
};
const python = await timed("boot", () =>
  loadPyodide({ indexURL: `${pyodide}/`, lockFileURL: `${folder}/pyodide-lock.json`, stdLibURL, stdout: () => {} }),
);
// Pyodide's own library is whole; what belongs to ours lies beside it.
if (!stdLibURL.startsWith(pyodide)) completeLater(python, (name) => new Uint8Array(readFileSync(`${dirname(stdLibURL)}/${name}`)));
await timed("load", () => python.loadPackage(packages.split(","), { messageCallback: () => {}, checkIntegrity: true }));
if (later) completeNumpy(python, new Uint8Array(readFileSync(`${folder}/${NUMPY_LATER}`)));
await timed("import", () => python.runPython("import numpy"));
const told = JSON.parse(await python.runPythonAsync(await readFile("/dev/stdin", "utf8")));
console.log(JSON.stringify({ ...told, times }));

// Compile wheels and the standard library with Pyodide's own Python:
//   node compile.mjs PYODIDE_FOLDER [SOURCE TARGET LATER]...
// LATER is where goes what a page does not need at its start; "" keeps all in one.
// Only that Python writes .pyc files that it can later read, so the host's Python will not do.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { STANDARD } from "../python/standard.js";

const [folder, ...files] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(join(folder, "pyodide.mjs")).href);
// A fixed hash seed keeps the order of constant sets, and so the bytes, the same in every run.
const python = await loadPyodide({ indexURL: folder + "/", env: { PYTHONHASHSEED: "0" } });
python.runPython(STANDARD); // what is imported now is what a page needs at its start
python.FS.writeFile("/compile_archive.py", await readFile(new URL("compile_archive.py", import.meta.url)));
python.runPython("import sys; sys.path.insert(0, '/')");
const { compile_archive: compileArchive } = python.pyimport("compile_archive");

for (let index = 0; index < files.length; index += 3) {
  const [source, target, later] = files.slice(index, index + 3);
  // Where Pyodide puts it, which is what tracebacks name.
  const place = source.endsWith(".whl") ? "/lib/python3.14/site-packages" : "/lib/python314.zip";
  python.FS.writeFile("/source.zip", await readFile(source));
  try {
    compileArchive("/source.zip", "/target.zip", place, later && "/later.zip");
  } catch (error) {
    // Python's last lines say which file is wrong; node's own report would quote all of Pyodide first.
    console.error(`${source}: ${String(error.message).trim().split("\n").slice(-6).join("\n")}`);
    process.exit(1);
  }
  await writeFile(target, python.FS.readFile("/target.zip"));
  if (later) await writeFile(later, python.FS.readFile("/later.zip"));
}

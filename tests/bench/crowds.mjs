// Runs crowds.py in Pyodide under node: `node tests/bench/crowds.mjs`, after `npm ci` in web/ and
// `bodylens models fetch posenet-075 bodypix-050`. The networks run in onnxruntime-web's wasm, on all cores.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { availableParallelism, homedir } from "node:os";
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

const cache = join(process.env.BODYLENS_CACHE ?? join(homedir(), ".cache", "bodylens"), "onnx");
const { default: ort } = await import(join(root, "web", "node_modules", "onnxruntime-web", "dist", "ort.node.min.mjs"));
ort.env.wasm.numThreads = availableParallelism();
const shapes = { "posenet-075": [1, 3, 385, 385], "bodypix-050": [1, 3, 353, 481] };
/** @type {Record<string, number>} */
const networks = {};
for (const [model, shape] of Object.entries(shapes)) {
  const files = readdirSync(cache).filter((name) => new RegExp(`^${model}-[0-9a-f]{12}\\.onnx$`).test(name));
  if (!files.length) throw new Error(`there is no ${model} in ${cache}: bodylens models fetch ${model}`);
  files.sort((a, b) => statSync(join(cache, a)).mtimeMs - statSync(join(cache, b)).mtimeMs);
  const session = await ort.InferenceSession.create(readFileSync(join(cache, /** @type {string} */ (files.at(-1)))));
  const image = new ort.Tensor("float32", new Float32Array(shape.reduce((a, b) => a * b)), shape);
  const spent = [];
  for (let i = 0; i < 25; i++) {
    const start = performance.now();
    await session.run({ image });
    spent.push(performance.now() - start);
  }
  networks[model] = Math.min(...spent.slice(5));
  await session.release();
}
const call = `crowds.main(${JSON.stringify(networks)})`;
console.log(python.runPython(`import sys; sys.path[:0] = ['/src', '/tests/bench']; import crowds; ${call}`));
process.exit(); // onnxruntime's threads would keep node open

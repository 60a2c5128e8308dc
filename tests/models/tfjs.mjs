// Runs a tfjs graph model on one input and writes every wanted output: the oracle for the converter.
// node tfjs.mjs REQUEST.json, where the request is {model, shards, input, shape, dtype, outputs, target}:
// paths, the input as raw little-endian numbers, and names of nodes; each output goes to target/N.bin with its shape.
import { readFileSync, writeFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs-core";
import { loadGraphModel } from "@tensorflow/tfjs-converter";
import "@tensorflow/tfjs-backend-cpu";
import "@tensorflow/tfjs-backend-wasm";

const request = JSON.parse(readFileSync(process.argv[2], "utf8"));
await tf.setBackend(request.backend ?? "wasm");
await tf.ready();

const json = JSON.parse(readFileSync(request.model, "utf8"));
const data = Buffer.concat(request.shards.map((path) => readFileSync(path)));
const model = await loadGraphModel({
  load: async () => ({
    modelTopology: json.modelTopology,
    signature: json.signature,
    weightSpecs: json.weightsManifest.flatMap((group) => group.weights),
    weightData: data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength),
  }),
});
const bytes = readFileSync(request.input);
const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
const values = request.dtype === "int32" ? new Int32Array(buffer) : new Float32Array(buffer);
const input = tf.tensor(values, request.shape, request.dtype);
const results = await model.executeAsync(input, request.outputs);
const tensors = Array.isArray(results) ? results : [results];
const shapes = tensors.map((tensor, n) => {
  writeFileSync(`${request.target}/${n}.bin`, new Float32Array(tensor.dataSync()));
  return tensor.shape;
});
writeFileSync(`${request.target}/shapes.json`, JSON.stringify(shapes));

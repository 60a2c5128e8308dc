// node posenet.mjs REQUEST.json: prints what `run` of posenet.js gives. The request is {model, shards, image, width,
// height, resolution, stride, options}, the first three as paths.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { run } from "./posenet.js";

const require = createRequire(import.meta.url);
const tf = require("@tensorflow/tfjs-core");
require("@tensorflow/tfjs-backend-cpu");
require("@tensorflow/tfjs-backend-wasm");
const posenet = require("@tensorflow-models/posenet");

const { model, shards, image, ...rest } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const data = Buffer.concat(shards.map((path) => readFileSync(path)));
const given = {
  ...rest,
  model: JSON.parse(readFileSync(model, "utf8")),
  weights: data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength),
  pixels: new Uint8Array(readFileSync(image)),
};
console.log(JSON.stringify(await run(tf, posenet, given)));

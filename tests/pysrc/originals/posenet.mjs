// Runs PoseNet as its authors published it: the oracle for ours.
// node posenet.mjs REQUEST.json, where the request is {model, shards, image, width, height, resolution, stride, options}:
// paths, the picture as raw RGB bytes; prints {single, multiple}, the poses.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const tf = require("@tensorflow/tfjs-core");
require("@tensorflow/tfjs-backend-cpu");
require("@tensorflow/tfjs-backend-wasm");
const posenet = require("@tensorflow-models/posenet");

const request = JSON.parse(readFileSync(process.argv[2], "utf8"));
await tf.setBackend("wasm");
await tf.ready();
const json = JSON.parse(readFileSync(request.model, "utf8"));
// The package fixed the input's size and sorted the outputs; the original expects an open size and this order.
for (const dim of json.modelTopology.node
  .filter((node) => node.op === "Placeholder")
  .flatMap((node) => node.attr.shape.shape.dim.slice(1, 3))) dim.size = "-1";
for (const input of Object.values(json.signature.inputs)) {
  for (const dim of input.tensorShape.dim.slice(1, 3)) dim.size = "-1";
}
const order = ["offset", "heatmap", "displacement_fwd", "displacement_bwd"];
json.signature.outputs = Object.fromEntries(
  order.map((head) => Object.entries(json.signature.outputs).find(([name]) => name.includes(`/${head}_2`))),
);
const data = Buffer.concat(request.shards.map((path) => readFileSync(path)));
const modelUrl = {
  load: async () => ({
    modelTopology: json.modelTopology,
    signature: json.signature,
    weightSpecs: json.weightsManifest.flatMap((group) => group.weights),
    weightData: data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength),
  }),
};
const net = await posenet.load({
  architecture: "MobileNetV1",
  multiplier: 0.75,
  outputStride: request.stride,
  inputResolution: request.resolution,
  modelUrl,
});
const image = tf.tensor3d(new Uint8Array(readFileSync(request.image)), [request.height, request.width, 3], "int32");
const single = await net.estimateSinglePose(image);
const multiple = await net.estimateMultiplePoses(image, { flipHorizontal: false, ...request.options });
console.log(JSON.stringify({ single, multiple }));

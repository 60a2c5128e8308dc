// Runs PoseNet as its authors published it, under node or in a page: the oracle for ours.

/**
 * Gives {single, multiple}: the poses in a picture.
 *
 * tf, posenet: the packages. given: {model, weights, pixels, width, height, resolution, stride, options}: the graph
 * model's JSON, its weights as one ArrayBuffer, the picture as raw RGB bytes.
 */
export async function run(tf, posenet, { model, weights, pixels, width, height, resolution, stride, options }) {
  await tf.setBackend("wasm");
  await tf.ready();
  // The package of the weights fixed the input's size and sorted the outputs; the original expects an open size and
  // this order.
  for (const dim of model.modelTopology.node
    .filter((node) => node.op === "Placeholder")
    .flatMap((node) => node.attr.shape.shape.dim.slice(1, 3))) dim.size = "-1";
  for (const input of Object.values(model.signature.inputs)) {
    for (const dim of input.tensorShape.dim.slice(1, 3)) dim.size = "-1";
  }
  const order = ["offset", "heatmap", "displacement_fwd", "displacement_bwd"];
  model.signature.outputs = Object.fromEntries(
    order.map((head) => Object.entries(model.signature.outputs).find(([name]) => name.includes(`/${head}_2`))),
  );
  const modelUrl = {
    load: async () => ({
      modelTopology: model.modelTopology,
      signature: model.signature,
      weightSpecs: model.weightsManifest.flatMap((group) => group.weights),
      weightData: weights,
    }),
  };
  const net = await posenet.load({
    architecture: "MobileNetV1",
    multiplier: 0.75,
    outputStride: stride,
    inputResolution: resolution,
    modelUrl,
  });
  const image = tf.tensor3d(pixels, [height, width, 3], "int32");
  const single = await net.estimateSinglePose(image);
  const multiple = await net.estimateMultiplePoses(image, { flipHorizontal: false, ...options });
  return { single, multiple };
}

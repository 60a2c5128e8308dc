// Runs the original pose systems on pictures that the test's server gives. Frames are [address, milliseconds];
// the answer holds for each frame its keypoints as [x, y, score] in pixels, or null where nobody was found.

/** Draws a picture as it is stored, so that every system sees the very pixels that the native one was given. */
async function draw(address) {
  const blob = await (await fetch(address)).blob();
  const image = await createImageBitmap(blob, { colorSpaceConversion: "none" });
  const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
  canvas.getContext("2d", { willReadFrequently: true }).drawImage(image, 0, 0);
  image.close();
  return canvas;
}

/** @mediapipe/pose, with its networks on the processor; `still`: every frame is a picture of its own. */
async function mediapipe({ complexity, still }, frames) {
  const pose = new globalThis.Pose({ locateFile: (name) => `node_modules/@mediapipe/pose/${name}` });
  pose.setOptions({ modelComplexity: complexity, smoothLandmarks: !still, useCpuInference: true });
  let found;
  pose.onResults(({ poseLandmarks }) => (found = poseLandmarks));
  await pose.initialize();
  const poses = [];
  for (const [address, at] of frames) {
    const image = await draw(address);
    if (still) pose.reset();
    found = undefined;
    await pose.send({ image }, at);
    poses.push(found?.map(({ x, y, visibility }) => [x * image.width, y * image.height, visibility]) ?? null);
  }
  await pose.close();
  return poses;
}

/** A detector of tfjs pose-detection on its wasm backend, with model files from this server. */
async function open({ model, config, still }) {
  const { tf, poseDetection } = globalThis;
  tf.wasm.setWasmPaths("node_modules/@tensorflow/tfjs-backend-wasm/dist/");
  await tf.setBackend("wasm");
  await tf.ready();
  const name = poseDetection.SupportedModels[model];
  return poseDetection.createDetector(name, { runtime: "tfjs", ...config, enableSmoothing: !still });
}

const numbers = ({ keypoints }) => keypoints.map(({ x, y, score }) => [x, y, score]);

/** tfjs pose-detection for one person. */
async function tfjs({ still, ...options }, frames) {
  const detector = await open({ still, ...options });
  const poses = [];
  for (const [address, at] of frames) {
    const image = await draw(address);
    if (still) detector.reset();
    const [pose] = await detector.estimatePoses(image, { maxPoses: 1 }, still ? undefined : at);
    poses.push(pose ? numbers(pose) : null);
  }
  detector.dispose();
  return poses;
}

/** tfjs pose-detection for several people: of each frame, one after another by their ids. */
async function crowd(options, frames) {
  const detector = await open(options);
  const poses = [];
  for (const [address, at] of frames) {
    const people = await detector.estimatePoses(await draw(address), {}, at);
    poses.push(people.sort((a, b) => a.id - b.id).map(numbers));
  }
  detector.dispose();
  return poses;
}

globalThis.originals = { mediapipe, tfjs, crowd };

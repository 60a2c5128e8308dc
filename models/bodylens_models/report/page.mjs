// Runs one network in the browser: is the answer right, and how long does it take? Served by browser.py.

const BUNDLES = { wasm: "ort.wasm.min.mjs", webgpu: "ort.webgpu.min.mjs", webgl: "ort.webgl.min.mjs" };

/** The picture of rings that bodylens_models/check.py describes. */
function rings({ height: H, width: W, low, high }, { modulus: M, shift: S }) {
  const image = new Float32Array(3 * H * W);
  let i = 0;
  for (let c = 0; c < 3; c++)
    for (let y = 0; y < H; y++)
      for (let x = 0; x < W; x++)
        image[i++] = low + (high - low) * ((((2 * x - W) ** 2 + (2 * y - H) ** 2 + c * S) % M) / M);
  return image;
}

/** The largest error as a share of the tolerance: at most 1 is right; NaN counts as infinite. */
async function compare(results, spec) {
  let worst = 0;
  for (const [key, { start, step, tolerance, values }] of Object.entries(spec.check.outputs)) {
    const data = await results[spec.outputs[key].name].getData();
    values.forEach((value, n) => {
      const error = Math.abs(Number(data[start + n * step]) - value) / tolerance;
      worst = Number.isNaN(error) ? Infinity : Math.max(worst, error);
    });
  }
  return worst;
}

globalThis.measure = async (provider, url, spec, runs) => {
  const ort = await import(`/ort/${BUNDLES[provider]}`);
  ort.env.wasm.wasmPaths = "/ort/";
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "fatal";
  const options = { executionProviders: [provider] };
  if (provider === "webgpu") options.extra = { session: { disable_cpu_ep_fallback: "1" } };
  let session;
  try {
    session = await ort.InferenceSession.create(url, options);
  } catch (error) {
    return { state: "refused", why: String(error).slice(0, 300) };
  }
  const { input } = spec;
  const image = new ort.Tensor("float32", rings(input, spec.check), [1, 3, input.height, input.width]);
  const times = [];
  let worst = Infinity;
  try {
    worst = await compare(await session.run({ [input.name]: image }), spec);
    for (let n = 0; n < runs; n++) {
      const before = performance.now();
      const results = await session.run({ [input.name]: image });
      times.push(performance.now() - before);
      for (const tensor of Object.values(results)) tensor.dispose();
    }
  } catch (error) {
    return { state: "failed", why: String(error).slice(0, 300) };
  }
  await session.release();
  // The median of the fastest third: other work on the machine only ever slows a run.
  times.sort((a, b) => a - b);
  return { state: worst <= 1 ? "right" : "wrong", worst: Number.isFinite(worst) ? worst : -1, ms: times[Math.floor(times.length / 6)] ?? null };
};
document.documentElement.dataset.ready = "yes";

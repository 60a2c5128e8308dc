// The live pipeline, as the engine sees it: Python in another worker, asked over a port, frame by frame.

/** @typedef {{model: string, region: import("./region.js").Region, size: import("./networks.js").Size, fetch: string[],
 *   keep: import("./masks.js").Keep[]}} Request */
/** @typedef {{arrays: Float32Array[], shapes: (readonly number[])[], masks: Float64Array}} Result */
/** @typedef {{text: string, array: Float64Array | null, ms: number, heap: number}} Answer */

/** Python could not decide; the message is its own. */
export class Undecided extends Error {}

/** Another pipeline took over while this frame was decided. */
export class Superseded extends Error {}

export class Decider {
  /** @type {MessagePort | null} */
  #port = null;
  /** @type {{resolve: (answer: Answer) => void, reject: (error: Error) => void} | null} */
  #asked = null;
  /** @type {() => void} */
  #connected = () => undefined;
  /** Called with the networks that another pipeline needs. @type {(prepared: {id: number, models: string[]}) => void} */
  prepared = () => undefined;
  /** Called when Python runs another pipeline. @type {() => void} */
  opened = () => undefined;
  #ready = new Promise((resolve) => {
    this.#connected = () => resolve(undefined);
  });
  /** What the next frame will begin with, and the frame size that this holds for. */
  ahead = { text: "", requests: /** @type {Request[]} */ ([]), width: 0, height: 0 };
  /** The keypoints that the pipeline finds. @type {import("./skeletons.js").Topology} */
  topology = { names: [], sides: [], edges: [] };
  /** The size of Python's memory, bytes. */
  heap = 0;
  /** Whether frame after frame begins with the same requests. */
  steady = false;

  /** Python's worker may be a new one at any time. @param {MessagePort} port */
  connect(port) {
    this.#port?.close();
    this.#asked?.reject(new Undecided("Python was restarted."));
    this.#asked = null;
    this.#port = port;
    this.forget();
    port.onmessage = ({ data }) => {
      if (data.type === "opened") {
        this.topology = data.topology;
        this.forget();
        this.opened();
        this.#connected();
        return;
      }
      if (data.type === "prepared") {
        this.prepared(data);
        return;
      }
      const asked = this.#asked;
      this.#asked = null;
      if (data.type === "superseded") asked?.reject(new Superseded());
      else if (data.type === "failed") asked?.reject(new Undecided(data.message));
      else {
        this.heap = data.heap;
        asked?.resolve(data);
      }
    };
  }

  /** Has Python run the pipeline that it prepared. @param {number} id */
  adopt(id) {
    this.#port?.postMessage({ type: "adopt", id });
  }

  /** A promise that Python has opened its pipeline. */
  get ready() {
    return this.#ready;
  }

  /** The requests announced for the next frame no longer hold. */
  forget() {
    this.ahead = { text: "", requests: [], width: 0, height: 0 };
    this.steady = false;
  }

  /**
   * What a frame of this size will begin with, where Python has said so.
   * @param {number} width @param {number} height
   * @returns {Request[] | null}
   */
  announced(width, height) {
    const { requests } = this.ahead;
    return requests.length && this.ahead.width === width && this.ahead.height === height ? requests : null;
  }

  /**
   * Decides one frame; one at a time.
   * @param {{index: number, time: number, width: number, height: number, still: boolean}} frame
   * @param {{results: Result[], text: string} | null} ran what was announced and has been run already
   * @param {(requests: Request[]) => Promise<Result[]>} run
   * @returns {Promise<{people: Float64Array, ms: number}>} people, as record.py packs them, and the time in Python
   */
  async decide(frame, ran, run) {
    let answer = await this.#ask({ type: "begin", frame, ...ran }, ran?.results ?? []);
    let { ms } = answer;
    while (!answer.array) {
      const results = await run(JSON.parse(answer.text));
      answer = await this.#ask({ type: "resume", results }, results);
      ms += answer.ms;
    }
    const { text } = answer;
    const { width, height } = frame;
    this.steady = text !== "" && text === this.ahead.text;
    if (!this.steady) this.ahead = { text, requests: text ? JSON.parse(text) : [], width, height };
    return { people: answer.array, ms };
  }

  /**
   * @param {object} message
   * @param {Result[]} results whose arrays go with it
   * @returns {Promise<Answer>}
   */
  #ask(message, results) {
    return new Promise((resolve, reject) => {
      this.#asked = { resolve, reject };
      const buffers = results.flatMap((result) => result.arrays.map((array) => array.buffer));
      this.#port?.postMessage(message, buffers);
    });
  }
}

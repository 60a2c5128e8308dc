// The live pipeline, as the engine sees it: Python in another worker, asked over a port, frame by frame.

/** @typedef {{model: string, region: import("./region.js").Region, fetch: string[],
 *   keep: import("./masks.js").Keep[]}} Request */
/** @typedef {{arrays: Float32Array[], shapes: number[][], masks: Float64Array}} Result */
/** @typedef {{text: string, array: Float64Array | null, ms: number}} Answer */

/** Python could not decide; the message is its own. */
export class Undecided extends Error {}

export class Decider {
  /** @type {MessagePort | null} */
  #port = null;
  /** @type {{resolve: (answer: Answer) => void, reject: (error: Error) => void} | null} */
  #asked = null;
  /** @type {() => void} */
  #connected = () => undefined;
  #ready = new Promise((resolve) => {
    this.#connected = () => resolve(undefined);
  });
  /** What the next frame will begin with, and the frame size that this holds for. */
  ahead = { text: "", requests: /** @type {Request[]} */ ([]), width: 0, height: 0 };
  /** Milliseconds in Python for the last frame. */
  ms = 0;

  /** Python's worker may be a new one at any time. @param {MessagePort} port */
  connect(port) {
    this.#port?.close();
    this.#asked?.reject(new Undecided("Python was restarted."));
    this.#asked = null;
    this.#port = port;
    this.forget();
    port.onmessage = ({ data }) => {
      if (data.type === "opened") {
        this.forget();
        this.#connected();
        return;
      }
      const asked = this.#asked;
      this.#asked = null;
      if (data.type === "failed") asked?.reject(new Undecided(data.message));
      else asked?.resolve(data);
    };
  }

  /** A promise that Python has opened its pipeline. */
  get ready() {
    return this.#ready;
  }

  /** The requests announced for the next frame no longer hold. */
  forget() {
    this.ahead = { text: "", requests: [], width: 0, height: 0 };
  }

  /**
   * Decides one frame.
   * @param {{index: number, time: number, width: number, height: number}} frame
   * @param {(requests: Request[]) => Promise<Result[]>} run
   * @returns {Promise<Float64Array>} people, as record.py packs them
   */
  async decide(frame, run) {
    this.ms = 0;
    const { ahead } = this;
    const known = ahead.requests.length > 0 && ahead.width === frame.width && ahead.height === frame.height;
    const results = known ? await run(ahead.requests) : null;
    let answer = await this.#ask({ type: "begin", frame, results }, results);
    while (!answer.array) {
      this.ms += answer.ms;
      const more = await run(JSON.parse(answer.text));
      answer = await this.#ask({ type: "resume", results: more }, more);
    }
    this.ms += answer.ms;
    if (answer.text !== ahead.text || frame.width !== ahead.width || frame.height !== ahead.height) {
      const requests = answer.text ? JSON.parse(answer.text) : [];
      this.ahead = { text: answer.text, requests, width: frame.width, height: frame.height };
    }
    return answer.array;
  }

  /**
   * @param {object} message
   * @param {Result[] | null} results whose arrays go with it
   * @returns {Promise<Answer>}
   */
  #ask(message, results) {
    return new Promise((resolve, reject) => {
      this.#asked = { resolve, reject };
      const buffers = (results ?? []).flatMap((result) => result.arrays.map((array) => array.buffer));
      this.#port?.postMessage(message, buffers);
    });
  }
}

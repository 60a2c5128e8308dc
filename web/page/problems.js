// What can go wrong, in sentences: what happened, and what the person can do now.

/** What a button of a message does. @typedef {"retry" | "sample" | "restart" | "wasm" | "reload" | "start" | "model" | "resume"} Action */
/** @typedef {{title: string, text: string, actions: Action[]}} Sentence */

/** Something that the person must know; `code` is one of those below. */
export class Problem extends Error {
  /**
   * @param {string} code @param {string} [detail] what the browser said
   * @param {string} [text] what happened and what to do, where more is known than the code says
   */
  constructor(code, detail = "", text = "") {
    super(detail || text || code);
    this.code = code;
    this.detail = detail;
    this.text = text;
  }
}

/** @type {Record<Action, string>} */
export const LABELS = {
  retry: "Try again",
  sample: "Use the sample picture",
  restart: "Restart",
  wasm: "Run on the processor",
  reload: "Reload the page",
  start: "Back to the start",
  model: "Use another model",
  resume: "Go on without it",
};

/** @type {Record<string, Sentence>} */
const SENTENCES = {
  "camera-refused": {
    title: "The camera was refused",
    text: "Allow the camera for this site in the address bar or in the browser's settings, then try again.",
    actions: ["retry", "sample"],
  },
  "camera-none": {
    title: "No camera was found",
    text: "Connect a camera and try again, or look at the sample picture.",
    actions: ["retry", "sample"],
  },
  "camera-in-use": {
    title: "The camera is in use",
    text: "Another program or tab holds the camera. Close it there, then try again.",
    actions: ["retry", "sample"],
  },
  "camera-overconstrained": {
    title: "The camera cannot do what was asked",
    text: "The chosen camera is gone or does not offer this picture size. Try again with any camera.",
    actions: ["retry", "sample"],
  },
  "camera-insecure": {
    title: "The camera needs a secure address",
    text: "Browsers give the camera only to https addresses and to localhost. Open this page at such an address.",
    actions: ["sample"],
  },
  "camera-unplugged": {
    title: "The camera is gone",
    text: "It was unplugged, or something else took it. Connect it again and go on.",
    actions: ["retry", "sample"],
  },
  "camera-failed": {
    title: "The camera did not start",
    text: "Try again, or look at the sample picture.",
    actions: ["retry", "sample"],
  },
  "source-foreign": {
    title: "This picture lies on another site",
    text: "bodylens loads nothing from other sites. Save the picture, then drop it here.",
    actions: ["sample", "start"],
  },
  "source-missing": {
    title: "The picture could not be loaded",
    text: "The address in the link does not lead to a picture or a video on this site.",
    actions: ["retry", "sample"],
  },
  "source-unreadable": {
    title: "This file cannot be shown",
    text: "The browser does not know this kind of picture or video, or the file is damaged.",
    actions: ["sample", "start"],
  },
  "source-large": {
    title: "This picture is too large",
    text: "",
    actions: ["sample", "start"],
  },
  background: {
    title: "This background cannot be shown",
    text: "The browser does not know this kind of picture, or the file is damaged.",
    actions: ["resume"],
  },
  "source-without-pictures": {
    title: "This file holds no pictures",
    text: "It has sound alone, or pictures of a kind that this browser cannot show. Open a picture or another video.",
    actions: ["sample", "start"],
  },
  "source-file": {
    title: "Open the file again",
    text: "The link stands for a file of your own. It was never stored or sent, so please open it once more.",
    actions: ["start", "sample"],
  },
  "browser-old": {
    title: "This browser is too old",
    text:
      "bodylens draws outside the page's main thread, which this browser cannot do. " +
      "Please use Chrome or Edge 111, Firefox 121, Safari 17 or a later one.",
    actions: ["reload"],
  },
  "no-webgpu": {
    title: "No WebGPU here",
    text: "This browser or this device does not offer WebGPU. The processor does the same work.",
    actions: ["wasm"],
  },
  "no-webgl": {
    title: "No WebGL here",
    text: "This browser or this device does not offer WebGL for networks. The processor does the same work.",
    actions: ["wasm"],
  },
  "provider-wrong": {
    title: "The graphics card gives wrong answers",
    text: "The network was tried on it and did not compute what it should. The processor does the same work.",
    actions: ["wasm"],
  },
  network: {
    title: "The neural network did not load",
    text: "Check that the site can be reached, then restart.",
    actions: ["restart", "wasm"],
  },
  "no-webgl2": {
    title: "The picture cannot be drawn",
    text:
      "This browser gives no WebGL2 in workers. Switch hardware acceleration on, or use Chrome or Edge 111, " +
      "Firefox 121, Safari 17 or a later one.",
    actions: ["reload"],
  },
  "graphics-lost": {
    title: "The graphics driver was reset",
    text: "The picture comes back by itself in a moment. If it does not, restart.",
    actions: ["restart"],
  },
  unreachable: {
    title: "The server cannot be reached",
    text: "",
    actions: ["retry"],
  },
  "source-unreachable": {
    title: "The server cannot be reached",
    text: "The picture could not be loaded. Start the server or check the network, then try again.",
    actions: ["retry"],
  },
  "model-missing": {
    title: "The model is not on this site",
    text: "",
    actions: ["retry", "model"],
  },
  options: {
    title: "This setting is not possible",
    text: "",
    actions: ["start"],
  },
  python: {
    title: "Python did not start",
    text: "Check that the site can be reached, then restart.",
    actions: ["restart"],
  },
  frame: {
    title: "The pictures cannot be worked on",
    text: "Several in a row failed.",
    actions: ["restart", "wasm"],
  },
  stalled: {
    title: "The engine has stopped answering",
    text: "No picture was finished for a while. Restart it; your settings stay.",
    actions: ["restart", "wasm"],
  },
  crash: {
    title: "The engine has crashed",
    text: "Restart it; your settings stay.",
    actions: ["restart", "wasm"],
  },
};

/** @type {Sentence} */
const UNKNOWN = { title: "Something went wrong", text: "Restart; your settings stay.", actions: ["restart"] };

/** @param {string} code */
export const sentence = (code) => SENTENCES[code] ?? UNKNOWN;

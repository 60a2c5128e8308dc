// People in metres, to be looked at from all sides. three.js is loaded when this is first opened.
import { unpack } from "../people.js";

/** @typedef {{names: string[], sides: string[], edges: [number, number][]}} Topology */

/** @type {Record<string, number>} */
const COLORS = { left: 0xff9e33, right: 0x40c7ff, middle: 0xe8eef0 };
/** Metres from the hips to where the view may end: up, with raised arms, and to the sides; and between two people. */
const REACH = { up: 1.25, across: 0.9, apart: 1.2 };
/** The angle of the view from top to bottom, degrees. */
const ANGLE = 40;
/** Keypoints less sure than this are left out. */
const CONFIDENCE = 0.3;

export class World {
  /** Rotation about the vertical and the horizontal, radians. */
  #turn = { across: 0, down: 0.1 };
  /** @type {Topology} */
  #topology = { names: [], sides: [], edges: [] };
  /** @type {import("three").BufferGeometry | null} */
  #bones = null;
  /** @type {import("three").BufferGeometry | null} */
  #points = null;
  /** How many people stand side by side. */
  #people = 1;

  /**
   * @param {typeof import("three")} three
   * @param {HTMLCanvasElement} canvas
   */
  constructor(three, canvas) {
    this.three = three;
    this.canvas = canvas;
    this.renderer = new three.WebGLRenderer({ canvas, antialias: true, alpha: true });
    this.camera = new three.PerspectiveCamera(ANGLE, 1, 0.1, 40);
    this.scene = new three.Scene();
    this.body = new three.Group();
    const floor = new three.GridHelper(2, 8, 0x5a6b70, 0x34444a);
    floor.position.y = -1;
    this.body.add(floor);
    this.scene.add(this.body);
    canvas.addEventListener("pointerdown", ({ pointerId }) => canvas.setPointerCapture(pointerId));
    canvas.addEventListener("pointermove", (event) => {
      if (event.buttons & 1) this.#rotate(event.movementX / 100, event.movementY / 100);
    });
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] }[event.key];
      if (!step) return;
      event.preventDefault();
      this.#rotate(step[0], step[1]);
    });
  }

  /**
   * Loads three.js and opens the view.
   * @param {string} address of three.js's folder
   * @param {HTMLCanvasElement} canvas
   */
  static async open(address, canvas) {
    /** @type {typeof import("three")} */
    const three = await import(new URL("three.module.js", address).href);
    return new World(three, canvas);
  }

  /** Whether left is shown on the left, as in the picture beside it. @param {boolean} yes */
  set mirrored(yes) {
    this.body.scale.x = yes ? -1 : 1;
    this.draw();
  }

  /** @param {Topology} topology */
  set topology(topology) {
    this.#topology = topology;
    const { three } = this;
    for (const old of this.body.children.slice(1)) this.body.remove(old);
    this.#bones?.dispose();
    this.#points?.dispose();
    const most = 8;
    const [bones, points] = [new three.BufferGeometry(), new three.BufferGeometry()];
    for (const [geometry, count] of /** @type {[import("three").BufferGeometry, number][]} */ ([
      [bones, 2 * topology.edges.length * most],
      [points, topology.names.length * most],
    ])) {
      for (const name of ["position", "color"]) {
        geometry.setAttribute(name, new three.BufferAttribute(new Float32Array(3 * count), 3));
      }
    }
    const lines = new three.LineSegments(bones, new three.LineBasicMaterial({ vertexColors: true }));
    const dots = new three.Points(points, new three.PointsMaterial({ vertexColors: true, size: 0.06 }));
    lines.frustumCulled = dots.frustumCulled = false;
    this.body.add(lines, dots);
    [this.#bones, this.#points] = [bones, points];
  }

  /**
   * Shows the people of a frame, side by side.
   * @param {Float64Array} packed as record.py packs them
   */
  show(packed) {
    const { n, k, world, scores } = unpack(packed);
    const [bones, points] = [this.#bones, this.#points];
    if (!bones || !points || k !== this.#topology.names.length) return;
    const { sides, edges } = this.#topology;
    let [bone, point] = [0, 0];
    const people = Math.min(n, 8);
    if (people) this.#people = people;
    for (let person = 0; world && person < people; person++) {
      const shift = REACH.apart * (person - (people - 1) / 2);
      /** @param {import("three").BufferGeometry} geometry @param {number} at @param {number} i @param {string} side */
      const put = (geometry, at, i, side) => {
        const j = 3 * (person * k + i);
        // The network's y points down and its z away from the camera.
        geometry.attributes.position.setXYZ(at, world[j] + shift, -world[j + 1], -world[j + 2]);
        const color = COLORS[side];
        geometry.attributes.color.setXYZ(at, (color >> 16) / 255, ((color >> 8) & 255) / 255, (color & 255) / 255);
      };
      const sure = (/** @type {number} */ i) => scores[person * k + i] >= CONFIDENCE;
      for (const [a, b] of edges) {
        if (!sure(a) || !sure(b)) continue;
        const side = sides[a] === sides[b] ? sides[a] : "middle";
        put(bones, bone++, a, side);
        put(bones, bone++, b, side);
      }
      for (let i = 0; i < k; i++) if (sure(i)) put(points, point++, i, sides[i]);
    }
    bones.setDrawRange(0, bone);
    points.setDrawRange(0, point);
    for (const { attributes } of [bones, points]) attributes.position.needsUpdate = attributes.color.needsUpdate = true;
    this.draw();
  }

  draw() {
    const { clientWidth, clientHeight } = this.canvas;
    if (!clientWidth || !clientHeight) return;
    const size = this.renderer.getSize(new this.three.Vector2());
    if (size.x !== clientWidth || size.y !== clientHeight) {
      this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
      this.renderer.setSize(clientWidth, clientHeight, false);
      this.camera.aspect = clientWidth / clientHeight;
      this.camera.updateProjectionMatrix();
    }
    const across = REACH.across + (REACH.apart * (this.#people - 1)) / 2;
    const half = Math.max(REACH.up, across / this.camera.aspect);
    this.camera.position.set(0, 0, half / Math.tan((ANGLE * Math.PI) / 360));
    this.body.rotation.set(this.#turn.down, this.#turn.across, 0);
    this.renderer.render(this.scene, this.camera);
  }

  dispose() {
    this.renderer.dispose();
  }

  /** @param {number} across @param {number} down */
  #rotate(across, down) {
    this.#turn.across += across;
    this.#turn.down = Math.max(-1.4, Math.min(1.4, this.#turn.down + down));
    this.draw();
  }
}

// Types that the page, the engine and the Python worker share, and what TypeScript's own library does not know yet.

declare class MediaStreamTrackProcessor {
  constructor(init: { track: MediaStreamTrack; maxBufferSize?: number });
  readonly readable: ReadableStream<VideoFrame>;
}

/** ref: https://www.w3.org/TR/compute-pressure */
declare class PressureObserver {
  constructor(callback: (records: { state: "nominal" | "fair" | "serious" | "critical" }[]) => void);
  observe(source: "cpu", options?: { sampleInterval: number }): Promise<void>;
}

/** ref: https://wicg.github.io/netinfo, which only some browsers have */
interface Navigator {
  readonly connection?: { readonly saveData?: boolean };
}

/** What a worker's `self` is; the types of window and worker cannot both be loaded. */
interface DedicatedWorkerGlobalScope extends EventTarget, WindowOrWorkerGlobalScope {
  postMessage(message: unknown, transfer?: Transferable[]): void;
  close(): void;
  onmessage: ((event: MessageEvent) => void) | null;
}

/** A person mask and where it lies: probabilities 0..1, or of a late mask logits; row 0 at the top. */
interface MaskImage {
  late?: boolean;
  data: Float32Array;
  width: number;
  height: number;
  /** Row-major 2×3: unit square of the mask (u right, v down) → pixels of the frame. */
  matrix: Float32Array | number[];
}

type EffectName =
  | "mask"
  | "blur"
  | "color"
  | "picture"
  | "cutout"
  | "none"
  | "parts"
  | "people"
  | "hide"
  | "pixelate"
  | "bokeh"
  | "dim"
  | "heat";

/** Colours are 0..1, sRGB. */
type Color = [number, number, number];

/** What a person chose to see. Everything has a default, see engine/compositor.js. */
interface View {
  effect: EffectName;
  /** How strongly the mask is tinted, 0..1. */
  opacity: number;
  color: Color;
  /** Radius of the blur, pixels of the frame. */
  blur: number;
  picture: ImageBitmap | null;
  mirror: boolean;
  /** Probability from which a pixel belongs to a person. */
  threshold: number;
  /** Half width of the soft edge around the threshold, in probability. */
  softness: number;
  /** Follow the edges of the picture when the mask is enlarged. */
  refine: boolean;
  /** Longest side of the canvas, pixels. */
  limit: number;
  /** Whether skeletons are drawn. */
  skeleton: boolean;
  /** Whether skeletons are drawn in one colour, however sure; as `draw_keypoints` and `draw_skeleton` do. */
  plain: boolean;
  /** Score from which a keypoint is drawn. */
  confidence: number;
  /** The colours of the 24 parts. */
  table: Color[];
  /** Which parts are hidden. */
  hidden: number[];
  /** How soft the edge of a layer is, pixels of the frame. */
  edgeBlur: number;
  /** Width of the cells of a coarse picture, pixels of the frame. */
  cell: number;
  /** Whether the outline of people is drawn. */
  contour: boolean;
  /** Whether people are covered rather than what is behind them. */
  invert: boolean;
}

// What a file is, by its bytes: to choose who opens it, to refuse what is too large, and to name what cannot be shown.

/** Bytes from `start` to before `end`, or fewer where the file ends. @typedef {(start: number, end: number) => Promise<Uint8Array>} Read */

/**
 * @typedef {object} Format
 * @property {"image" | "video" | "sound" | ""} kind "" where it is unknown
 * @property {string} name of the format or the container, for people; "" where it is unknown
 * @property {string} codec of a video; "" where it is unknown
 * @property {number} width of an image, pixels as stored; 0 where it is unknown
 * @property {number} height
 * @property {string} animation MIME type of an image that may hold several frames; "" of others
 */

/** Codecs of video tracks in MP4 and QuickTime. ref: https://mp4ra.org/registered-types/sampleentries */
/** @type {Record<string, string>} */
const CODECS = {
  ...{ avc1: "H.264", avc3: "H.264", vp08: "VP8", vp09: "VP9", av01: "AV1" },
  ...{ hvc1: "HEVC (H.265)", hev1: "HEVC (H.265)", dvh1: "HEVC (Dolby Vision)", dvhe: "HEVC (Dolby Vision)" },
  ...{ vvc1: "VVC (H.266)", vvi1: "VVC (H.266)", mp4v: "MPEG-4 Part 2", s263: "H.263" },
  ...{ jpeg: "Motion JPEG", mjpa: "Motion JPEG", mjpb: "Motion JPEG", encv: "encrypted" },
  ...{ apcn: "Apple ProRes", apch: "Apple ProRes", apcs: "Apple ProRes", apco: "Apple ProRes" },
  ...{ ap4h: "Apple ProRes", ap4x: "Apple ProRes", aprn: "Apple ProRes RAW", aprh: "Apple ProRes RAW" },
  ...{ AVdn: "DNxHD", AVdh: "DNxHR", CFHD: "CineForm", "rle ": "QuickTime Animation" },
};

/** The same in Matroska and WebM. ref: https://www.matroska.org/technical/codec_specs.html */
/** @type {Record<string, string>} */
const MATROSKA = {
  ...{ "V_MPEG4/ISO/AVC": "H.264", V_VP8: "VP8", V_VP9: "VP9", V_AV1: "AV1", V_THEORA: "Theora" },
  ...{ "V_MPEGH/ISO/HEVC": "HEVC (H.265)", V_PRORES: "Apple ProRes", V_FFV1: "FFV1", V_MJPEG: "Motion JPEG" },
  ...{ V_MPEG1: "MPEG-1", V_MPEG2: "MPEG-2", "V_MPEG4/ISO/ASP": "MPEG-4 Part 2" },
};

/** Images in ISO base media files, by brand. @type {Record<string, string>} */
const BRANDS = {
  ...{ avif: "AVIF", avis: "AVIF", heic: "HEIC", heix: "HEIC", hevc: "HEIC", hevx: "HEIC", "crx ": "Canon raw" },
  ...{ mif1: "HEIF", msf1: "HEIF" },
};

/** Where a file of some kind has which bytes. @type {[number, string, Format["kind"], string][]} */
const SIGNS = [
  [0, "II*\0", "image", "TIFF"],
  [0, "MM\0*", "image", "TIFF"],
  [0, "II+\0", "image", "TIFF"],
  [0, "MM\0+", "image", "TIFF"],
  [4, "JXL ", "image", "JPEG XL"],
  [0, "\xff\x0a", "image", "JPEG XL"],
  [4, "jP  ", "image", "JPEG 2000"],
  [0, "\xff\x4f\xff\x51", "image", "JPEG 2000"],
  [0, "8BPS", "image", "Photoshop"],
  [0, "FUJIFILMCCD-RAW", "image", "Fujifilm raw"],
  [0, "%PDF", "image", "PDF"],
  [0, "<svg", "image", "SVG"],
  [8, "AVI ", "video", "AVI"],
  [0, "FLV\x01", "video", "Flash video"],
  [0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video", "Windows Media"],
  [0, "\0\0\x01\xba", "video", "MPEG program stream"],
  [0, "\0\0\x01\xb3", "video", "MPEG video"],
  [0, "OggS", "video", "Ogg"],
  [8, "WAVE", "sound", "WAVE"],
  [0, "fLaC", "sound", "FLAC"],
  [0, "ID3", "sound", "MP3"],
  [0, "\xff\xfb", "sound", "MP3"],
];

/** What every browser decodes, so that only damage explains a failure. */
const COMMON = ["JPEG", "PNG", "GIF", "WebP", "BMP", "H.264", "VP8", "VP9"];

/** Bytes that are read at a time. */
const HEAD = 65536;

/** @param {Blob} blob @returns {Read} */
export const readBlob = (blob) => async (start, end) => new Uint8Array(await blob.slice(start, end).arrayBuffer());

/** @param {string} address on this site @returns {Read} */
export const readAddress = (address) => async (start, end) => {
  const headers = { range: `bytes=${start}-${end - 1}` };
  const { status, body } = await fetch(address, { headers }).catch(() => Response.error());
  if (!body || (status !== 206 && status !== 200)) return new Uint8Array();
  const skipped = status === 206 ? 0 : start; // a host without ranges sends the whole
  const wanted = skipped + end - start;
  const stream = body.getReader();
  const parts = [];
  for (let had = 0; had < wanted; had += parts[parts.length - 1].length) {
    const { done, value } = await stream.read();
    if (done) break;
    parts.push(value);
  }
  void stream.cancel();
  return new Uint8Array(await new Blob(parts).slice(skipped, wanted).arrayBuffer());
};

/** A file of which the beginning is at hand, and what lies about the place that was looked at last. */
class Bytes {
  #near = { at: 0, bytes: /** @type {Uint8Array} */ (new Uint8Array()) };

  /** @param {Uint8Array} head @param {Read} read */
  constructor(head, read) {
    this.head = head;
    this.read = read;
    /** A letter a byte. */
    this.text = letters(head);
  }

  /** @param {number} at @param {number} length @returns {Promise<DataView>} of `length` bytes, of zeros beyond the end */
  async view(at, length) {
    let found = this.head.subarray(at, at + length);
    if (found.length < length && this.head.length === HEAD) {
      if (at < this.#near.at || at + length > this.#near.at + this.#near.bytes.length) {
        this.#near = { at, bytes: await this.read(at, at + HEAD) };
      }
      found = this.#near.bytes.subarray(at - this.#near.at, at - this.#near.at + length);
    }
    const whole = new Uint8Array(length);
    whole.set(found);
    return new DataView(whole.buffer);
  }
}

/** One letter for each byte. @param {Uint8Array} bytes */
function letters(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return text;
}

/** @param {DataView} view @param {number} at */
const word = (view, at) => letters(new Uint8Array(view.buffer, at, 4));

/** @param {Format["kind"]} kind @param {string} name @param {Partial<Format>} [more] @returns {Format} */
const format = (kind, name, more) => ({ kind, name, codec: "", width: 0, height: 0, animation: "", ...more });

/** @param {Read} read @returns {Promise<Format>} */
export async function identify(read) {
  const file = new Bytes(await read(0, HEAD), read);
  const { text } = file;
  if (text.startsWith("\xff\xd8\xff")) return format("image", "JPEG", await jpegSize(file));
  if (text.startsWith("\x89PNG")) return png(file);
  if (text.startsWith("GIF8")) {
    const view = await file.view(6, 4);
    const size = { width: view.getUint16(0, true), height: view.getUint16(2, true) };
    return format("image", "GIF", { ...size, animation: "image/gif" });
  }
  if (text.startsWith("RIFF") && text.startsWith("WEBP", 8)) return webp(await file.view(12, 18));
  if (text.startsWith("BM") && text.startsWith("\0\0\0\0", 6)) {
    const view = await file.view(18, 8);
    return format("image", "BMP", { width: view.getUint32(0, true), height: Math.abs(view.getInt32(4, true)) });
  }
  if (text.startsWith("\0\0\x01\0")) return format("image", "ICO", await icoSize(file));
  if (/^(ftyp|moov|mdat|wide|free|skip|pnot)$/.test(text.slice(4, 8))) return isoMedia(file);
  if (text.startsWith("\x1a\x45\xdf\xa3")) return matroska(text);
  // Packets of a transport stream begin with a G, on discs behind a time of four bytes.
  for (const [first, size] of [
    [0, 188],
    [4, 192],
  ])
    // prettier-ignore
    if ([0, 1, 2].every((i) => text[first + i * size] === "G")) return format("video", "MPEG transport stream");
  const found = SIGNS.find(([at, sign]) => text.startsWith(sign, at));
  if (found) return format(found[2], found[3]);
  return text.startsWith("<?xml") && text.includes("<svg") ? format("image", "SVG") : format("", "");
}

/** ref: ITU-T T.81, B.1 @param {Bytes} file */
async function jpegSize(file) {
  for (let at = 2; ;) {
    const view = await file.view(at, 9);
    const marker = view.getUint8(1);
    if (view.getUint8(0) !== 0xff || marker === 0xda || marker === 0xd9) return {}; // the pixels, or damage
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return { width: view.getUint16(7), height: view.getUint16(5) };
    }
    at += marker === 0xff ? 1 : 2 + view.getUint16(2);
  }
}

/** ref: https://www.w3.org/TR/png-3, 11.2 @param {Bytes} file */
async function png(file) {
  const header = await file.view(16, 8);
  const size = { width: header.getUint32(0), height: header.getUint32(4) };
  for (let at = 8; ;) {
    const view = await file.view(at, 8);
    const name = word(view, 4);
    if (name === "acTL") return format("image", "PNG", { ...size, animation: "image/png" });
    if (!/^[a-zA-Z]{4}$/.test(name) || name === "IDAT" || name === "IEND") return format("image", "PNG", size);
    at += 12 + view.getUint32(0);
  }
}

/** Of the largest PNG in it; what is no PNG has at most 256 × 256 pixels. @param {Bytes} file */
async function icoSize(file) {
  let size = { width: 0, height: 0 };
  const count = (await file.view(4, 2)).getUint16(0, true);
  for (let i = 0; i < count; i++) {
    const view = await file.view((await file.view(6 + 16 * i + 12, 4)).getUint32(0, true), 24);
    const [width, height] = [view.getUint32(16), view.getUint32(20)];
    if (word(view, 0) === "\x89PNG" && width * height > size.width * size.height) size = { width, height };
  }
  return size;
}

/** ref: RFC 9649, 2 @param {DataView} view from the first chunk on */
function webp(view) {
  const kind = word(view, 0);
  if (kind === "VP8X") {
    const [width, height] = [12, 15].map((at) => 1 + (view.getUint32(at - 1, true) >>> 8));
    return format("image", "WebP", { width, height, animation: view.getUint8(8) & 2 ? "image/webp" : "" });
  }
  if (kind === "VP8L") {
    const bits = view.getUint32(9, true);
    return format("image", "WebP", { width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff) });
  }
  return format("image", "WebP", {
    width: view.getUint16(14, true) & 0x3fff,
    height: view.getUint16(16, true) & 0x3fff,
  });
}

/** MP4, QuickTime, and the images of their family. ref: ISO/IEC 14496-12, 23008-12 @param {Bytes} file */
async function isoMedia(file) {
  const { text } = file;
  const first = await file.view(0, 8);
  const brands = text.startsWith("ftyp", 4) ? text.slice(8, Math.min(first.getUint32(0), 256)).match(/[^]{4}/g) : null;
  const image = Object.keys(BRANDS).find((brand) => brands?.includes(brand));
  if (image) {
    // Of the images in the file, such as a preview and the tiles of a large one, the largest is the one that is meant.
    let [width, height] = [0, 0];
    for (let at = text.indexOf("ispe"); at >= 0; at = text.indexOf("ispe", at + 1)) {
      const view = await file.view(at + 8, 8);
      const [w, h] = [view.getUint32(0), view.getUint32(4)];
      if (w * h > width * height) [width, height] = [w, h];
    }
    const animation = brands?.includes("avis") ? "image/avif" : "";
    return format("image", BRANDS[image], { width, height, animation });
  }
  const name = brands && !brands.includes("qt  ") ? "MP4" : "QuickTime";
  const index = await find(file, ["moov"], 0, Infinity);
  if (!index) return format("video", name);
  let tracks = 0;
  for await (const track of boxes(file, index.start, index.end)) {
    if (track.name !== "trak") continue;
    tracks++;
    const handler = await find(file, ["mdia", "hdlr"], track.start, track.end);
    if (!handler || word(await file.view(handler.start + 8, 4), 0) !== "vide") continue;
    const kinds = await find(file, ["mdia", "minf", "stbl", "stsd"], track.start, track.end);
    const codec = kinds ? word(await file.view(kinds.start + 12, 4), 0) : "";
    return format("video", name, { codec: CODECS[codec] ?? codec.trim() });
  }
  return format(tracks ? "sound" : "video", name);
}

/** @typedef {{name: string, start: number, end: number}} Box where its content lies */

/** @param {Bytes} file @param {number} at @param {number} end @returns {AsyncGenerator<Box>} */
async function* boxes(file, at, end) {
  while (at + 8 <= end) {
    const view = await file.view(at, 16);
    const [short, name] = [view.getUint32(0), word(view, 4)];
    const size = short === 1 ? Number(view.getBigUint64(8)) : short || end - at;
    if (size < 8 || !/^[ -~]{4}$/.test(name)) return; // damaged, or the end
    yield { name, start: at + (short === 1 ? 16 : 8), end: Math.min(at + size, end) };
    at += size;
  }
}

/** The first box with these names, one in the other. @param {Bytes} file @param {string[]} path @param {number} start @param {number} end @returns {Promise<Box | null>} */
async function find(file, [name, ...inner], start, end) {
  for await (const box of boxes(file, start, end)) {
    if (box.name === name) return inner.length ? find(file, inner, box.start, box.end) : box;
  }
  return null;
}

/** @param {string} text of its beginning */
function matroska(text) {
  const name = text.slice(0, 64).includes("webm") ? "WebM" : "Matroska";
  const [, length, after] = /\x86([\x82-\xff])(V_[^]*)/.exec(text) ?? [];
  const id = length ? after.slice(0, length.charCodeAt(0) & 0x7f) : "";
  if (!id && /\x86[\x82-\xff]A_/.test(text)) return format("sound", name);
  return format("video", name, { codec: MATROSKA[id] ?? id });
}

/**
 * Why a file was not shown, and what to do, in two sentences.
 * @param {Format} format
 * @param {boolean} [damaged] whether it is known to be
 */
export function explain({ kind, name, codec }, damaged = false) {
  const what = codec || name;
  if (damaged || COMMON.includes(what)) {
    const known = `The ${what ? what + " " : ""}${kind === "image" ? "picture" : "video"}`;
    return `${known} is damaged, or of a rare kind. Open another copy of it.`;
  }
  if (kind === "image")
    return `${name} pictures cannot be shown in this browser. Save it as PNG or JPEG, then open that.`;
  if (kind !== "video") return "";
  const way = "Convert it to MP4 with H.264, then open that.";
  if (codec) return `Video in ${codec} cannot be shown in this browser. ${way}`;
  if (["MP4", "QuickTime", "WebM"].includes(name))
    return `The ${name} file does not say what it holds: it is damaged. Open another copy of it.`;
  return `${name} files cannot be shown in this browser. ${way}`;
}

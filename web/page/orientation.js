// How a picture is turned upright, where browsers differ in whether they do it: PNG and WebP with EXIF.

/** The tag of EXIF that says so. ref: CIPA DC-008 (Exif 3.0), 4.6.4 */
const ORIENTATION = 0x112;

/**
 * Takes the turning out of a PNG or WebP file, so that no browser does it by itself; others are left to the browser.
 * @param {Blob} blob
 * @returns {Promise<{upright: Blob, orientation: number}>} the file to decode, and how its pixels are to be turned then:
 *   1 to 8, as EXIF counts; 1 is not at all
 */
export async function orient(blob) {
  const start = new Uint8Array(await blob.slice(0, 12).arrayBuffer());
  const walk = word(start, 0) === "\x89PNG" ? pngExif : word(start, 8) === "WEBP" ? webpExif : null;
  if (!walk) return { upright: blob, orientation: 1 };
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const place = walk(new DataView(bytes.buffer));
  const tag = place && findTag(new DataView(bytes.buffer, place.at, place.length));
  if (!tag || tag.value < 2 || tag.value > 8) return { upright: blob, orientation: 1 };
  // The chunk's checksum no longer fits, for which a decoder passes it over: as good.
  new DataView(bytes.buffer, place.at).setUint16(tag.at, 1, tag.little);
  return { upright: new Blob([bytes], { type: blob.type }), orientation: tag.value };
}

/** Four letters. @param {Uint8Array | DataView} bytes @param {number} at */
function word(bytes, at) {
  const four = new Uint8Array(bytes.buffer, bytes.byteOffset + at, Math.min(4, Math.max(0, bytes.byteLength - at)));
  return String.fromCharCode(...four);
}

/** @param {DataView} view of a PNG file */
function pngExif(view) {
  for (let at = 8; at + 12 <= view.byteLength;) {
    const length = view.getUint32(at);
    if (at + 12 + length > view.byteLength) break;
    if (word(view, at + 4) === "eXIf") return { at: at + 8, length };
    at += 12 + length;
  }
  return null;
}

/** @param {DataView} view of a WebP file */
function webpExif(view) {
  for (let at = 12; at + 8 <= view.byteLength;) {
    const length = view.getUint32(at + 4, true);
    if (at + 8 + length > view.byteLength) break;
    if (word(view, at) === "EXIF") {
      const skipped = word(view, at + 8) === "Exif" ? 6 : 0; // as in JPEG, which some programs copy
      return { at: at + 8 + skipped, length: length - skipped };
    }
    at += 8 + length + (length % 2);
  }
  return null;
}

/** @param {DataView} view of EXIF, which is laid out as a TIFF file */
function findTag(view) {
  if (view.byteLength < 8) return null;
  const little = view.getUint8(0) === 0x49;
  const first = view.getUint32(4, little);
  if (first + 2 > view.byteLength) return null;
  for (let i = 0, at = first + 2; i < view.getUint16(first, little) && at + 12 <= view.byteLength; i++, at += 12) {
    if (view.getUint16(at, little) === ORIENTATION) {
      return { at: at + 8, value: view.getUint16(at + 8, little), little };
    }
  }
  return null;
}

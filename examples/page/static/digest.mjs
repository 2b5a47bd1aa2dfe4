// The digest of a state, in which the order of its pairs plays no part: what docs/formats.md tells.

import { blake3 } from "./blake3.mjs";
import { bytesOf } from "./block.mjs";

const LANES = 1024;

/** A digest of 32 bytes, of a map from keys as text to values as bytes. */
export function digestOf(pairs) {
  const lanes = new Uint16Array(LANES);
  for (const [text, value] of pairs) {
    const key = bytesOf(text);
    const bytes = new Uint8Array(4 + key.length + value.length);
    new DataView(bytes.buffer).setUint32(0, key.length, true);
    bytes.set(key, 4);
    bytes.set(value, 4 + key.length);
    const words = blake3(bytes, LANES / 2);
    for (let at = 0; at < words.length; at++) {
      lanes[2 * at] += words[at];
      lanes[2 * at + 1] += words[at] >>> 16;
    }
  }
  const stored = new DataView(new ArrayBuffer(2 * LANES));
  lanes.forEach((lane, at) => stored.setUint16(2 * at, lane, true));
  const digest = new DataView(new ArrayBuffer(32));
  blake3(new Uint8Array(stored.buffer), 8).forEach((word, at) => digest.setUint32(4 * at, word, true));
  return new Uint8Array(digest.buffer);
}

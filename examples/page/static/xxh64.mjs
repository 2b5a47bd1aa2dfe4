// XXH64, the checksum of images.

const [P1, P2, P3, P4, P5] = [
  0x9e3779b185ebca87n,
  0xc2b2ae3d27d4eb4fn,
  0x165667b19e3779f9n,
  0x85ebca77c2b2ae63n,
  0x27d4eb2f165667c5n,
];

const low = (number) => BigInt.asUintN(64, number);
const times = (a, b) => BigInt.asUintN(64, a * b);
const rotated = (number, by) => BigInt.asUintN(64, (number << by) | (number >> (64n - by)));
const round = (lane, word) => times(rotated(low(lane + times(word, P2)), 31n), P1);
const merged = (hash, lane) => low(times(hash ^ round(0n, lane), P1) + P4);

/** The sum of a Uint8Array, with a seed; both are BigInts of 64 bits. */
export function xxh64(bytes, seed) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = bytes.length;
  let at = 0;
  let hash = low(seed + P5);
  if (length >= 32) {
    let [a, b, c, d] = [low(seed + P1 + P2), low(seed + P2), seed, low(seed - P1)];
    for (; at + 32 <= length; at += 32) {
      a = round(a, view.getBigUint64(at, true));
      b = round(b, view.getBigUint64(at + 8, true));
      c = round(c, view.getBigUint64(at + 16, true));
      d = round(d, view.getBigUint64(at + 24, true));
    }
    hash = low(rotated(a, 1n) + rotated(b, 7n) + rotated(c, 12n) + rotated(d, 18n));
    hash = [a, b, c, d].reduce(merged, hash);
  }
  hash = low(hash + BigInt(length));
  for (; at + 8 <= length; at += 8) {
    hash = low(times(rotated(hash ^ round(0n, view.getBigUint64(at, true)), 27n), P1) + P4);
  }
  if (at + 4 <= length) {
    hash = low(times(rotated(hash ^ times(BigInt(view.getUint32(at, true)), P1), 23n), P2) + P3);
    at += 4;
  }
  for (; at < length; at++) hash = times(rotated(hash ^ times(BigInt(view.getUint8(at)), P5), 11n), P1);
  hash = times(hash ^ (hash >> 33n), P2);
  hash = times(hash ^ (hash >> 29n), P3);
  return hash ^ (hash >> 32n);
}

// Images of the cache, as files: what docs/formats.md tells, uncompressed.

import { bytesOf, growTo, textOf } from "./block.mjs";
import { ENTRY_HEADER_BYTES, REGION_HEADER_BYTES, imageParts } from "./region.mjs";
import { xxh64 } from "./xxh64.mjs";

const MAGIC = "stdfimge";
const HEAD_BYTES = 96;
const USER_TAG = 76;
const [CHANGING, CLOSED] = [2, 3];
/** Counters of the header and of its pools: where each run of them begins, and its bytes. */
const COUNTERS = [
  [152, 48],
  ...[0, 1, 2, 3].map((pool) => [232 + 64 * pool + 24, 24]),
];

export const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const short = (digest) => hex(digest).slice(0, 12);
const beginsAs = (bytes, magic) => textOf(bytes.subarray(0, magic.length)) === magic;

/** The tag of the block with this height and hash, in a chain without a name, as `steadfast run` tags images. */
export function blockTag(height, hash) {
  const tag = new Uint8Array(40);
  new DataView(tag.buffer).setUint32(4, height, true);
  tag.set(hash, 8);
  return tag;
}

/** The file of an image of the region at an address, taken after the block of a tag: with the digests of its module and of the state.
 * Undefined where there is no cache. */
export function capture(memory, base, module, state, tag) {
  const region = new Uint8Array(memory.buffer).subarray(base);
  const parts = imageParts(region);
  if (parts === undefined) return undefined;
  const lengths = parts.map(([start, end]) => end - start);
  const file = new Uint8Array(HEAD_BYTES + lengths[0] + lengths[1]);
  file.set(region.subarray(...parts[0]), HEAD_BYTES);
  file.set(region.subarray(...parts[1]), HEAD_BYTES + lengths[0]);
  file.set(tag, HEAD_BYTES + USER_TAG);
  close(file.subarray(HEAD_BYTES), parts);
  writeHead(file, base, module, state);
  return file;
}

/** Makes what was copied out of a region an image that is checked when a module attaches to it. */
function close(image, [[, indexEnd], [arena, frontier]]) {
  const header = new DataView(image.buffer, image.byteOffset, REGION_HEADER_BYTES);
  if (header.getUint32(72, true) === CHANGING) throw new Error("the module was stopped in the middle of an operation of its cache");
  header.setUint32(40, Math.max(frontier, arena + ENTRY_HEADER_BYTES), true);
  header.setUint32(72, CLOSED, true);
  for (const [start, length] of COUNTERS) image.fill(0, start, start + length);
  const index = xxh64(image.subarray(REGION_HEADER_BYTES, indexEnd), 0n);
  header.setBigUint64(208, xxh64(image.subarray(indexEnd), index), true);
  const before = xxh64(image.subarray(0, 216), 0n);
  header.setBigUint64(216, xxh64(image.subarray(224, REGION_HEADER_BYTES), before), true);
}

function writeHead(file, base, module, state) {
  const head = new DataView(file.buffer, 0, HEAD_BYTES);
  file.set(bytesOf(MAGIC));
  head.setUint32(8, 1, true);
  file.set(module, 16);
  file.set(state, 48);
  head.setUint32(80, base, true);
  head.setBigUint64(88, xxh64(file.subarray(0, 88), 0n), true);
}

/** Checks that a file holds an image of the module's cache as of the state, or tells why it does not. What stands in the image itself
 * is for the module to check. */
export function check(file, base, module, state) {
  const head = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < HEAD_BYTES || !beginsAs(file, MAGIC) || head.getBigUint64(88, true) !== xxh64(file.subarray(0, 88), 0n)) {
    throw new Error("the file does not begin as an image does");
  }
  if (head.getUint32(8, true) !== 1) throw new Error(`the file has format version ${head.getUint32(8, true)}, and this page reads 1`);
  if (head.getUint32(12, true) !== 0) throw new Error("the image is compressed, and this page reads it as it is");
  const belongs = (what, found, expected) => {
    if (hex(found) !== hex(expected)) {
      throw new Error(`the image belongs to the ${what} ${short(found)}, and the ${what} is ${short(expected)}`);
    }
  };
  belongs("module", file.subarray(16, 48), module);
  belongs("state", file.subarray(48, 80), state);
  if (head.getUint32(80, true) !== base) throw new Error("the image is of a region at another address");
  const image = file.subarray(HEAD_BYTES);
  const parts = imageParts(image);
  if (parts === undefined) throw new Error("the file holds no region");
  const [[, indexEnd], [arena, frontier]] = parts;
  if (frontier < arena || image.length !== indexEnd + frontier - arena) {
    throw new Error("the image has not as many bytes as its header says");
  }
}

/** Writes the image of a file that was checked into an instance's memory, before its first instruction. */
export function restore(file, memory) {
  const base = new DataView(file.buffer, file.byteOffset).getUint32(80, true);
  const image = file.subarray(HEAD_BYTES);
  const [[, indexEnd], [arena, frontier]] = imageParts(image);
  growTo(memory, base + frontier);
  const bytes = new Uint8Array(memory.buffer);
  bytes.set(image.subarray(0, indexEnd), base);
  bytes.set(image.subarray(indexEnd), base + arena);
}

// The state that an indexer builds: a Map of values by key, each key in the form that `textOf` gives it.

import { bytesOf, textOf } from "./block.mjs";

const LIST_ITEM = 0x0a;

/** The items of a flush, a protobuf message whose field 1 is a repeated `bytes`: key, value, key, value. */
function* items(message) {
  let at = 0;
  while (at < message.length) {
    if (message[at++] !== LIST_ITEM) throw new Error("the flush holds something else than keys and values");
    let length = 0;
    let shift = 0;
    let byte;
    do {
      byte = message[at++];
      length += (byte & 0x7f) * 2 ** shift;
      shift += 7;
    } while (byte & 0x80);
    if (!(at + length <= message.length)) throw new Error("the flush is cut short");
    yield message.subarray(at, at + length);
    at += length;
  }
}

/** Writes what a block flushed. An empty value deletes its key. */
export function apply(state, message) {
  let key;
  for (const item of items(message)) {
    if (key === undefined) {
      key = textOf(item);
    } else {
      if (item.length > 0) state.set(key, item);
      else state.delete(key);
      key = undefined;
    }
  }
  if (key !== undefined) throw new Error("the last key of the flush has no value");
}

/** All pairs in the order of their keys, each byte string behind its length: what `readState` reads. */
export function encode(state) {
  const pairs = [...state].sort(([a], [b]) => (a < b ? -1 : 1));
  const bytes = new Uint8Array(pairs.reduce((sum, [key, value]) => sum + 8 + key.length + value.length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [key, value] of pairs) {
    for (const part of [bytesOf(key), value]) {
      view.setUint32(at, part.length, true);
      bytes.set(part, at + 4);
      at += 4 + part.length;
    }
  }
  return bytes;
}

// Runs one block in a JavaScript engine and tells what the module did. Nothing here knows which engine it is.

import { imageParts } from "./region.mjs";

const UNREADABLE = 0x7fffffff;
const PAGE_BYTES = 65536;

/** Bytes as a string of one character a byte, which is what a Map can have for a key. */
export function textOf(bytes) {
  const parts = [];
  for (let at = 0; at < bytes.length; at += 8192) {
    parts.push(String.fromCharCode(...bytes.subarray(at, at + 8192)));
  }
  return parts.join("");
}

export function bytesOf(text) {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

const decoded = (base64) => bytesOf(atob(base64));
const encoded = (bytes) => btoa(textOf(bytes));

/** A Map of pairs of byte strings, each of which stands behind its length. */
export function readState(bytes) {
  const view = new DataView(bytes.buffer);
  const pairs = new Map();
  let at = 0;
  const next = () => {
    const start = at + 4;
    at = start + view.getUint32(at, true);
    return bytes.subarray(start, at);
  };
  while (at < bytes.length) {
    const key = textOf(next());
    pairs.set(key, next());
  }
  return pairs;
}

/** Metashrew's imports over a Map, for one instance. */
export class Host {
  /** Calls, reads of the state and log lines apart: names, and the bytes handed over. */
  calls = [];
  /** The messages that were flushed. */
  flushes = [];
  /** The instance's memory, to be set before its first instruction. */
  memory;

  /** What may still be flushed and called. */
  #left;

  /** The height and the block, what earlier blocks wrote, by `textOf` each key, and how much may be handed over. */
  constructor(input, state, left = { bytes: Infinity, calls: Infinity }) {
    this.#left = { ...left };
    const value = (key) => state.get(textOf(key));
    this.imports = {
      __host_len: () => {
        this.#note("__host_len", 4);
        return input.length;
      },
      __load_input: (pointer) => {
        this.#note("__load_input", input.length);
        this.#bytes().set(input, pointer);
      },
      __get_len: (pointer) => {
        const key = this.#byteString(pointer);
        return key === undefined ? UNREADABLE : (value(key)?.length ?? 0);
      },
      __get: (pointer, target) => {
        const found = value(this.#readable("__get", pointer));
        if (found !== undefined) this.#bytes().set(found, target);
      },
      __flush: (pointer) => {
        const message = this.#readable("__flush", pointer);
        this.#note("__flush", message.length);
        this.#left.bytes -= message.length;
        if (this.#left.bytes < 0) throw new Error("the guest went too far: it flushes more than the host takes");
        this.flushes.push(message.slice());
      },
      __log: (pointer) => {
        this.#readable("__log", pointer);
      },
      // Where an image is to be found, it stands in memory before the module starts.
      __load_image: () => 0,
      __offer_image: () => {},
    };
  }

  #note(name, bytes) {
    this.#left.calls -= 1;
    if (this.#left.calls < 0) throw new Error("the guest went too far: it makes more calls than the host notes");
    this.calls.push([name, bytes]);
  }

  #bytes() {
    return new Uint8Array(this.memory.buffer);
  }

  /** The byte string at a pointer, or undefined where none stands. */
  #byteString(pointer) {
    const bytes = this.#bytes();
    if (pointer < 4 || pointer > bytes.length) return undefined;
    const end = pointer + new DataView(bytes.buffer).getUint32(pointer - 4, true);
    return end <= bytes.length ? bytes.subarray(pointer, end) : undefined;
  }

  #readable(name, pointer) {
    const bytes = this.#byteString(pointer);
    if (bytes === undefined) throw new Error(`${name} was handed pointer ${pointer}, where no readable byte string stands`);
    return bytes;
  }
}

/** Grows memory to so many bytes, unless it has them. */
export function growTo(memory, bytes) {
  const more = Math.ceil((bytes - memory.buffer.byteLength) / PAGE_BYTES);
  if (more > 0) memory.grow(more);
}

/** Puts the parts of an image where the module looks for it. */
function restore(image, memory) {
  for (const [address, part] of image) {
    const bytes = decoded(part);
    growTo(memory, address + bytes.length);
    new Uint8Array(memory.buffer).set(bytes, address);
  }
}

/** The parts of an image of the region at an address, each behind its own address. */
function captured(memory, base) {
  const region = new Uint8Array(memory.buffer).subarray(base);
  const parts = imageParts(region) ?? [];
  return parts.map(([start, end]) => [base + start, encoded(region.subarray(start, end))]);
}

/** Runs a block as a job tells. */
async function run(job) {
  const host = new Host(decoded(job.input), readState(decoded(job.state)), {
    bytes: job.flush_bytes,
    calls: job.most_calls,
  });
  const module = await WebAssembly.compile(decoded(job.module));
  const instance = await WebAssembly.instantiate(module, { env: host.imports });
  const memory = instance.exports.memory;
  host.memory = memory;
  if (job.pregrow !== null) growTo(memory, job.pregrow * PAGE_BYTES);
  const infoAt = instance.exports[job.info]?.value;
  restore(job.image, memory);
  if (infoAt !== undefined) {
    const info = new DataView(memory.buffer, infoAt);
    if (job.cache !== null) info.setUint32(job.cache_limit_offset, job.cache, true);
    if (job.forget !== null) info.setUint32(job.forget_seed_offset, job.forget, true);
    new Uint8Array(memory.buffer).set(job.module_tag, infoAt + job.module_tag_offset);
  }
  let stopped = null;
  let too_deep = false;
  try {
    instance.exports._start();
  } catch (error) {
    stopped = `the guest trapped: ${error.message}`;
    // V8's words, and SpiderMonkey's: neither engine has a type for it.
    too_deep = /call stack size exceeded|too much recursion/.test(error.message);
  }
  const info = infoAt === undefined ? null : encoded(new Uint8Array(memory.buffer, infoAt, job.info_bytes));
  const region = infoAt === undefined ? 0 : new DataView(memory.buffer, infoAt).getUint32(job.region_start_offset, true);
  const image = job.captures && stopped === null && region > 0 ? captured(memory, region) : [];
  return { stopped, too_deep, info, image, calls: host.calls, flushes: host.flushes.map(encoded) };
}

/** What became of a job: what the module did, or why it could not be run. */
export async function answer(job) {
  try {
    return await run(job);
  } catch (error) {
    return { failed: String(error.message) };
  }
}

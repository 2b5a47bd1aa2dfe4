// Runs one block in a fresh instance, away from the page, which is sent a map of the memory now and then.

import { Host, readState } from "./block.mjs";
import { digestOf } from "./digest.mjs";
import { blockTag, capture, restore, sha256 } from "./image.mjs";
import { apply, encode } from "./state.mjs";
import { MODULE_TAG, survey } from "./survey.mjs";

/** A map is drawn so often, in milliseconds, and takes at most this share of the time. */
const FRAME_MS = 25;
const SHARE = 1 / 4;

const HEIGHT_BYTES = 4;
const BLOCK_HEADER_BYTES = 80;

/** What an image says that it is as of. */
async function tagOf(input) {
  const header = input.subarray(HEIGHT_BYTES, HEIGHT_BYTES + BLOCK_HEADER_BYTES);
  const height = new DataView(input.buffer, input.byteOffset).getUint32(0, true);
  return blockTag(height, await sha256(await sha256(header)));
}

/** Sends maps while the module runs: whenever it calls the host, nothing in its memory moves. */
class Live {
  /** Milliseconds that it took so far. */
  spent = 0;
  #next = 0;

  constructor(memory, infoAt) {
    this.look = () => survey(memory, infoAt);
  }

  frame() {
    const begun = performance.now();
    if (begun < this.#next) return;
    postMessage({ map: this.look() });
    const took = performance.now() - begun;
    this.spent += took;
    this.#next = performance.now() + Math.max(FRAME_MS, took / SHARE);
  }
}

/** Why something could not be done; undefined where it could. */
function refusal(attempt) {
  try {
    attempt();
  } catch (error) {
    return error.message;
  }
}

async function run({ module, digest, base, input, state, image }) {
  const pairs = readState(state);
  const host = new Host(input, pairs);
  let live;
  let reads = 0;
  const watched = (name, call) => (...pointers) => {
    if (name === "__get" || name === "__get_len") reads++;
    live.frame();
    return call(...pointers);
  };
  const env = Object.fromEntries(Object.entries(host.imports).map(([name, call]) => [name, watched(name, call)]));
  const { exports } = await WebAssembly.instantiate(module, { env });
  host.memory = exports.memory;
  const infoAt = exports.steadfast_record.value;
  live = new Live(exports.memory, infoAt);
  new Uint8Array(exports.memory.buffer).set(digest.subarray(0, 8), infoAt + MODULE_TAG);
  const refused = image && refusal(() => restore(image, exports.memory));
  const begun = performance.now();
  exports._start();
  const milliseconds = performance.now() - begun - live.spent;
  if (host.flushes.length === 0) throw new Error("the module handed over nothing");
  for (const message of host.flushes) apply(pairs, message);
  const written = encode(pairs);
  const stateDigest = digestOf(pairs);
  return {
    map: live.look(),
    refused,
    milliseconds,
    reads,
    pairs: pairs.size,
    state: written,
    stateDigest,
    image: capture(exports.memory, base, digest, stateDigest, await tagOf(input)),
  };
}

onmessage = async ({ data: job }) => {
  try {
    postMessage({ ran: await run(job) });
  } catch (error) {
    postMessage({ failed: error.message });
  }
};

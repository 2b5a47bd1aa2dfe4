// BLAKE3, unkeyed, with output of any length.

const IV = new Uint32Array([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
]);
const BLOCK_BYTES = 64;
const CHUNK_BYTES = 1024;
const [CHUNK_START, CHUNK_END, PARENT, ROOT] = [1, 2, 4, 8];
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const ROUNDS = 7;

/** The words of the message in each round. */
const SCHEDULE = [[...PERMUTATION.keys()]];
while (SCHEDULE.length < ROUNDS) SCHEDULE.push(PERMUTATION.map((at) => SCHEDULE.at(-1)[at]));

const state = new Uint32Array(16);

function mix(a, b, c, d, x, y) {
  state[a] += state[b] + x;
  let word = state[d] ^ state[a];
  state[d] = (word >>> 16) | (word << 16);
  state[c] += state[d];
  word = state[b] ^ state[c];
  state[b] = (word >>> 12) | (word << 20);
  state[a] += state[b] + y;
  word = state[d] ^ state[a];
  state[d] = (word >>> 8) | (word << 24);
  state[c] += state[d];
  word = state[b] ^ state[c];
  state[b] = (word >>> 7) | (word << 25);
}

/** Leaves 16 words in `state`, of which the first eight are the next chaining value. */
function compress({ chain, words, counter, length, flags }) {
  state.set(chain);
  state.set(IV.subarray(0, 4), 8);
  state[12] = counter;
  state[13] = Math.floor(counter / 2 ** 32);
  state[14] = length;
  state[15] = flags;
  for (const s of SCHEDULE) {
    mix(0, 4, 8, 12, words[s[0]], words[s[1]]);
    mix(1, 5, 9, 13, words[s[2]], words[s[3]]);
    mix(2, 6, 10, 14, words[s[4]], words[s[5]]);
    mix(3, 7, 11, 15, words[s[6]], words[s[7]]);
    mix(0, 5, 10, 15, words[s[8]], words[s[9]]);
    mix(1, 6, 11, 12, words[s[10]], words[s[11]]);
    mix(2, 7, 8, 13, words[s[12]], words[s[13]]);
    mix(3, 4, 9, 14, words[s[14]], words[s[15]]);
  }
  for (let at = 0; at < 8; at++) {
    state[at] ^= state[at + 8];
    state[at + 8] ^= chain[at];
  }
}

function chained(node) {
  compress(node);
  return state.slice(0, 8);
}

function wordsOf(block) {
  const words = new Uint32Array(16);
  for (let at = 0; at < block.length; at++) words[at >> 2] |= block[at] << (8 * (at & 3));
  return words;
}

/** The last block of a chunk, not compressed yet. */
function chunk(bytes, counter) {
  let [chain, flags] = [IV, CHUNK_START];
  let at = 0;
  for (; bytes.length - at > BLOCK_BYTES; at += BLOCK_BYTES) {
    const words = wordsOf(bytes.subarray(at, at + BLOCK_BYTES));
    chain = chained({ chain, words, counter, length: BLOCK_BYTES, flags });
    flags = 0;
  }
  const last = bytes.subarray(at);
  return { chain, words: wordsOf(last), counter, length: last.length, flags: flags | CHUNK_END };
}

/** The root of a tree over bytes that begin with a chunk of this number: its left part is the largest power of two that leaves
 * something for the right one. */
function tree(bytes, counter) {
  if (bytes.length <= CHUNK_BYTES) return chunk(bytes, counter);
  const chunks = Math.ceil(bytes.length / CHUNK_BYTES);
  const left = 2 ** Math.floor(Math.log2(chunks - 1));
  const at = left * CHUNK_BYTES;
  const words = new Uint32Array(16);
  words.set(chained(tree(bytes.subarray(0, at), counter)));
  words.set(chained(tree(bytes.subarray(at), counter + left)), 8);
  return { chain: IV, words, counter: 0, length: BLOCK_BYTES, flags: PARENT };
}

/** The first bytes of the hash's output, as words in little-endian order. */
export function blake3(bytes, words) {
  const output = new Uint32Array(words);
  const root = tree(bytes, 0);
  for (let at = 0; at < words; at += 16) {
    compress({ ...root, counter: at / 16, flags: root.flags | ROOT });
    output.set(state.subarray(0, Math.min(16, words - at)), at);
  }
  return output;
}

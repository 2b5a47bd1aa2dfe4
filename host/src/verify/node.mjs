// Runs one block in V8 and tells what the module did: the job is a JSON file, and so is the answer.

import { openSync, readFileSync, writeFileSync } from "node:fs";
import { WASI } from "node:wasi";

const UNREADABLE = 0x7fffffff;

const job = JSON.parse(readFileSync(process.argv[2], "utf8"));
const input = readFileSync(job.input);
const state = readState(readFileSync(job.state));
const calls = [];
const flushes = [];
let memory;

/** Pairs of byte strings, each behind its length; keys as strings of one character a byte. */
function readState(bytes) {
  const pairs = new Map();
  let at = 0;
  const next = () => {
    const start = at + 4;
    at = start + bytes.readUInt32LE(at);
    return bytes.subarray(start, at);
  };
  while (at < bytes.length) {
    const key = next().toString("latin1");
    pairs.set(key, next());
  }
  return pairs;
}

/** The byte string at a pointer, or undefined where none stands. */
function byteString(pointer) {
  const bytes = Buffer.from(memory.buffer);
  if (pointer < 4 || pointer > bytes.length) return undefined;
  const end = pointer + bytes.readUInt32LE(pointer - 4);
  return end <= bytes.length ? bytes.subarray(pointer, end) : undefined;
}

function readable(name, pointer) {
  const bytes = byteString(pointer);
  if (bytes === undefined) throw new Error(`${name} was handed pointer ${pointer}, where no readable byte string stands`);
  return bytes;
}

function value(key) {
  return state.get(key.toString("latin1"));
}

const env = {
  __host_len() {
    calls.push(["__host_len", 4]);
    return input.length;
  },
  __load_input(pointer) {
    calls.push(["__load_input", input.length]);
    Buffer.from(memory.buffer).set(input, pointer);
  },
  __get_len(pointer) {
    const key = byteString(pointer);
    return key === undefined ? UNREADABLE : (value(key)?.length ?? 0);
  },
  __get(pointer, target) {
    const found = value(readable("__get", pointer));
    if (found !== undefined) Buffer.from(memory.buffer).set(found, target);
  },
  __flush(pointer) {
    const message = readable("__flush", pointer);
    calls.push(["__flush", message.length]);
    flushes.push(message.toString("base64"));
  },
  __log(pointer) {
    readable("__log", pointer);
  },
};

function start() {
  const module = new WebAssembly.Module(readFileSync(job.module));
  const nowhere = openSync("/dev/null", "r+");
  const wasi = new WASI({
    version: "preview1",
    env: job.env,
    preopens: job.input_directory ? { [job.guest_directory]: job.input_directory } : {},
    stdin: nowhere,
    stdout: nowhere,
    stderr: nowhere,
    returnOnExit: true,
  });
  const instance = new WebAssembly.Instance(module, { env, wasi_snapshot_preview1: wasi.wasiImport });
  memory = instance.exports.memory;
  if (job.pregrow !== null) {
    const more = job.pregrow - memory.buffer.byteLength / 65536;
    if (more > 0) memory.grow(more);
  }
  const recordAt = instance.exports[job.record]?.value;
  if (job.cache !== null && recordAt !== undefined) {
    new DataView(memory.buffer).setUint32(recordAt + job.cache_limit_offset, job.cache, true);
  }
  let stopped = null;
  try {
    if (job.input_directory) {
      const status = wasi.start(instance);
      if (status) stopped = `the guest exited with status ${status}`;
    } else {
      instance.exports._start();
    }
  } catch (error) {
    stopped = `the guest trapped: ${error.message}`;
  }
  const record = recordAt === undefined ? null : Buffer.from(memory.buffer).subarray(recordAt).subarray(0, job.record_bytes);
  return { stopped, calls, flushes, record: record && record.toString("base64") };
}

let answer;
try {
  answer = start();
} catch (error) {
  answer = { failed: String(error.message) };
}
writeFileSync(job.answer, JSON.stringify(answer));

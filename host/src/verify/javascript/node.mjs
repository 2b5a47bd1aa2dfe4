// Runs the job that stands in one file, in Node, and writes its answer into another.

import { openSync, readFileSync, writeFileSync } from "node:fs";
import { WASI } from "node:wasi";

import { answer } from "./block.mjs";

const [jobFile, answerFile] = process.argv.slice(2);
const job = JSON.parse(readFileSync(jobFile, "utf8"));

function world() {
  const wasi = new WASI({
    version: "preview1",
    env: job.env,
    preopens: { [job.guest_directory]: job.input_directory },
    stdin: openSync("/dev/null", "r"),
    stdout: openSync(job.stdout, "w"),
    stderr: openSync(job.stderr, "w"),
    returnOnExit: true,
  });
  return {
    imports: { wasi_snapshot_preview1: wasi.wasiImport },
    start: (instance) => wasi.start(instance),
  };
}

writeFileSync(answerFile, JSON.stringify(await answer(job, job.input_directory && world())));

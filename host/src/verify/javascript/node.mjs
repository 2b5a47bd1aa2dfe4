// Runs the job that stands in one file, in Node, and writes its answer into another.

import { readFileSync, writeFileSync } from "node:fs";

import { answer } from "./block.mjs";

const [jobFile, answerFile] = process.argv.slice(2);
const job = JSON.parse(readFileSync(jobFile, "utf8"));
writeFileSync(answerFile, JSON.stringify(await answer(job)));

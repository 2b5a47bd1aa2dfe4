// The page: what is chosen, what is kept from run to run, and what is shown of each.

import { readState } from "./block.mjs";
import { digestOf } from "./digest.mjs";
import { inputOf } from "./block-file.mjs";
import { check, hex, sha256 } from "./image.mjs";
import { draw } from "./map.mjs";
import { load, save } from "./store.mjs";
import { grouped, planOf, sized, surveyOfPlan } from "./survey.mjs";

const $ = (id) => document.getElementById(id);
const read = async (file) => new Uint8Array(await file.arrayBuffer());

async function fetched(name) {
  const response = await fetch(name);
  if (!response.ok) throw new Error(`${name}: ${response.status} ${response.statusText}`);
  return read(response);
}

const moduleBytes = await fetched("indexer.wasm");
const module = await WebAssembly.compile(moduleBytes);
const digest = await sha256(moduleBytes);
const plan = planOf(module);

/** The state that earlier runs built. */
let state = await load();
let stateDigest = digestOf(readState(state));
/** The image that the next run begins with, if any: its bytes, and where they are from. */
let image;
let runs = 0;

function tell(text, isWrong = false) {
  $("told").textContent = text;
  $("told").className = isWrong ? "wrong" : "";
}

/** Does what a button or a choice asks for, and tells what goes wrong. */
function on(id, event, action) {
  $(id).addEventListener(event, async () => {
    for (const button of document.querySelectorAll("button, input")) button.disabled = true;
    try {
      await action();
    } catch (error) {
      tell(error.message, true);
    }
    for (const button of document.querySelectorAll("button, input")) button.disabled = false;
    show();
  });
}

function show() {
  $("image-told").textContent = image ? `${image.from}, ${sized(image.bytes.length)}` : "none: the cache begins empty";
  $("state-told").textContent = `${grouped(readState(state).size)} pairs, digest ${hex(stateDigest).slice(0, 16)}`;
  $("save").disabled = $("drop").disabled = !image;
  $("over").disabled = state.length === 0;
}

/** What the module made of the block, in a worker of its own. */
function inWorker(job) {
  const worker = new Worker("worker.mjs", { type: "module" });
  return new Promise((resolve, reject) => {
    worker.postMessage(job);
    worker.onerror = (event) => reject(new Error(event.message));
    worker.onmessage = ({ data: { map, ran, failed } }) => {
      if (map) draw($("map"), map);
      if (ran) resolve(ran);
      if (failed) reject(new Error(`the block failed, and nothing was kept of it: ${failed}`));
    };
  }).finally(() => worker.terminate());
}

async function run() {
  const [file] = $("block").files;
  const input = inputOf(file ? await read(file) : await fetched("demo.block"));
  tell("running…");
  const job = { module, digest, base: plan.regionBase, input, state, image: image?.bytes };
  const ran = await inWorker(job);
  await save(ran.state);
  runs += 1;
  const { began, cache } = ran.map;
  const isRefused = image && !began.startsWith("warm");
  [state, stateDigest] = [ran.state, ran.stateDigest];
  image = ran.image && { bytes: ran.image, from: `left by run ${runs}` };
  draw($("map"), ran.map);
  const height = new DataView(input.buffer, input.byteOffset).getUint32(0, true);
  const figures = [
    runs,
    grouped(height),
    ran.refused ?? began,
    `${ran.milliseconds.toFixed(0)} ms`,
    grouped(ran.reads),
    ...(cache ? [cache.hits, cache.misses, cache.entries].map(grouped) : ["", "", ""]),
    `${hex(stateDigest).slice(0, 16)}…`,
  ];
  const row = $("runs").insertRow();
  for (const figure of figures) row.insertCell().textContent = figure;
  row.lastChild.title = hex(stateDigest);
  row.className = isRefused ? "refused" : began.startsWith("warm") ? "warm" : "";
  tell(isRefused ? `The image was refused, and the cache began empty: ${ran.refused ?? began.replace("cold: ", "")}.` : "");
}

on("run", "click", run);

on("image", "change", async () => {
  const [file] = $("image").files;
  if (!file) return;
  const bytes = await read(file);
  $("image").value = "";
  try {
    check(bytes, plan.regionBase, digest, stateDigest);
  } catch (error) {
    throw new Error(`${file.name} was refused: ${error.message}`);
  }
  image = { bytes, from: file.name };
  tell("");
});

on("save", "click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([image.bytes]));
  link.download = "warm.image";
  link.click();
  URL.revokeObjectURL(link.href);
});

on("drop", "click", () => {
  image = undefined;
});

on("over", "click", async () => {
  await save(new Uint8Array());
  state = new Uint8Array();
  stateDigest = digestOf(readState(state));
  image = undefined;
});

$("map").addEventListener("pointerover", ({ target }) => {
  if (target.dataset.note) $("pointed").textContent = target.dataset.note;
});

draw($("map"), surveyOfPlan(plan));
show();
tell("");
$("run").disabled = false;

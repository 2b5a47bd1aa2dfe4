// What stands where in a module's linear memory, read without calling the module: from its plan, its
// instance info and its bytes.

import { surveyCache } from "./cache.mjs";
import { surveyHeap } from "./heap.mjs";

const OUTCOMES = [
  "all that the plan asks for",
  "less than the plan asks for",
  "refused by the host",
  "off by plan",
  "its place belongs to somebody else",
  "grows as the cache fills",
];
const STARTS = new Map([
  [0, "no cache was opened"],
  [1, "cold: there is no region that can hold an entry"],
  [2, "cold: the region's memory is new"],
  [3, "cold: no image stands in the region"],
  [4, "cold: the image has another format"],
  [5, "cold: the image belongs to another plan"],
  [6, "cold: the image belongs to another module"],
  [7, "cold: the image was taken in the middle of an operation"],
  [8, "cold: the image is damaged"],
  [9, "cold: the region is smaller than the image"],
  [10, "cold: nobody looked for an image"],
  [64, "warm: image checked whole"],
  [65, "warm: image vouched for by the host"],
  [66, "warm: shared image"],
]);

/** Where in the instance info the host writes what it calls the module. */
export const MODULE_TAG = 128;

export const grouped = (number) => number.toLocaleString("en-US");

/** Bytes, as people read them. */
export function sized(bytes) {
  for (const [unit, size] of [["MiB", 2 ** 20], ["KiB", 2 ** 10]]) {
    if (bytes >= size) return `${(bytes / size).toFixed(bytes % size === 0 ? 0 : 1)} ${unit}`;
  }
  return `${bytes} B`;
}

/** The plan in a module's custom section. */
export function planOf(module) {
  const [section] = WebAssembly.Module.customSections(module, "steadfast.plan");
  if (section === undefined) throw new Error("the module has no section `steadfast.plan`: it is not built on steadfast");
  const view = new DataView(section);
  const [regionBase, regionMax] = [16, 24].map((at) => Number(view.getBigUint64(at, true)));
  return { regionBase, regionMax };
}

/** The map that a plan makes, before anything runs. */
export function surveyOfPlan({ regionBase, regionMax }) {
  const spans = [
    { name: "static data, stack, heap", kind: "slab", start: 0, bytes: regionBase, note: "the heap's budget ends here, on every host" },
    { name: "region", kind: "entries", start: regionBase, bytes: regionMax, note: "at the most: what the host grants" },
  ];
  return { spans, strips: [], figures: [["memory planned", sized(regionBase + regionMax)]] };
}

/** The map of an instance with its instance info at an address. */
export function survey(memory, infoAt) {
  const view = new DataView(memory.buffer);
  const field = (offset) => view.getUint32(infoAt + offset, true);
  const [heapStart, heapBytes, cStart, cBytes, regionStart, granted] = [24, 28, 32, 36, 40, 44].map(field);
  const seen = { spans: [], strips: [], figures: [["memory", sized(view.byteLength)]], began: STARTS.get(field(136)) };
  const span = (name, kind, start, bytes, note = "") => {
    if (bytes > 0) seen.spans.push({ name, kind, start, bytes, note });
  };
  span("static data, shadow stack", "static", 0, heapStart);
  const heap = field(80) === 0 ? undefined : surveyHeap(view, heapStart, heapBytes, field(80));
  span("heap", "slab", heapStart, heapBytes, heap && `${sized(heap.held)} held, ${sized(heap.peak)} at the most`);
  span("heap of C", "large", cStart, cBytes);
  const cache = surveyCache(view, regionStart);
  if (cache) {
    const { indexStart, indexEnd, arena, frontier } = cache;
    const index = `${grouped(cache.buckets)} buckets, ${(100 * cache.load).toFixed(0)} % of their slots taken`;
    span("region: header", "header", regionStart, indexStart, OUTCOMES[field(56)]);
    span("region: index", "index", regionStart + indexStart, indexEnd - indexStart, index);
    span("region: room for the index", "free", regionStart + indexEnd, arena - indexEnd, "set aside for it to grow into");
    const entries = `${grouped(cache.entries)} in ${sized(cache.used)}; ${sized(cache.free)} free between them`;
    span("region: entries", "entries", regionStart + arena, frontier - arena, entries);
    span("region: not used yet", "free", regionStart + frontier, granted - frontier);
    seen.figures.push(
      ["lookups", `${grouped(cache.hits)} hits, ${grouped(cache.misses)} misses`],
      ["changes", `${grouped(cache.inserts)} inserts, ${grouped(cache.evictions)} evicted`],
    );
  } else {
    span("region", "free", regionStart, granted, "no cache in it yet");
  }
  const end = Math.max(heapStart + heapBytes, regionStart + granted);
  span("foreign growth", "free", end, view.byteLength - end, "grown by others");
  for (const part of [heap, cache]) if (part?.strip.bytes > 0) seen.strips.push(shown(part.strip));
  seen.cache = cache && { hits: cache.hits, misses: cache.misses, entries: cache.entries };
  return seen;
}

const shown = (strip) => ({ name: strip.name, cellBytes: strip.cellBytes, cells: strip.cells() });

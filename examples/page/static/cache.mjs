// The cache, as its region describes it.

import { ENTRY_HEADER_BYTES, REGION_HEADER_BYTES, imageParts } from "./region.mjs";
import { Strip } from "./strip.mjs";

const POOL = { at: 232, bytes: 64, count: 3 };
const WAYS = 12;
const LEAST_BLOCK_BYTES = 8;
const STAMP_MASK = 0x1f;

/** The cache whose region stands at an address, or undefined where none does. */
export function surveyCache(view, start) {
  const parts = imageParts(new Uint8Array(view.buffer).subarray(start));
  if (parts === undefined) return undefined;
  const [[, indexEnd], [arena, frontier]] = parts;
  const field = (offset) => view.getUint32(start + offset, true);
  const counter = (offset) => Number(view.getBigUint64(start + offset, true));
  const [stampShift, free, buckets, entries, clock] = [68, 120, 124, 136, 140].map(field);
  const pools = Array.from({ length: POOL.count }, (_, number) => POOL.at + POOL.bytes * number);
  const sum = (read, offset) => pools.reduce((total, pool) => total + read(pool + offset), 0);
  const cache = {
    indexStart: REGION_HEADER_BYTES,
    indexEnd,
    arena,
    frontier,
    free,
    buckets,
    entries,
    load: entries / (buckets * WAYS),
    used: sum(field, 12),
    hits: sum(counter, 24),
    misses: sum(counter, 32),
    evictions: sum(counter, 40),
    inserts: counter(152),
    strip: new Strip("cache's entries", start + arena, frontier - arena),
  };
  const now = clock >>> stampShift;
  for (let at = arena; at < frontier; ) {
    const block = blockAt(view, start + at, now);
    if (block.bytes < LEAST_BLOCK_BYTES) break;
    cache.strip.add(at - arena, block.bytes, block.kind, block.age === undefined ? 0 : 1, block.age);
    at += block.bytes;
  }
  return cache;
}

/** A block of the arena: free, or an entry with its age in steps of the clock. */
function blockAt(view, at, now) {
  const first = view.getUint32(at, true);
  if (first & 1) return { bytes: first - 1, kind: "free" };
  const value = view.getUint32(at + 12, true);
  const slack = 2 * ((value >>> 29) & 3);
  const key = view.getUint16(at + 16, true);
  const bytes = ENTRY_HEADER_BYTES + key + (value & 0x01ff_ffff);
  const age = (now - view.getUint16(at + 18, true)) & STAMP_MASK;
  return { bytes: bytes + (bytes % 2) + slack, kind: "entries", age };
}

// The heap, as its table and its usage words describe it.

import { Strip } from "./strip.mjs";

const GRANULE_BYTES = 512;
const SLAB_BYTES = 8192;
const [FREE, LARGE] = [1, 2];
/** Bytes of a block of each size class above the 32 that stand 8 bytes apart. */
const UPPER_CLASSES = [
  272, 288, 320, 352, 384, 416, 448, 480, 512, 544, 576, 624, 672, 736, 816, 896, 1024, 1168, 1360, 1632, 2048,
];

/** The heap at an address, of so many bytes, with its usage words at another. */
export function surveyHeap(view, start, bytes, usage) {
  const [held, peak, used, highest] = [0, 4, 8, 12].map((offset) => view.getUint32(usage + offset, true));
  const strip = new Strip("heap", start, highest * GRANULE_BYTES);
  // The table comes first: a word for each granule.
  const table = Math.ceil((bytes / GRANULE_BYTES) * 4 / GRANULE_BYTES);
  strip.add(0, table * GRANULE_BYTES, "header", 1);
  const word = (granule) => view.getUint32(start + 4 * granule, true);
  for (let at = table; at < used; ) {
    const run = runAt(word, at);
    if (run.granules === 0) break;
    strip.add(at * GRANULE_BYTES, run.granules * GRANULE_BYTES, run.kind, run.used);
    at += run.granules;
  }
  return { held, peak, strip };
}

function runAt(word, at) {
  const first = word(at);
  const kind = first & 3;
  if (kind === FREE) return { granules: first >>> 2, kind: "free", used: 0 };
  if (kind === LARGE) return { granules: first >>> 2, kind: "large", used: 1 };
  const size = first >>> 2;
  const blockBytes = size < 32 ? 8 * (size + 1) : UPPER_CLASSES[size - 32];
  const live = word(at + 2) >>> 2;
  return { granules: SLAB_BYTES / GRANULE_BYTES, kind: "slab", used: (blockBytes * live) / SLAB_BYTES };
}

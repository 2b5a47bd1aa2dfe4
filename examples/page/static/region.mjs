// The region as its header describes it, as far as images need it.

const HEADER_BYTES = 1856;
const BUCKET_BYTES = 64;

/** Where an image's bytes stand, from the region's start on: the header with the buckets in use, and the entries. */
export function imageParts(region) {
  const header = new DataView(region.buffer, region.byteOffset, HEADER_BYTES);
  const [arena, frontier, buckets] = [64, 116, 124].map((at) => header.getUint32(at, true));
  return [
    [0, Math.min(HEADER_BYTES + BUCKET_BYTES * buckets, arena)],
    [arena, frontier],
  ];
}

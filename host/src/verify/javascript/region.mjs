// The region as its header describes it, as far as images need it.

export const REGION_HEADER_BYTES = 1856;
export const ENTRY_HEADER_BYTES = 22;
const MAGIC = 0x7473_6664_6165_7473n;
const FORMAT_VERSION = 8;
const BUCKET_BYTES = 64;

/** Where an image's bytes stand, from the region's start on: the header with the buckets in use, and the entries. Undefined where the
 * bytes do not begin with a region's header, or with one of another version. */
export function imageParts(region) {
  if (region.length < REGION_HEADER_BYTES) return undefined;
  const header = new DataView(region.buffer, region.byteOffset, REGION_HEADER_BYTES);
  if (header.getBigUint64(0, true) !== MAGIC || header.getUint32(8, true) !== FORMAT_VERSION) return undefined;
  const [arena, frontier, buckets] = [64, 116, 124].map((at) => header.getUint32(at, true));
  return [
    [0, Math.min(REGION_HEADER_BYTES + BUCKET_BYTES * buckets, arena)],
    [arena, frontier],
  ];
}

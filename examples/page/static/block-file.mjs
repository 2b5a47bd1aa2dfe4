// Block files: a serialised Bitcoin block, with or without its height in front.

const HEIGHT_BYTES = 4;
const HEADER_BYTES = 80;

/** A number of variable length at an offset, and the offset behind it. */
function compact(view, at) {
  const first = view.getUint8(at);
  if (first < 0xfd) return [first, at + 1];
  if (first === 0xfd) return [view.getUint16(at + 1, true), at + 3];
  return [view.getUint32(at + 1, true), at + 5];
}

/** Where the first transaction's input script stands in a block that begins at an offset; undefined where no block does. */
function coinbaseScript(view, start) {
  try {
    let [, at] = compact(view, start + HEADER_BYTES);
    at += 4;
    // The marker and the flag of a transaction with witnesses.
    if (view.getUint8(at) === 0) at += 2;
    const [inputs, outpoint] = compact(view, at);
    const isNull = (_, place) => view.getUint8(outpoint + place) === (place < 32 ? 0 : 0xff);
    if (inputs !== 1 || !Array.from({ length: 36 }, isNull).every(Boolean)) return undefined;
    return compact(view, outpoint + 36)[1];
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** The height that a block's first transaction tells, as BIP 34 has it. */
function heightAt(view, script) {
  const length = view.getUint8(script);
  if (length < 1 || length > 4) throw new Error("the block does not tell its height: put it in front, as four bytes");
  let height = 0;
  for (let place = length; place > 0; place--) height = height * 256 + view.getUint8(script + place);
  return height;
}

/** What an indexer reads: the height, and then the block. */
export function inputOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const script = coinbaseScript(view, 0);
  if (script === undefined) {
    if (coinbaseScript(view, HEIGHT_BYTES) !== undefined) return bytes;
    throw new Error("no serialised Bitcoin block stands in the file");
  }
  const input = new Uint8Array(HEIGHT_BYTES + bytes.length);
  new DataView(input.buffer).setUint32(0, heightAt(view, script), true);
  input.set(bytes, HEIGHT_BYTES);
  return input;
}

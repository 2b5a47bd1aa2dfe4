// A span of memory in equal cells.

const CELLS = 256;
const LEAST_CELL_BYTES = 4096;

/** Gathers what a span holds, and tells of each cell the kind that takes most of it. */
export class Strip {
  #sums;

  constructor(name, start, bytes) {
    this.name = name;
    this.start = start;
    this.bytes = bytes;
    this.cellBytes = Math.max(1, Math.ceil(bytes / CELLS / LEAST_CELL_BYTES)) * LEAST_CELL_BYTES;
    const empty = () => ({ kinds: {}, used: 0, age: 0, aged: 0 });
    this.#sums = Array.from({ length: Math.ceil(bytes / this.cellBytes) }, empty);
  }

  /** Adds a part: its offset and length, its kind, the share of it that is in use, and its age, if it has one. */
  add(offset, bytes, kind, used, age) {
    const end = Math.min(offset + bytes, this.bytes);
    for (let at = offset; at < end; ) {
      const cell = Math.floor(at / this.cellBytes);
      const upTo = Math.min((cell + 1) * this.cellBytes, end);
      const sum = this.#sums[cell];
      sum.kinds[kind] = (sum.kinds[kind] ?? 0) + upTo - at;
      sum.used += (upTo - at) * used;
      if (age !== undefined) {
        sum.age += (upTo - at) * age;
        sum.aged += upTo - at;
      }
      at = upTo;
    }
  }

  /** What is drawn. Ages are from 0, used last, to 1, the oldest of all cells. */
  cells() {
    const age = (sum) => (sum.aged > 0 ? sum.age / sum.aged : 0);
    const oldest = Math.max(1, ...this.#sums.map(age));
    return this.#sums.map((sum, place) => {
      const bytes = Math.min(this.cellBytes, this.bytes - place * this.cellBytes);
      const most = Object.entries(sum.kinds).sort(([, a], [, b]) => b - a);
      return {
        start: this.start + place * this.cellBytes,
        bytes,
        kind: most[0]?.[0] ?? "free",
        used: sum.used / bytes,
        age: sum.aged > 0 ? age(sum) / oldest : undefined,
      };
    });
  }
}

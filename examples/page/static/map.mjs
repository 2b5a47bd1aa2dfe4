// Draws a map of memory into the page.

import { grouped, sized } from "./survey.mjs";

const KINDS = {
  static: "static data",
  header: "table or header",
  slab: "small blocks, paler the emptier",
  large: "large blocks",
  index: "index",
  entries: "entries, darker the later they were used",
  free: "free",
};

const address = (number) => `0x${number.toString(16).padStart(8, "0")}`;

function element(name, { note, style, ...properties } = {}, children = []) {
  const made = Object.assign(document.createElement(name), properties);
  if (note) made.dataset.note = note;
  Object.assign(made.style, style);
  made.append(...children);
  return made;
}

/** Replaces what was drawn. */
export function draw(target, { spans, strips, figures }) {
  target.replaceChildren(bar(spans), facts(figures), table(spans), ...strips.flatMap(strip));
}

/** The address space, low addresses left. Widths grow with the root of the sizes, so that small spans are seen beside large ones. */
function bar(spans) {
  const part = ({ name, kind, start, bytes }) =>
    element("span", {
      className: kind,
      note: `${name}: ${address(start)}, ${sized(bytes)}`,
      style: { flexGrow: Math.sqrt(bytes) },
    }, [element("b", { textContent: name })]);
  return element("div", { className: "bar" }, spans.map(part));
}

function facts(figures) {
  const parts = figures.map(([name, text]) => element("span", {}, [`${name} `, element("b", { textContent: text })]));
  return element("p", { className: "facts" }, parts);
}

function table(spans) {
  const cell = (textContent, className = "") => element("td", { textContent, className });
  const line = ({ name, kind, start, bytes, note }) => {
    const colour = element("td", {}, [element("i", { className: kind })]);
    return element("tr", {}, [colour, cell(address(start), "number"), cell(name), cell(sized(bytes), "number"), cell(note)]);
  };
  return element("table", { className: "spans" }, spans.map(line));
}

function strip({ name, cellBytes, cells }) {
  const kinds = Object.keys(KINDS).filter((kind) => cells.some((cell) => cell.kind === kind));
  const legend = kinds.map((kind) => element("span", {}, [element("i", { className: kind }), KINDS[kind]]));
  const grid = cells.map(({ start, bytes, kind, used, age }) => {
    const share = `${(100 * used).toFixed(0)} % in use`;
    const old = age === undefined ? "" : `, age ${(100 * age).toFixed(0)} % of the oldest`;
    const strength = kind === "free" ? 1 : age === undefined ? 0.25 + 0.75 * used : 1 - 0.75 * age;
    const note = `${address(start)}, ${sized(bytes)}: ${KINDS[kind].split(",")[0]}, ${share}${old}`;
    return element("i", { className: kind, note, style: { opacity: strength } });
  });
  return [
    element("h3", { textContent: `${name}: ${sized(cellBytes)} to a cell, ${grouped(cells.length)} cells` }),
    element("div", { className: "legend" }, legend),
    element("div", { className: "cells" }, grid),
  ];
}

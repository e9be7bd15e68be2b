/** The plots: that what is drawn is what was measured. */
import assert from "node:assert/strict";
import { barPanel, escapeText, linePanel, niceStep, svgOf } from "./svg.ts";

Deno.test("plots: steps are round and divide the axis into about as many parts as asked", () => {
  assert.deepEqual([niceStep(100, 4), niceStep(7300, 6), niceStep(0.9, 4), niceStep(0, 4)], [
    50,
    2000,
    0.5,
    1,
  ]);
});

Deno.test("plots: a bar is as long as its value, from zero, and its spread stands next to it as text", () => {
  const { body } = barPanel({
    title: "speed",
    bars: [{ name: "a", value: 4 }, { name: "b", value: 1, low: 0.5, high: 2 }],
  });
  const widths = [...body.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width));
  assert.equal(widths.length, 2);
  assert.equal((widths[0] ?? 0) / (widths[1] ?? 0), 4);
  assert.match(body, /1\.00 \(0\.50–2\.00\)/);
});

Deno.test("plots: a higher value is drawn higher, and one above the bound at the bound", () => {
  const { body } = linePanel({
    title: "p99",
    xTitle: "rate",
    series: [{ name: "a", points: [[0, 0], [1, 50], [2, 500]] }],
    yMax: 100,
  });
  const [, way = ""] = /class="line s0" d="M([^"]+)"/.exec(body) ?? [];
  const heights = way.split("L").map((point) => Number(point.split(" ")[1]));
  assert.equal(heights[0], 230);
  assert.equal((heights[0] ?? 0) - (heights[1] ?? 0), ((heights[0] ?? 0) - (heights[2] ?? 0)) / 2);
});

Deno.test("plots: a value that is none leaves no gap of text, and names are escaped", () => {
  const { body } = linePanel({
    title: "a < b",
    xTitle: "",
    series: [{ name: "", points: [[0, NaN], [1, 2]] }],
  });
  assert.doesNotMatch(svgOf([{ height: 1, body }]), /NaN|undefined|Infinity/);
  assert.match(body, /a &lt; b/);
  assert.equal(escapeText('"&'), "&quot;&amp;");
});

Deno.test("plots: panels stand one below the other", () => {
  const svg = svgOf([{ height: 100, body: "" }, { height: 50, body: "" }]);
  assert.deepEqual([...svg.matchAll(/translate\(0 (\d+)\)/g)].map(([, y]) => Number(y)), [8, 122]);
  assert.match(svg, /prefers-color-scheme: dark/);
});

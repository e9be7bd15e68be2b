import assert from "node:assert/strict";
import { HistogramSeries } from "../runtime/histogram.ts";
import { instruments } from "./instruments.ts";
import { Cells, Counts } from "./meter.ts";

Deno.test("a histogram's bounds are part of their buckets, and what is above all of them has one", () => {
  const series = new HistogramSeries([1, 2, 4], {});
  for (const value of [0, 1, 1.5, 4, 5]) series.record(value);
  assert.deepEqual(series.counts, [2, 1, 1, 1]);
  assert.deepEqual([series.count, series.sum, series.min, series.max], [5, 11.5, 0, 5]);
});

Deno.test("a value for each pair is made once, and what has no room shares one", () => {
  let made = 0;
  const cells = new Cells<string, number, string>(2, (a, b) => `${a}${b}-${++made}`, () => `rest-${++made}`);
  assert.deepEqual([cells.get("a", 1), cells.get("a", 2), cells.get("a", 1)], ["a1-1", "a2-2", "a1-1"]);
  assert.deepEqual([cells.get("b", 1), cells.get("c", 9), cells.get("a", 2)], ["rest-3", "rest-3", "a2-2"]);
});

Deno.test("a counter never has more series than its instrument allows, and one for the rest", () => {
  const counts = new Counts(instruments.deducts);
  for (let i = 0; i < 10_000; i++) counts.add(`result-${i}`, "redis");
  const readings = counts.readings();
  assert.equal(readings.length, instruments.deducts.seriesMax + 1);
  assert.equal(readings.reduce((sum, { value }) => sum + value, 0), 10_000);
  assert.deepEqual(readings.at(-1)?.labels, { "otel.metric.overflow": "true" });
});

Deno.test("metrics have names of their own, and labels only where their number is bounded", () => {
  const all = Object.values(instruments);
  assert.equal(new Set(all.map(({ name }) => name)).size, all.length);
  for (const { name, kind, labels, seriesMax, ...rest } of all) {
    assert.match(name, /^[a-z]+(?:[._][a-z0-9]+)+$/);
    assert.ok(seriesMax >= 1 && seriesMax <= 1024, name);
    assert.ok(labels.length === 0 || seriesMax > 1, name);
    const { bounds } = rest as { bounds?: readonly number[] };
    assert.equal(bounds !== undefined, kind === "histogram", name);
    assert.deepEqual(bounds, bounds?.toSorted((a, b) => a - b), name);
  }
});

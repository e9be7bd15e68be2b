import { equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { parseInstant } from "./instant.ts";

Deno.test("parseInstant() takes RFC 3339 with any offset, to the millisecond", () => {
  const noon = Date.UTC(2026, 10, 22, 12, 0, 0);
  const same = [
    "2026-11-22T12:00:00Z",
    "2026-11-22t12:00:00z",
    "2026-11-22T20:00:00+08:00",
    "2026-11-22T06:30:00-05:30",
    "2026-11-23T11:59:00+23:59",
    "2026-11-22T12:00:00-00:00",
    "2026-11-22T12:00:00.0Z",
    "2026-11-22T12:00:00.000999999Z",
  ];
  for (const text of same) equal(parseInstant(text), noon, text);
  equal(parseInstant("2026-11-22T12:00:00.5Z"), noon + 500);
  equal(parseInstant("2026-11-22T12:00:00.067Z"), noon + 67);
  equal(parseInstant("2028-02-29T23:59:59Z"), Date.UTC(2028, 1, 29, 23, 59, 59));
});

Deno.test("parseInstant() takes nothing that is not a moment, and no other way to write one", () => {
  const wrong = [
    "",
    "2026-11-22",
    "2026-11-22T12:00:00",
    "2026-11-22T12:00Z",
    "2026-11-22 12:00:00Z",
    "2026-11-22T24:00:00Z",
    "2026-11-22T12:60:00Z",
    "2026-12-31T23:59:60Z", // a leap second
    "2026-02-29T12:00:00Z",
    "2026-11-31T12:00:00Z",
    "2026-13-01T12:00:00Z",
    "2026-00-10T12:00:00Z",
    "2026-10-00T12:00:00Z",
    "2026-11-22T12:00:00+24:00",
    "2026-11-22T12:00:00+08:60",
    "2026-11-22T12:00:00+0800",
    "2026-11-22T12:00:00+8:00",
    "2026-11-22T12:00:00.Z",
    "2026-11-22T12:00:00.0000000000Z",
    "1999-12-31T23:59:59Z",
    "3000-01-01T00:00:00Z",
    "+02026-11-22T12:00:00Z",
    "2026-11-22T12:00:00Z ",
    "２０２６-11-22T12:00:00Z",
    "Sun, 22 Nov 2026 12:00:00 GMT",
  ];
  for (const text of wrong) equal(parseInstant(text), undefined, text);
});

Deno.test("parseInstant() reads back every moment that a clock writes, and throws at no text", () => {
  const [min, max] = [Date.UTC(2000, 0, 1), Date.UTC(2999, 11, 31)];
  fc.assert(
    fc.property(fc.integer({ min, max }), (ms) => parseInstant(new Date(ms).toISOString()) === ms),
  );
  fc.assert(fc.property(fc.string(), (text) => {
    const ms = parseInstant(text);
    ok(ms === undefined || Number.isSafeInteger(ms));
  }));
});

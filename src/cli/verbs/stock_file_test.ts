import assert from "node:assert/strict";
import { type FileRow, readStockFile } from "./stock_file.ts";

async function rowsOf(contents: string | Uint8Array): Promise<FileRow[]> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, typeof contents === "string" ? new TextEncoder().encode(contents) : contents);
    return await Array.fromAsync(readStockFile(path));
  } finally {
    await Deno.remove(path);
  }
}

/** What is wrong with a file, as `line why`. */
async function wrongOf(contents: string | Uint8Array): Promise<string[]> {
  return (await rowsOf(contents)).flatMap((row) => row.kind === "wrong" ? [`${row.line} ${row.why}`] : []);
}

Deno.test("stock file: a SKU that comes twice is wrong, however it is quoted, and the first line is named", async () => {
  assert.deepEqual(await wrongOf('sku,available\nA,1\nB,2\n"A",3\nA,3\na,4\n'), [
    "4 has the same sku as line 2: one row for each SKU",
    "5 has the same sku as line 2: one row for each SKU",
  ]);
});

Deno.test("stock file: bytes that are not UTF-8 are named with their line and what to do", async () => {
  const latin1 = new Uint8Array([
    ...new TextEncoder().encode("sku,available\nA,1\nB"),
    0xe4,
    0x2c,
    0x31,
    0x0a,
  ]);
  assert.match((await wrongOf(latin1)).join(), /^3 is not UTF-8: save the file/);
  const utf16 = new Uint8Array([0xff, 0xfe, 0x73, 0x00, 0x6b, 0x00]);
  assert.match((await wrongOf(utf16)).join(), /^1 is not UTF-8/);
  const cut = new Uint8Array([...new TextEncoder().encode("sku,available\nA,1\nB,1"), 0xc3]);
  assert.match((await wrongOf(cut)).join(), /^3 is not UTF-8/);
  const [row] = await rowsOf("\ufeffsku,available\nä,1\n");
  assert.partialDeepStrictEqual(row, { kind: "row", sku: "ä" }, "a byte order mark is no part of the header");
});

Deno.test("stock file: columns for rules, in any order, checked as over HTTP", async () => {
  const text = "quota,sku,closes_at,opens_at,available,purchase_token\n" +
    "2,A,2027-01-02T00:00:00Z,2027-01-01T00:00:00+08:00,5,true\n" +
    ",B,,,6,\n";
  const [a, b] = await rowsOf(text);
  const opensAtMs = Date.parse("2026-12-31T16:00:00Z");
  const rules = { opensAtMs, closesAtMs: Date.parse("2027-01-02T00:00:00Z"), quota: 2, tokenRequired: true };
  assert.deepEqual(a, { kind: "row", line: 2, sku: "A", available: 5, rules });
  assert.deepEqual(b, { kind: "row", line: 3, sku: "B", available: 6, rules: null });
  const broken = "sku,available,opens_at,closes_at,quota\n" +
    "A,1,tomorrow,,\nB,1,,,0\nC,1,2027-01-02T00:00:00Z,2027-01-01T00:00:00Z,\nD,1,,,two\nE,1,,\n";
  const wrong = await wrongOf(broken);
  const expected = [
    /^2 opens_at must be a date and time/,
    /^3 quota must be an integer/,
    /^4 closes_at must be after opens_at/,
    /^5 quota must be/,
    /^6 must have 5 fields: it has 4/,
  ];
  expected.forEach((rule, i) => assert.match(wrong[i] ?? "", rule));
});

Deno.test("stock file: a header with an unknown, a missing or a repeated column is refused by itself", async () => {
  for (const header of ["sku,units", "sku", "sku,available,price", "sku,sku,available", ""]) {
    const [only, ...others] = await wrongOf(`${header}\nA,1,1\nA,1\n`);
    assert.match(only ?? "", /must be a header with the columns sku and available/, header);
    assert.equal(others.length, 0);
  }
});

Deno.test("stock file: a SKU is held to the rules of ids that HTTP has", async () => {
  const invisible = ["\u200b", "\ufeff", "\u00a0", "\u202e", "\u2066", "\t", "\u00ad", "\u2028"];
  const skus = [" A", "A ", ".", "..", ...invisible.flatMap((char) => [`${char}A`, `A${char}`, `A${char}B`])];
  const wrong = await wrongOf(`sku,available\n${skus.map((sku) => `"${sku}",1\n`).join("")}`);
  assert.equal(wrong.length, skus.length, wrong.join("\n"));
  for (const line of wrong) assert.match(line, /^\d+ sku must not /);
});

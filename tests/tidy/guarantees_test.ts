import assert from "node:assert/strict";
import { proofs } from "../../tools/mutate/guarantees.ts";
import { plants } from "../../tools/simulate/plants.ts";
import { brokenProofs, proofDrift } from "./guarantees.ts";
import { readRepository } from "./files.ts";
import { file } from "./judge.ts";

const files = readRepository(new URL("../..", import.meta.url));

Deno.test("every guarantee has a slip and a plant that break it, and a test that exists", () => {
  const document = files.find(({ path }) => path === "docs/guarantees.md");
  assert.ok(document, "docs/guarantees.md is missing");
  assert.deepEqual(proofDrift(document.text, proofs), []);
  assert.deepEqual(brokenProofs(proofs, files), []);
  const placed = new Set<string>(proofs.flatMap((proof) => proof.plants));
  assert.deepEqual(Object.keys(plants).filter((plant) => !placed.has(plant)), [], "plants of no guarantee");
});

Deno.test("a guarantee without a proof, a row that differs and a slip that no longer fits are found", () => {
  const test = { file: "a_test.ts", title: "sells" };
  const slip = { path: "src/a.ts", before: "if (a) return;", after: "", test };
  const proof = { guarantee: "Sold", slips: [slip], plants: ["xadd-last" as const] };
  const table = "## Proof\n\n| guarantee | tests | plants |\n|---|---|---|\n";
  const page = (row: string) => `1. **Sold.** Once.\n\n${table}${row}\n`;
  const right = "| Sold | `sells` | `xadd-last` |";
  assert.deepEqual(proofDrift(page(right), [proof]), []);
  assert.equal(proofDrift(page("| Sold | `sells` | `other` |"), [proof]).length, 2, "another plant");
  assert.equal(proofDrift(`2. **Fast.**\n${page(right)}`, [proof]).length, 1, "a guarantee without a proof");
  assert.equal(proofDrift(`${table}${right}\n`, [proof]).length, 1, "a proof of no guarantee");

  const code = file("src/a.ts", "  if (a) return;\n");
  const tests = file("a_test.ts", 'Deno.test("sells", run);');
  assert.deepEqual(brokenProofs([proof], [code, tests]), []);
  assert.equal(
    brokenProofs([proof], [file("src/a.ts", "if (b) return;"), tests]).length,
    1,
    "a line that is gone",
  );
  assert.equal(brokenProofs([proof], [code]).length, 2, "a test and its file that are gone");
  assert.equal(brokenProofs([{ ...proof, plants: [] }], [code, tests]).length, 1, "no plant");
});

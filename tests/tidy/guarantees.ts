/**
 * House rules about guarantees: each has a test and a plant that fail without it.
 *
 * @module
 */
import type { Proof } from "../../tools/mutate/guarantees.ts";
import { missingTests, tableRows } from "./documents.ts";
import type { SourceFile } from "./files.ts";

/** The numbered guarantees of a document. */
function namedGuarantees(markdown: string): string[] {
  return [...markdown.matchAll(/^\d+\. \*\*([^*]+)\.\*\*/gm)].map(([, name = ""]) => name);
}

function codeSpans(cell = ""): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, text = ""]) => text);
}

/** Where the table "Proof" of a document, its guarantees and the proofs differ. */
export function proofDrift(markdown: string, proofs: readonly Proof[]): string[] {
  const wanted = proofs.map(({ guarantee, slips, plants }) =>
    [guarantee, slips.map(({ test }) => test.title).join(", "), plants.join(", ")].join(" | ")
  );
  const rows = tableRows(markdown, "Proof").map(([guarantee, tests, plants]) =>
    [guarantee, codeSpans(tests).join(", "), codeSpans(plants).join(", ")].join(" | ")
  );
  const names = proofs.map(({ guarantee }) => guarantee);
  return [
    ...namedGuarantees(markdown).filter((name) => !names.includes(name)).map((name) =>
      `'${name}' is not proven`
    ),
    ...names.filter((name) => !namedGuarantees(markdown).includes(name)).map((name) =>
      `No guarantee '${name}'`
    ),
    ...wanted.filter((row) => !rows.includes(row)).map((row) => `docs/guarantees.md lacks: ${row}`),
    ...rows.filter((row) => !wanted.includes(row)).map((row) => `docs/guarantees.md has a stray row: ${row}`),
  ];
}

/** Proofs without a slip or a plant, slips that no longer fit the code, and tests that do not exist. */
export function brokenProofs(proofs: readonly Proof[], files: readonly SourceFile[]): string[] {
  return proofs.flatMap(({ guarantee, slips, plants }) => [
    ...slips.length === 0 ? [`${guarantee}: no slip`] : [],
    ...plants.length === 0 ? [`${guarantee}: no plant`] : [],
    ...missingTests(slips.map(({ test }) => test.title), files),
    ...slips.flatMap(({ path, before, test }) => {
      const text = files.find((file) => file.path === path)?.text ?? "";
      const count = text.split("\n").filter((line) => line.trim() === before).length;
      return [
        ...count === 1 ? [] : [`${path} has ${count} lines '${before}'`],
        ...files.some((file) => file.path === test.file) ? [] : [`${test.file} is missing`],
      ];
    }),
  ]);
}

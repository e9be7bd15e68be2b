/**
 * The rows of a stock file as steps.
 *
 * A SKU with rules is created without units, gets its rules, then its units: it is never sold before it opens.
 *
 * @module
 */
import type { StockRow } from "./stock_file.ts";
import type { Step, StepResult, Submit } from "./stock_steps.ts";

/** The effect of a row: create a SKU that must not exist, or add a delivery to one that may exist. */
export const importModes = ["create", "add"] as const;

/** One of {@link importModes}. */
export type ImportMode = typeof importModes[number];

/** A row, and its number in the file from 1. */
export interface NumberedRow {
  readonly row: StockRow;
  readonly number: number;
}

/** The result of a row. */
export type RowResult =
  | { readonly kind: "created" | "changed" | "repeated" }
  | { readonly kind: "refused"; readonly why: string };

/** Imports rows. `file` names the file's contents in every id, so that a row takes effect once. */
export async function importRows(
  submit: Submit,
  mode: ImportMode,
  file: string,
  rows: readonly NumberedRow[],
): Promise<RowResult[]> {
  const idOf = ({ number }: NumberedRow) => `import:${file}:${number}`;
  const first = await submit(rows.map((numbered) => {
    const { sku, available, rules } = numbered.row;
    const units = rules === null ? available : 0;
    const id = rules === null ? idOf(numbered) : `${idOf(numbered)}:sku`;
    return mode === "create"
      ? { kind: "create", sku, id, available: units }
      : { kind: "adjust", sku, id, delta: units };
  }));
  const results = first.map(rowResult);
  const ruled = rows.flatMap((numbered, i) =>
    numbered.row.rules !== null && first[i]?.kind === "done" ? [{ numbered, i }] : []
  );
  if (ruled.length === 0) return results;
  const refused = await setRules(
    submit,
    ruled.map(({ numbered: { row }, i }) => ({ row, first: first[i] })),
  );
  const open = ruled.filter(({ i, numbered: { row } }) => {
    const why = refused.get(row.sku);
    if (why !== undefined) results[i] = { kind: "refused", why };
    return why === undefined;
  });
  const units = await submit(open.map(({ numbered }): Step => {
    const { sku, available } = numbered.row;
    return { kind: "adjust", sku, id: idOf(numbered), delta: available };
  }));
  open.forEach(({ i }, at) => {
    const result = rowResult(units[at]);
    const before = results[i];
    // Created in the first step, filled in the last: counts as created.
    if (result.kind === "refused" || before?.kind !== "created") results[i] = result;
  });
  return results;
}

/**
 * Sets rules of the version that is read now, but not again when a repeated row has set them before: they may have been
 * changed since.
 */
async function setRules(
  submit: Submit,
  rows: readonly { readonly row: StockRow; readonly first: StepResult | undefined }[],
): Promise<Map<string, string>> {
  const stock = await submit(rows.map(({ row: { sku } }) => ({ kind: "read", sku })));
  const steps = rows.flatMap(({ row: { sku, rules }, first }, i): Step[] => {
    const found = stock[i];
    if (rules === null || found?.kind !== "stock") return [];
    const isSet = first?.kind === "done" && first.replayed && (found.hasRules || found.rulesVersion > 0);
    return isSet ? [] : [{ kind: "rules", sku, rules, expected: found.rulesVersion }];
  });
  const outcomes = await submit(steps);
  const results = [
    ...rows.map(({ row: { sku } }, i) =>
      [sku, stock[i]?.kind === "stock" ? undefined : rowResult(stock[i])] as const
    ),
    ...steps.map(({ sku }, i) => [sku, rowResult(outcomes[i])] as const),
  ];
  return new Map(
    results.flatMap(([sku, result]): [string, string][] =>
      result?.kind === "refused" ? [[sku, result.why]] : []
    ),
  );
}

/** The results of rows without a change. A row that was imported before is reported as one of an existing SKU. */
export async function previewRows(
  submit: Submit,
  mode: ImportMode,
  rows: readonly NumberedRow[],
): Promise<RowResult[]> {
  const stock = await submit(rows.map(({ row: { sku } }) => ({ kind: "read", sku })));
  return stock.map((found): RowResult => {
    switch (found.kind) {
      case "unknown":
        return { kind: "created" };
      case "stock":
        return mode === "add"
          ? { kind: "changed" }
          : { kind: "refused", why: `exists already, with ${found.available} available` };
      default:
        return rowResult(found);
    }
  });
}

function rowResult(result: StepResult | undefined): RowResult {
  switch (result?.kind) {
    case "done":
      return { kind: result.replayed ? "repeated" : result.created ? "created" : "changed" };
    case "refused":
      return result;
    default:
      return { kind: "refused", why: `was refused: ${result?.kind ?? "no answer"}` };
  }
}

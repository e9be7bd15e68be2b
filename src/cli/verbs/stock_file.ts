/**
 * A CSV file of stock: `sku,available`, and optionally the rules of each SKU's sale.
 *
 * @module
 */
import { limits } from "../../domain/command.ts";
import { brokenIdRule } from "../../http/schemas/text_rules.ts";
import type { SaleRules } from "../../domain/command.ts";
import { parseRules } from "../../http/read/parse.ts";
import { type CsvRecord, readRecords } from "./csv.ts";

/** A row that can be imported. */
export interface StockRow {
  /** First line of the row, from 1. */
  readonly line: number;
  /** Unique within a file. */
  readonly sku: string;
  /** Units, 0..{@link limits.quantityMax}. */
  readonly available: number;
  /** The rules of its sale; null when all of the row's rule fields are empty. */
  readonly rules: SaleRules | null;
}

export type FileRow =
  | (StockRow & { readonly kind: "row" })
  | { readonly kind: "wrong"; readonly line: number; readonly why: string };

/** Rows of a file. The check for duplicates holds every SKU in memory: about 100 bytes each. */
const rowsMax = 10_000_000;

const required = ["sku", "available"] as const;
const optional = ["opens_at", "closes_at", "quota", "purchase_token"] as const;
type Column = typeof required[number] | typeof optional[number];

const headerRule = `must be a header with the columns ${required.join(" and ")}, and no others but ${
  optional.join(", ")
}`;

/** Reads a file row by row. A row with the SKU of an earlier row is wrong. */
export async function* readStockFile(path: string): AsyncGenerator<FileRow> {
  let header: readonly Column[] | undefined;
  const lineOf = new Map<string, number>();
  for await (const record of readRecords(path)) {
    const { line } = record;
    if ("wrong" in record) {
      yield { kind: "wrong", line, why: record.wrong };
    } else if (header === undefined) {
      header = headerOf(record.fields);
      if (header === undefined) break;
    } else {
      const row = rowOf(record, header);
      const first = row.kind === "row" ? lineOf.get(row.sku) : undefined;
      if (row.kind === "row") lineOf.set(row.sku, first ?? line);
      yield first === undefined
        ? row
        : { kind: "wrong", line, why: `has the same sku as line ${first}: one row for each SKU` };
      if (lineOf.size > rowsMax) {
        yield { kind: "wrong", line, why: `is past the ${rowsMax} rows that a file may have: split it` };
        return;
      }
    }
  }
  if (header === undefined) yield { kind: "wrong", line: 1, why: headerRule };
}

function headerOf(fields: readonly string[]): readonly Column[] | undefined {
  const names = fields.map((name) => name.trim().toLowerCase());
  const known: readonly string[] = [...required, ...optional];
  const isHeader = required.every((name) => names.includes(name)) &&
    names.every((name) => known.includes(name)) && new Set(names).size === names.length;
  return isHeader ? names as Column[] : undefined;
}

function rowOf({ line, fields }: CsvRecord, header: readonly Column[]): FileRow {
  const wrong = (why: string): FileRow => ({ kind: "wrong", line, why });
  if (fields.length !== header.length) {
    return wrong(`must have ${header.length} fields: it has ${fields.length}`);
  }
  const field = (column: Column) => fields[header.indexOf(column)] ?? "";
  const sku = field("sku");
  const broken = brokenIdRule(sku);
  if (broken) return wrong(`sku ${broken}`);
  const available = Number(field("available"));
  if (!/^\d{1,13}$/.test(field("available")) || available > limits.quantityMax) {
    return wrong(`available must be an integer from 0 to ${limits.quantityMax}`);
  }
  if (optional.every((column) => field(column) === "")) {
    return { kind: "row", line, sku, available, rules: null };
  }
  // The HTTP API's own check, for the same rule and text.
  const parsed = parseRules({
    opens_at: field("opens_at") || null,
    closes_at: field("closes_at") || null,
    quota: field("quota") === "" ? null : integerOf(field("quota")),
    purchase_token: booleanOf(field("purchase_token")),
    expected: null,
  });
  if (parsed.kind === "valid") {
    const { expected: _, ...rules } = parsed.value;
    return { kind: "row", line, sku, available, rules };
  }
  const { errors } = parsed.answer.body;
  const [first] = Array.isArray(errors) ? errors : [];
  return wrong(`${String(first?.pointer ?? "/rules").slice(1)} ${first?.detail ?? "is wrong"}`);
}

/** Returns the text when it is not an integer: the check then names the rule. */
function integerOf(text: string): number | string {
  return /^\d{1,15}$/.test(text) ? Number(text) : text;
}

function booleanOf(text: string): boolean | string {
  const lower = text.toLowerCase();
  return lower === "" || lower === "false" ? false : lower === "true" ? true : text;
}

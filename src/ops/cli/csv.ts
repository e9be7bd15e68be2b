/**
 * CSV as RFC 4180 writes it, of two columns: `sku,available`.
 *
 * @module
 */
import { limits } from "../../inventory/command.ts";
import { brokenIdRule } from "../../http/members.ts";

/** A row that can be imported. */
export interface StockLine {
  /** Whose units. */
  readonly sku: string;
  /** How many, 0..{@link limits.quantityMax}. */
  readonly available: number;
}

/** A row as the file has it: usable, or why not. */
export type CsvRow =
  | (StockLine & { readonly kind: "row"; readonly line: number })
  | { readonly kind: "wrong"; readonly line: number; readonly why: string };

/** A quote that is never closed would otherwise read the whole file as one record. */
const recordCharsMax = 10_000;

/** Reads records from pieces of text: fields, and the line on which each began. */
export class CsvReader {
  #fields: string[] = [];
  #field = "";
  #chars = 0;
  #line = 1;
  #startLine = 1;
  #state: "start" | "plain" | "quoted" | "closed" = "start";
  #wrong: string | undefined;
  #afterReturn = false;

  /** The records that `text` completes. */
  *read(text: string): Generator<{ line: number; fields: string[] } | { line: number; wrong: string }> {
    for (const char of text) {
      const isRestOfEnd = this.#afterReturn && char === "\n"; // CR LF is one end
      this.#afterReturn = char === "\r" && this.#state !== "quoted";
      if (isRestOfEnd) continue;
      const isEnd = (char === "\n" || char === "\r") && this.#state !== "quoted";
      if (isEnd) {
        this.#line++;
        yield* this.#record();
        continue;
      }
      if (char === "\n") this.#line++;
      if (++this.#chars > recordCharsMax) this.#wrong ??= `is longer than ${recordCharsMax} characters`;
      else this.#take(char);
    }
  }

  /** The last record, when no line end follows it. */
  *end(): Generator<{ line: number; fields: string[] } | { line: number; wrong: string }> {
    if (this.#state === "quoted") this.#wrong ??= "has a quote that is not closed";
    yield* this.#record();
  }

  #take(char: string): void {
    switch (this.#state) {
      case "quoted":
        if (char === '"') this.#state = "closed";
        else this.#field += char;
        return;
      case "start":
        if (char === '"') {
          this.#state = "quoted";
          return;
        }
        break;
      case "closed":
        if (char === '"') { // "" within quotes is a quote
          this.#field += char;
          this.#state = "quoted";
          return;
        }
        if (char !== ",") this.#wrong ??= "has text after a closing quote";
        break;
      case "plain":
        if (char === '"') this.#wrong ??= "has a quote within a field that is not quoted";
    }
    if (char !== ",") {
      this.#field += char;
      this.#state = "plain";
      return;
    }
    this.#fields.push(this.#field);
    this.#field = "";
    this.#state = "start";
  }

  *#record(): Generator<{ line: number; fields: string[] } | { line: number; wrong: string }> {
    const isEmpty = this.#fields.length === 0 && this.#field === "" && this.#state === "start";
    const line = this.#startLine;
    const fields = [...this.#fields, this.#field];
    const wrong = this.#wrong;
    this.#startLine = this.#line;
    [this.#fields, this.#field, this.#chars, this.#state, this.#wrong] = [[], "", 0, "start", undefined];
    if (wrong !== undefined) yield { line, wrong };
    else if (!isEmpty) yield { line, fields };
  }
}

/** Reads a file of stock, row by row: its size does not matter. The first row must be `sku,available`. */
export async function* readStockFile(path: string): AsyncGenerator<CsvRow> {
  using file = await Deno.open(path, { read: true });
  const reader = new CsvReader();
  let columns: { sku: number; available: number } | undefined;
  const rowOf = (
    record: { line: number; fields: string[] } | { line: number; wrong: string },
  ): CsvRow | undefined => {
    const { line } = record;
    if ("wrong" in record) return { kind: "wrong", line, why: record.wrong };
    if (columns) return stockLine(line, record.fields, columns);
    columns = headerOf(record.fields);
    return columns ? undefined : { kind: "wrong", line, why: "must be the header 'sku,available'" };
  };
  const decoder = new TextDecoderStream("utf-8", { fatal: true, ignoreBOM: false });
  for await (const text of file.readable.pipeThrough(decoder)) {
    for (const record of reader.read(text)) {
      const row = rowOf(record);
      if (row) yield row;
      if (!columns) return; // without its header nothing in the file means anything
    }
  }
  for (const record of reader.end()) {
    const row = rowOf(record);
    if (row) yield row;
  }
  if (!columns) yield { kind: "wrong", line: 1, why: "must be the header 'sku,available'" };
}

function headerOf(fields: readonly string[]): { sku: number; available: number } | undefined {
  const names = fields.map((name) => name.trim().toLowerCase());
  const [sku, available] = [names.indexOf("sku"), names.indexOf("available")];
  return names.length === 2 && sku >= 0 && available >= 0 ? { sku, available } : undefined;
}

function stockLine(
  line: number,
  fields: readonly string[],
  columns: { sku: number; available: number },
): CsvRow {
  if (fields.length !== 2) return { kind: "wrong", line, why: `must have 2 fields: it has ${fields.length}` };
  const sku = fields[columns.sku] ?? "";
  const figure = fields[columns.available] ?? "";
  const broken = brokenIdRule(sku);
  if (broken) return { kind: "wrong", line, why: `sku ${broken}` };
  const available = Number(figure);
  if (!/^\d{1,13}$/.test(figure) || available > limits.quantityMax) {
    return { kind: "wrong", line, why: `available must be an integer from 0 to ${limits.quantityMax}` };
  }
  return { kind: "row", line, sku, available };
}

/**
 * CSV according to RFC 4180, in UTF-8.
 *
 * @module
 */

/** A record of a file: its fields, and the line on which it began, from 1. */
export interface CsvRecord {
  readonly line: number;
  readonly fields: string[];
}

export interface BrokenRecord {
  readonly line: number;
  /** Continues the sentence after `line <n>`. */
  readonly wrong: string;
}

/** Without a limit, an unclosed quote would read the whole file as one record. */
const recordCharsMax = 10_000;

const newline = 0x0a;

/** Reads records from pieces of text. */
export class CsvReader {
  #fields: string[] = [];
  #field = "";
  #chars = 0;
  #line = 1;
  #startLine = 1;
  #state: "start" | "plain" | "quoted" | "closed" = "start";
  #wrong: string | undefined;
  #afterReturn = false;

  /** The line that is being read, from 1. */
  get line(): number {
    return this.#line;
  }

  /** The records that `text` completes. */
  *read(text: string): Generator<CsvRecord | BrokenRecord> {
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
  *end(): Generator<CsvRecord | BrokenRecord> {
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

  *#record(): Generator<CsvRecord | BrokenRecord> {
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

/** Reads the records of a file of any size. Ends at the first byte that is not UTF-8, with a broken record. */
export async function* readRecords(path: string): AsyncGenerator<CsvRecord | BrokenRecord> {
  using file = await Deno.open(path, { read: true });
  const reader = new CsvReader();
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
  const [stream, last] = [{ stream: true }, { stream: false }];
  const decode = (bytes: Uint8Array, options: TextDecodeOptions): string | undefined => {
    try {
      return decoder.decode(bytes, options);
    } catch {
      return undefined;
    }
  };
  const notUtf8 = () => ({
    line: reader.line,
    wrong: 'is not UTF-8: save the file with the encoding UTF-8 (in a spreadsheet: "CSV UTF-8")',
  });
  for await (const bytes of file.readable) {
    // One line per call, so that the line of an invalid byte is known.
    for (let start = 0; start < bytes.length;) {
      const at = bytes.indexOf(newline, start);
      const end = at < 0 ? bytes.length : at + 1;
      const text = decode(bytes.subarray(start, end), stream);
      if (text === undefined) {
        yield notUtf8();
        return;
      }
      yield* reader.read(text);
      start = end;
    }
  }
  if (decode(new Uint8Array(), last) === undefined) {
    yield notUtf8();
    return;
  }
  yield* reader.end();
}

/**
 * Output of a verb: the result on standard output, everything else on standard error, so that a pipe gets only the
 * result.
 *
 * @module
 */
import type { World } from "../../runtime/world.ts";
import { Failure } from "./failure.ts";

export interface Terminal {
  /** The result: `value` as one line of JSON when `--json` was given, else `text`. */
  result(value: unknown, text: string): void;
  /** A remark in addition to the result. */
  note(text: string): void;
  /**
   * Asks for confirmation of an irreversible action.
   *
   * @throws {Failure} when the answer is no, or there is no terminal
   */
  confirm(what: string): void;
  /** Whether there is no question: `--yes` was given, or there is no terminal. */
  readonly isUnattended: boolean;
  /** A progress bar for `total` rows; without a total, a counter. */
  progress(label: string, total?: number): Progress;
}

export interface Progress {
  /** `done`: rows so far. */
  show(done: number): void;
  /** Ends the line. */
  end(): void;
}

export interface TerminalOptions {
  readonly json: boolean;
  readonly yes: boolean;
}

const encoder = new TextEncoder();
/** A terminal is updated ten times a second; a file gets a line every ten seconds. */
const redrawMs = 100;
const logEveryMs = 10_000;
const barChars = 30;

export function openTerminal(world: World, options: TerminalOptions): Terminal {
  const note = (text: string) => write(Deno.stderr, text + "\n");
  return {
    note,
    isUnattended: options.yes || !Deno.stdin.isTerminal(),
    result: (value, text) => write(Deno.stdout, (options.json ? JSON.stringify(value) : text) + "\n"),
    confirm(what) {
      if (options.yes) return;
      if (!Deno.stdin.isTerminal()) {
        throw new Failure(
          `Cannot ask for a confirmation as this is no terminal: pass --yes. ${what}`,
          "usage",
        );
      }
      write(Deno.stderr, `${what}\n`);
      if (prompt("Type 'yes' to continue:") !== "yes") throw new Failure("Nothing was changed, as requested");
    },
    progress: (label, total) => progressOn(world, label, total),
  };
}

function progressOn(world: World, label: string, total: number | undefined): Progress {
  const isTerminal = Deno.stderr.isTerminal();
  const startedMs = world.elapsedMs();
  let shownMs = -Infinity;
  const draw = (done: number) => {
    const seconds = (world.elapsedMs() - startedMs) / 1000;
    const line = progressLine(label, done, total, seconds);
    write(Deno.stderr, isTerminal ? `\r${line}` : `${line}\n`);
  };
  return {
    show(done) {
      const nowMs = world.elapsedMs();
      if (nowMs - shownMs < (isTerminal ? redrawMs : logEveryMs)) return;
      shownMs = nowMs;
      draw(done);
    },
    end() {
      if (isTerminal && shownMs !== -Infinity) write(Deno.stderr, "\n");
    },
  };
}

/** `label [####......] 40% 400/1000 200/s`, or `label 400 200/s` when the total is not known. */
export function progressLine(
  label: string,
  done: number,
  total: number | undefined,
  seconds: number,
): string {
  const rate = `${seconds > 0 ? Math.round(done / seconds) : 0}/s`;
  if (total === undefined) return `${label} ${done} ${rate}`;
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const filled = Math.round(share * barChars);
  const bar = "#".repeat(filled) + ".".repeat(barChars - filled);
  return `${label} [${bar}] ${Math.floor(share * 100)}% ${done}/${total} ${rate}`;
}

/** Columns as wide as their widest cell; numbers are right-aligned. */
export function table(rows: readonly Readonly<Record<string, string | number | null>>[]): string {
  const columns = Object.keys(rows[0] ?? {});
  const cell = (row: typeof rows[number], column: string) => String(row[column] ?? "-");
  const widths = columns.map((column) =>
    Math.max(column.length, ...rows.map((row) => cell(row, column).length))
  );
  const isNumber = columns.map((column) => rows.every((row) => typeof row[column] !== "string"));
  const line = (cells: readonly string[]) =>
    cells.map((text, i) => isNumber[i] ? text.padStart(widths[i] ?? 0) : text.padEnd(widths[i] ?? 0)).join(
      "  ",
    )
      .trimEnd();
  return [line(columns), ...rows.map((row) => line(columns.map((column) => cell(row, column))))].join("\n");
}

function write(to: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = encoder.encode(text);
  for (let sent = 0; sent < bytes.length;) sent += to.writeSync(bytes.subarray(sent));
}

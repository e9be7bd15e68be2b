/**
 * `deno task check-history FILE`: checks a recorded history.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- this is the command that prints for the user
import { BadHistory, Checker, type Report } from "./checker.ts";
import { LINE_CHARACTERS_MAX } from "./record.ts";

const help = `Checks a recorded history: what clients called and heard, against the log of the ledger.

  deno task check-history FILE     JSON lines; '-' reads standard input

The first line is {"type":"history",…}; then come lines of the types operation, movement, lost,
recovered and cursor.
tools/checker/README.md documents every member and every rule.

Exit codes: 0 every rule holds; 1 at least one is broken; 2 the file cannot be read, or asked wrongly.`;

/** Violations and losses that are printed, of each; the counts are of all. */
const SHOWN_MAX = 50;

/** Lines of a file. A line that is too long ends here, before it fills the memory. */
async function* linesOf(file: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of file.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
    if (rest.length > LINE_CHARACTERS_MAX) break;
  }
  if (rest !== "") yield rest;
}

async function check(name: string): Promise<Report> {
  const checker = new Checker();
  const readable = name === "-" ? Deno.stdin.readable : (await Deno.open(name)).readable;
  for await (const line of linesOf(readable)) checker.line(line);
  return checker.finish();
}

function printSome(texts: readonly string[]): void {
  for (const text of texts.slice(0, SHOWN_MAX)) console.log(text);
  if (texts.length > SHOWN_MAX) console.log(`… and ${texts.length - SHOWN_MAX} more`);
}

function print(
  { violations, operations, movements, outcomes, declaredLosses, undecidable, stranded }: Report,
): void {
  printSome(violations.map(({ rule, message }) => `${rule}: ${message}`));
  printSome(declaredLosses.map((loss) => `declared lost: ${loss}`));
  for (const { sku, refusals, units } of stranded) {
    console.log(`stranded: ${units} units of ${sku} were free while ${refusals} operations were refused`);
  }
  const { accepted, replayed, refused, read, unknownApplied, unknownOpen } = outcomes;
  console.log(
    `${operations} operations: ${accepted} accepted (${replayed} replayed), ${refused} refused, ${read} reads, ` +
      `${unknownApplied} without an answer and applied, ${unknownOpen} without an answer and open`,
  );
  console.log(
    `${movements} movements; at numbers that are declared lost ${outcomes.declaredLost} operations were ` +
      `accepted, and ${undecidable} refusals cannot be decided`,
  );
  const count = declaredLosses.length;
  const losses = count === 0 ? "" : `, and ${count === 1 ? "1 loss is" : `${count} losses are`} declared`;
  console.log((violations.length === 0 ? "every rule holds" : `${violations.length} violations`) + losses);
}

async function main([file, ...rest]: readonly string[]): Promise<number> {
  if (file === "--help" || file === "-h") {
    console.log(help);
    return 0;
  }
  if (file === undefined || rest.length > 0) {
    console.error(`One FILE is needed\n'deno task check-history --help' says more`);
    return 2;
  }
  try {
    const report = await check(file);
    print(report);
    return report.violations.length === 0 ? 0 : 1;
  } catch (error) {
    const isExpected = error instanceof BadHistory || error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.IsADirectory;
    if (!isExpected) throw error;
    console.error(`Cannot check ${file}: ${error.message}`);
    return 2;
  }
}

Deno.exit(await main(Deno.args));

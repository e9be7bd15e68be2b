/**
 * Counts a test run from the JUnit report that `deno test` writes.
 *
 * @module
 */

/** What became of the tests of a run. Steps count with their test. */
export interface Report {
  /** Tests that ran to their end. */
  readonly passed: number;
  /** Tests that threw, leaked, or had such a step. */
  readonly failed: number;
  /** The names of tests that were ignored; those that a filter left out are not among them. */
  readonly ignored: readonly string[];
  /** Of every test that failed: its file, its name and the start of its error. */
  readonly failures: readonly string[];
  /** Test files, the slowest first. */
  readonly files: readonly { readonly file: string; readonly seconds: number }[];
}

/** Of an error's text in {@linkcode Report.failures}. */
const MAX_ERROR_CHARS = 4000;

interface TestCase {
  readonly file: string;
  readonly name: string;
  /** Missing in the report of a test that was never reached: left out by a filter, or by an early end. */
  readonly reached: boolean;
  readonly outcome: "passed" | "failed" | "ignored";
  readonly seconds: number;
  readonly error: string;
}

const TEST_CASE = /<testcase\b([^>]*?)(?:\/>|>(.*?)<\/testcase>)/gs;

/** Reads a report; text in it cannot be taken for a tag, because JUnit escapes `<`. */
export function readReport(xml: string): Report {
  const cases = [...xml.matchAll(TEST_CASE)].map(([, attributes = "", body = ""]) =>
    testCase(attributes, body)
  );
  const known = new Set(cases.map(({ file, name }) => `${file}\n${name}`));
  const tests = cases.filter((test) => test.reached && !isStep(test, known));
  return {
    passed: tests.filter((test) => test.outcome === "passed").length,
    failed: tests.filter((test) => test.outcome === "failed").length,
    // A step that is ignored inside a test that passed is just as untested.
    ignored: cases.filter((test) => test.reached && test.outcome === "ignored").map((test) => test.name),
    failures: tests.filter((test) => test.outcome === "failed").map(({ file, name, error }) =>
      `${file}: ${plainText(name)}\n    ${plainText(error)}`
    ),
    files: slowestFirst(tests),
  };
}

function slowestFirst(tests: readonly TestCase[]): Report["files"] {
  const secondsOf = new Map<string, number>();
  for (const { file, seconds } of tests) secondsOf.set(file, (secondsOf.get(file) ?? 0) + seconds);
  return [...secondsOf].map(([file, seconds]) => ({ file, seconds })).sort((a, b) => b.seconds - a.seconds);
}

function plainText(xml: string): string {
  const characters: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return xml.replace(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => characters[name] ?? "");
}

function testCase(attributes: string, body: string): TestCase {
  const value = (name: string) => new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1];
  return {
    file: value("classname") ?? "",
    name: value("name") ?? "",
    reached: value("time") !== undefined,
    outcome: /<(failure|error)\b/.test(body) ? "failed" : /<skipped\b/.test(body) ? "ignored" : "passed",
    seconds: Number(value("time") ?? 0),
    error: (/<(?:failure|error)\b[^>]*>(.*?)<\//s.exec(body)?.[1] ?? "").slice(0, MAX_ERROR_CHARS),
  };
}

/** Whether this is a step: deno names it "test > step" and lists it next to its test. */
function isStep({ file, name }: TestCase, known: ReadonlySet<string>): boolean {
  const parts = name.split(" &gt; ");
  return parts.some((_, index) => index > 0 && known.has(`${file}\n${parts.slice(0, index).join(" &gt; ")}`));
}

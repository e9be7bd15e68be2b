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
}

interface TestCase {
  readonly file: string;
  readonly name: string;
  /** Missing in the report of a test that was never reached: left out by a filter, or by an early end. */
  readonly reached: boolean;
  readonly outcome: "passed" | "failed" | "ignored";
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
  };
}

function testCase(attributes: string, body: string): TestCase {
  const value = (name: string) => new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1];
  return {
    file: value("classname") ?? "",
    name: value("name") ?? "",
    reached: value("time") !== undefined,
    outcome: /<(failure|error)\b/.test(body) ? "failed" : /<skipped\b/.test(body) ? "ignored" : "passed",
  };
}

/** Whether this is a step: deno names it "test > step" and lists it next to its test. */
function isStep({ file, name }: TestCase, known: ReadonlySet<string>): boolean {
  const parts = name.split(" &gt; ");
  return parts.some((_, index) => index > 0 && known.has(`${file}\n${parts.slice(0, index).join(" &gt; ")}`));
}

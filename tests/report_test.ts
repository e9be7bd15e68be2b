import assert from "node:assert/strict";
import { readReport } from "./report.ts";

// As deno 2.9 writes it: steps next to their tests, no time for a test that a filter left out.
const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="7" failures="3" errors="0" time="0.065">
    <testsuite name="./a_test.ts" tests="7" disabled="2" errors="0" failures="3">
        <testcase name="good" classname="./a_test.ts" time="0.002" line="1" col="6">
        </testcase>
        <testcase name="for later" classname="./a_test.ts" time="0.000" line="2" col="6">
            <skipped/>
        </testcase>
        <testcase name="filtered out" classname="./a_test.ts" line="3" col="6">
            <skipped/>
        </testcase>
        <testcase name="bad" classname="./a_test.ts" time="0.007" line="4" col="6">
            <failure message="Uncaught Error: &lt;skipped/&gt;">Error: &lt;skipped/&gt;</failure>
        </testcase>
        <testcase name="bad step" classname="./a_test.ts" time="0.001" line="5" col="6">
            <failure message="1 test step failed">1 test step failed.</failure>
        </testcase>
        <testcase name="good &gt; step" classname="./a_test.ts" time="0.000" line="1" col="47">
        </testcase>
        <testcase name="bad step &gt; step" classname="./a_test.ts" time="0.001" line="5" col="45">
            <failure message="Uncaught Error: no">Error: no</failure>
        </testcase>
        <testcase name="1 &gt; 0 holds" classname="./a_test.ts" time="0.001" line="6" col="6">
        </testcase>
    </testsuite>
</testsuites>`;

Deno.test("readReport() counts tests, not their steps, and names the ignored", () => {
  const { passed, failed, ignored } = readReport(REPORT);
  assert.deepEqual({ passed, failed, ignored }, { passed: 2, failed: 2, ignored: ["for later"] });
});

Deno.test("readReport() names what failed, with the error, and sums the seconds of a file", () => {
  const { failures, files } = readReport(REPORT);
  assert.deepEqual(failures, [
    "./a_test.ts: bad\n    Error: <skipped/>",
    "./a_test.ts: bad step\n    1 test step failed.",
  ]);
  assert.deepEqual(files.map(({ file, seconds }) => [file, seconds.toFixed(3)]), [["./a_test.ts", "0.011"]]);
});

Deno.test("readReport() finds nothing in the missing report of a run that did not compile", () => {
  assert.deepEqual(readReport(""), {
    passed: 0,
    failed: 0,
    ignored: [],
    failures: [],
    files: [],
  });
});

import assert from "node:assert/strict";
import { faultsDocument, type MeasuredRow, replaceRows } from "./faults_document.ts";

const row: MeasuredRow = {
  ...{ group: "Redis", what: "BUSY", times: 3, operations: 100, accepted: 90, unknown: 4, unavailable: 6 },
  ...{ acceptedShare: 0.87, pauseMs: 1_240, lost: 0, doubled: 0, oversold: 0, undersold: 0 },
  ...{ date: "2026-11-28", cores: 2, load: 1.2, isLong: true },
};

Deno.test("faults: the document has a table a group, a row a fault, and what else was measured", () => {
  const other = { ...row, group: "Overload", what: "a rush", detail: "p99 12 ms" };
  const text = faultsDocument([row, { ...other, load: 4.9 }]);
  assert.match(
    text,
    /`deno task faults` wrote this file on 2026-11-28, on 2 cores with a load average of 1 to 5\. /,
  );
  assert.match(
    text,
    /\n## Redis\n\n\| fault .*\n\| --- .*\n\| BUSY \| 3 \| 100 \| 90 \| 0.87 \| 4 \| 6 \| 1.2 \| 0 \|/,
  );
  assert.match(text, /\n## Overload\n[^]*\na rush: p99 12 ms\.\n$/);
});

Deno.test("faults: a part that ran again replaces its rows, in their place, and long ones are not mixed with short ones", () => {
  const [second, third] = [{ ...row, what: "LOADING" }, { ...row, what: "OOM" }];
  const again = { ...row, accepted: 91 };
  assert.deepEqual(replaceRows([row, second], [third, again]), [again, second, third]);
  const short = { ...row, isLong: false };
  assert.deepEqual(replaceRows([row, second], [short]), [short]);
});

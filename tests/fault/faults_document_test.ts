import assert from "node:assert/strict";
import { faultsDocument } from "./faults_document.ts";
import type { Row } from "./trial.ts";

Deno.test("faults: the document has a table a group, a row a fault, and what else was measured", () => {
  const row: Row = {
    ...{ group: "Redis", what: "BUSY", times: 3, operations: 100, accepted: 90, unknown: 4, unavailable: 6 },
    ...{ acceptedShare: 0.87, pauseMs: 1_240, lost: 0, doubled: 0, oversold: 0, undersold: 0 },
  };
  const other = { ...row, group: "Overload", what: "a rush", detail: "p99 12 ms" };
  const text = faultsDocument([row, other], { date: "2026-11-28", cores: 2, load: 1.2, isLong: true });
  assert.match(
    text,
    /\n## Redis\n\n\| fault .*\n\| --- .*\n\| BUSY \| 3 \| 100 \| 90 \| 0.87 \| 4 \| 6 \| 1.2 \| 0 \|/,
  );
  assert.match(text, /\n## Overload\n[^]*\na rush: p99 12 ms\.\n$/);
});

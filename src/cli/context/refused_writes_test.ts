import assert from "node:assert/strict";
import { StoreError } from "../../domain/errors.ts";
import { describeRefusedWrite } from "./refused_writes.ts";

Deno.test("a write that a server refuses in the middle of a verb is named with its state; other errors are not", () => {
  const states = { OOM: /maxmemory/, NOREPLICAS: /replicas/, MISCONF: /save/, READONLY: /master/ };
  for (const [code, meaning] of Object.entries(states)) {
    const line = describeRefusedWrite(new StoreError(code, "none", `${code} no`));
    assert.match(line ?? "", meaning);
    assert.match(line ?? "", new RegExp(`refuses writes: ${code}: `));
  }
  assert.equal(describeRefusedWrite(new StoreError("connection_lost", "unknown", "lost")), undefined);
  assert.equal(describeRefusedWrite(new Error("OOM")), undefined);
});

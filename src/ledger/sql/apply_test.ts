import assert from "node:assert/strict";
import type { InventoryEvent } from "../../domain/event.ts";
import { SqlError, type Transaction } from "../database.ts";
import { BatchApplier } from "./apply.ts";
import type { Statements } from "./statements.ts";

const event: InventoryEvent & { epoch: number } = {
  ...{ epoch: 1, seq: 2, kind: "deduct", id: "o", userId: "u", actor: "", traceparent: "", reason: "" },
  ...{ reference: "", data: {}, atMs: 5 },
  lines: [{ sku: "S", delta: -1, reservedDelta: 0, available: 9, reserved: 0 }],
};

/** The text of each statement is its name. */
const sql = new Proxy({}, { get: (_, name) => name }) as Statements;

Deno.test("apply: only what refuses an event sets it aside: a full disk and a deadlock end the batch", async () => {
  for (const sqlstate of ["53100", "40P01", "55P03"]) {
    const asked: string[] = [];
    const tx: Partial<Transaction> = {
      query: (statement) => {
        asked.push(statement);
        return statement === "insert_movements"
          ? Promise.reject(new SqlError(sqlstate, "not now"))
          : Promise.resolve([]);
      },
      script: () => Promise.resolve(),
    };
    const applier = new BatchApplier(tx as Transaction, sql, 0, [event], {
      oneStatement: undefined,
      movements: "",
    });
    await assert.rejects(applier.applyByHalves(), { sqlstate });
    assert.deepEqual(asked, ["insert_movements"]);
  }
});

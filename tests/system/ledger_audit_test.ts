/** The audit finds whatever is wrong: a sale and its ledger that agree, and one thing changed at a time. */
import assert from "node:assert/strict";
import { assertLedger, type LedgerTables, type Sale } from "./ledger_audit.ts";
import type { Heard } from "./load_clients.ts";
import { deductRequest, HistoryRecorder } from "./recorder.ts";

const orders = [
  { orderId: "o1", userId: "u1", sku: "sku", amount: 2 },
  { orderId: "o2", userId: "u2", sku: "sku", amount: 2 },
  { orderId: "o3", userId: "u3", sku: "sku", amount: 3 },
];
const accepted = (newStock: number, seq: number): Heard => ({
  kind: "accepted",
  newStock,
  seq,
  replayed: false,
});
const heard: Heard[] = [
  accepted(3, 2),
  accepted(1, 3),
  { kind: "refused", code: "insufficient_stock", available: 1 },
];
const sale: Sale = {
  orders,
  heard,
  initial: new Map([["sku", 5]]),
  left: new Map([["sku", 1]]),
  history: await recorded(),
};

/** The same orders as they were called and answered. */
async function recorded(): Promise<HistoryRecorder> {
  const history = new HistoryRecorder();
  for (const [index, order] of orders.entries()) {
    await history.send(deductRequest(order), () => Promise.resolve(answer(index)));
  }
  return history;
}

function answer(index: number) {
  const last = heard[index];
  return last?.kind === "accepted"
    ? { status: 200, replayed: false, body: { new_stock: last.newStock, seq: last.seq } }
    : { status: 409, replayed: false, body: { code: "insufficient_stock", sku: "sku", available: 1 } };
}

const line = (id: string, user: string, new_stock: number, seq: number) => ({
  order_id: id,
  user_id: user,
  sku: "sku",
  amount: 2,
  new_stock,
  seq,
});
const movement = (seq: number, delta: number, available_after: number) => ({
  shard: 0,
  seq,
  kind: seq === 1 ? "create" : "deduct",
  order_id: seq === 1 ? "initial" : `o${seq - 1}`,
  user_id: seq === 1 ? "" : `u${seq - 1}`,
  reference: "",
  sku: "sku",
  delta,
  available_after,
  reserved_delta: 0,
  reserved_after: 0,
});
const lines = [line("o1", "u1", 3, 2), line("o2", "u2", 1, 3)];
const movements = [movement(1, 5, 5), movement(2, -2, 3), movement(3, -2, 1)];
const tables: LedgerTables = {
  lines,
  movements,
  stock: [{ sku: "sku", available: 1, reserved: 0 }],
  cursors: [{ shard: 0, seq: 3 }],
  jumps: [],
  recoveries: [],
  deadLetters: 0,
};

Deno.test("assertLedger() passes a sale and a ledger that agree", () => {
  assertLedger(sale, tables);
});

Deno.test("assertLedger() counts numbers that a rebuild has declared lost as accounted for", () => {
  const jumps = [{ shard: 0, from_seq: 3, to_seq: 5, at_ms: 0 }];
  assertLedger(sale, { ...tables, jumps, cursors: [{ shard: 0, seq: 5 }] });
});

const faults: readonly {
  what: string;
  sale?: Partial<Sale>;
  tables?: Partial<LedgerTables>;
  says: RegExp;
}[] = [
  { what: "an accepted order without a row", tables: { lines: lines.slice(1) }, says: /o1 was accepted/ },
  {
    what: "a row whose buyer was refused",
    tables: { lines: [...lines, line("o3", "u3", 0, 4)] },
    says: /o3 is applied, and its buyer heard/,
  },
  {
    what: "a row that no buyer ordered",
    tables: { lines: [...lines, line("o9", "u9", 0, 4)] },
    says: /no buyer ordered it/,
  },
  {
    what: "a row with another first answer",
    tables: { lines: [line("o1", "u1", 4, 2), ...lines.slice(1)] },
    says: /o1 was accepted as .*3.*applied .*4/,
  },
  { what: "an order applied twice", tables: { lines: [...lines, ...lines.slice(1)] }, says: /two lines/ },
  {
    what: "an order without a definite answer",
    sale: { heard: [...heard.slice(0, 2), { kind: "unknown", code: "outcome_unknown" }] },
    says: /o3 has no definite answer/,
  },
  {
    what: "stock of the store that differs",
    sale: { left: new Map([["sku", 2]]) },
    says: /sku must have 1 units left/,
  },
  {
    what: "stock of the ledger that differs",
    tables: { stock: [{ sku: "sku", available: 2, reserved: 0 }] },
    says: /sku must have 1 units left/,
  },
  {
    what: "movements that do not add up",
    tables: { movements: [...movements.slice(0, 2), movement(3, -1, 1)] },
    says: /sku must have 1 units left/,
  },
  {
    what: "a number that is missing",
    tables: { movements: [movements[0] ?? movement(1, 5, 5), movement(3, -4, 1)] },
    says: /number 2: missing/,
  },
  {
    what: "a refusal while enough units were free",
    sale: { heard: [...heard.slice(0, 2), { kind: "refused", code: "insufficient_stock", available: 3 }] },
    says: /o3 wanted 3 of sku, heard that 3 were there/,
  },
  {
    what: "a refusal with a quantity that never was",
    sale: { heard: [...heard.slice(0, 2), { kind: "refused", code: "insufficient_stock", available: 2 }] },
    says: /o3 wanted 3 of sku, heard that 2 were there/,
  },
  { what: "a dead letter", tables: { deadLetters: 1 }, says: /1 dead letters/ },
];

Deno.test("assertLedger() finds a history that breaks a rule, and keeps it in a file", async () => {
  const history = await recorded();
  const [order = assert.fail()] = orders;
  const refused = {
    status: 409,
    replayed: false,
    body: { code: "insufficient_stock", sku: "sku", available: 1 },
  };
  await history.send(deductRequest(order), () => Promise.resolve(refused));
  assert.throws(() => assertLedger({ ...sale, history }, tables), (error: Error & { actual?: unknown }) => {
    assert.match(JSON.stringify(error.actual), /replay_differs: deduct of o1: accepted, and then refused/);
    const file = /kept in (\S+)$/m.exec(error.message)?.[1] ?? assert.fail(error.message);
    assert.match(Deno.readTextFileSync(file), /^{"type":"history"/);
    Deno.removeSync(file);
    return true;
  });
});

for (const fault of faults) {
  Deno.test(`assertLedger() finds ${fault.what}`, () => {
    assert.throws(
      () => assertLedger({ ...sale, ...fault.sale }, { ...tables, ...fault.tables }),
      (error: Error & { actual?: unknown }) => fault.says.test(JSON.stringify(error.actual)),
    );
  });
}

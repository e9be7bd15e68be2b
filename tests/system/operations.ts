/**
 * The requests of the API that sell or change units, as operations of a history (tools/checker/README.md).
 *
 * @module
 */

/** A request that a client sends. */
export interface ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a client heard. */
export interface Heard {
  readonly status: number;
  /** It carried `Idempotency-Replayed: true`. */
  readonly replayed: boolean;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Members of a line of JSON. */
export type Members = Readonly<Record<string, unknown>>;

/** What a client asked for, and how its answer is found in the response: a batch has several. */
export interface Asked {
  readonly operation: Members;
  readonly answerIn: (heard: Heard) => Members;
}

/** An id has at most 128 bytes. */
const ID_CHARACTERS_MAX = 128;

interface Line {
  readonly sku: string;
  readonly units: number;
}

/** Codes of 503 that say for certain that the request took no effect: all but `outcome_unknown`. */
const certainlyNot: ReadonlySet<unknown> = new Set([
  "overloaded",
  "backlog_full",
  "ledger_behind",
  "unarmed",
  "store_unavailable",
  "store_full",
]);

/** The routes that are recorded. `([^/]+)` is an id or a SKU. */
const routes: readonly (readonly [RegExp, (body: Members, id: string) => readonly Asked[]])[] = [
  [/^POST \/api\/v1\/inventory\/deduct$/, (body) => [deductOf(body)]],
  [/^POST \/api\/v1\/inventory\/deduct\/batch$/, (body) => membersOf(body.items).map(itemOf)],
  [/^POST \/api\/v1\/orders$/, (body) => [saleOf("order", body)]],
  [/^POST \/api\/v1\/reservations$/, (body) => [saleOf("reserve", body)]],
  [/^POST \/api\/v1\/reservations\/([^/]+)\/confirm$/, (body, id) => [settleOf("confirm", body, id)]],
  [/^POST \/api\/v1\/reservations\/([^/]+)\/cancel$/, (body, id) => [settleOf("cancel", body, id)]],
  [/^POST \/api\/v1\/orders\/([^/]+)\/return$/, (body, id) => [returnOf(body, id)]],
  [
    /^POST \/api\/v1\/inventory\/([^/]+)\/adjustments$/,
    (body, sku) => [changeOf("adjust", body, { sku, units: Number(body.delta) })],
  ],
  [
    /^PUT \/api\/v1\/inventory\/([^/]+)$/,
    (body, sku) => [changeOf("set", body, { sku, units: Number(body.available) })],
  ],
  [/^GET \/api\/v1\/inventory\/([^/]+)$/, (_, sku) => [readOf(sku)]],
];

/** The operations of a request; none for one that moves no units, or that no API understands. */
export function operationsOf({ method, path, body }: ApiRequest): readonly Asked[] {
  const members = (typeof body === "object" && body !== null ? body : {}) as Members;
  for (const [route, operations] of routes) {
    const found = route.exec(`${method} ${path}`);
    const id = found && decoded(found[1] ?? "");
    if (id !== null) return operations(members, id).filter(({ operation }) => isWhole(operation));
  }
  return [];
}

function decoded(id: string): string | null {
  try {
    return decodeURIComponent(id);
  } catch {
    return null;
  }
}

/** Whether a history can have it; a test also sends what an API must refuse. */
function isWhole({ call, id, user_id = "", reference, lines }: Members): boolean {
  const isId = (value: unknown) =>
    typeof value === "string" && value !== "" && value.length <= ID_CHARACTERS_MAX;
  return (user_id === "" || isId(user_id)) && (call === "read" || isId(id)) &&
    (call !== "return" || isId(reference)) &&
    membersOf(lines).every(({ sku, units }) => isId(sku) && Number.isSafeInteger(units)) &&
    (membersOf(lines).length > 0 || call === "confirm" || call === "cancel");
}

function deductOf(body: Members): Asked {
  const { sku = body.SKU, user_id = body.UserID, order_id = body.OrderID, amount = body.Amount } = body;
  return {
    operation: { call: "deduct", id: order_id, user_id, lines: [{ sku, units: amount }] },
    answerIn: (heard) => answerOf(heard, [heard.body.new_stock]),
  };
}

/** One deduct of a batch. */
function itemOf(item: Members, index: number): Asked {
  const { operation, answerIn } = deductOf(item);
  return {
    operation,
    answerIn(heard) {
      if (heard.status !== 200) return answerIn(heard);
      const body = membersOf(heard.body.items)[index] ?? {};
      return answerIn({ status: Number(body.status), replayed: body.replayed === true, body });
    },
  };
}

function saleOf(call: "order" | "reserve", { order_id, user_id, lines }: Members): Asked {
  const asked = linesOf(lines);
  return {
    operation: { call, id: order_id, user_id, lines: asked },
    answerIn: (heard) => answerOf(heard, stockAfter(heard, asked)),
  };
}

function settleOf(call: "confirm" | "cancel", { lines }: Members, id: string): Asked {
  const asked = linesOf(lines);
  return {
    operation: { call, id, lines: asked },
    answerIn: (heard) => answerOf(heard, stockAfter(heard, asked)),
  };
}

function returnOf({ return_id: reference, lines }: Members, id: string): Asked {
  const asked = linesOf(lines);
  return {
    operation: { call: "return", id, reference, lines: asked },
    answerIn: (heard) => answerOf(heard, stockAfter(heard, asked)),
  };
}

function changeOf(call: "adjust" | "set", { adjustment_id: id }: Members, line: Line): Asked {
  return {
    operation: { call, id, lines: [line] },
    answerIn: (heard) => answerOf(heard, [heard.body.available]),
  };
}

function readOf(sku: string): Asked {
  return {
    operation: { call: "read", lines: [{ sku, units: 0 }] },
    answerIn({ status, body: { seq, available } }) {
      return status === 200 ? { kind: "stock", seq, available } : { kind: "unknown" };
    },
  };
}

/** The answer that a response is. `available`: the units left of each line, if it is a success. */
function answerOf({ status, replayed, body }: Heard, available: readonly unknown[]): Members {
  const { code, sku, available: left, seq } = body;
  if (status < 300) return { kind: "accepted", seq, available, replayed };
  if (status >= 500 && !certainlyNot.has(code)) return { kind: "unknown" };
  // Only this one says what was available. What an answer does not name is left out: no member is null.
  const stock = code === "insufficient_stock" ? { sku, available: left } : {};
  return { kind: "refused", code: String(code), ...stock };
}

/** Units left of the lines that were asked for, in their order. */
function stockAfter({ body }: Heard, asked: readonly Line[]): readonly unknown[] {
  const after = new Map(membersOf(body.lines).map(({ sku, new_stock }) => [sku, new_stock]));
  return asked.map(({ sku }) => after.get(sku));
}

function linesOf(lines: unknown): Line[] {
  return membersOf(lines).map((line) => ({ sku: String(line?.sku), units: Number(line?.amount) }));
}

function membersOf(value: unknown): readonly Members[] {
  return Array.isArray(value) ? value : [];
}

/** A small correct history, whose parts a test replaces. */

export type Members = Record<string, unknown>;

export const header = { type: "history", version: 1, complete: true, refusal_age_max_ms: 0 };

export function operation(call: string, id: string, times: [number, number?], rest: Members): Members {
  const [called_ms, returned_ms] = times;
  return { type: "operation", call, id, user_id: `user-${id}`, called_ms, returned_ms, ...rest };
}

export function accepted(seq: number, ...available: number[]): Members {
  return { answer: { kind: "accepted", seq, available, replayed: false } };
}

export function replayed(seq: number, ...available: number[]): Members {
  return { answer: { kind: "accepted", seq, available, replayed: true } };
}

export const short = (available: number): Members => ({
  answer: { kind: "refused", code: "insufficient_stock", sku: "a", available },
});
export const unknown = { answer: { kind: "unknown" } };
export const units = (count: number, sku = "a"): Members => ({ lines: [{ sku, units: count }] });

export function movement(
  seq: number,
  kind: string,
  id: string,
  delta: number,
  available: number,
  rest: Members = {},
): Members {
  const user_id = kind === "create" || kind === "adjust" ? "" : `user-${id}`;
  const none = { reserved_delta: 0, reserved: 0, sku: "a", shard: 0 };
  return { type: "movement", seq, kind, id, user_id, delta, available, ...none, ...rest };
}

/** Five units: two orders take two each, a third of two is refused, a reservation of one is cancelled. */
export const operations = {
  stock: operation("adjust", "stock", [0, 1], { ...units(5), ...accepted(1, 5) }),
  o1: operation("deduct", "o1", [2, 4], { ...units(2), ...accepted(2, 3) }),
  o2: operation("deduct", "o2", [3, 5], { ...units(2), ...accepted(3, 1) }),
  o2Again: operation("deduct", "o2", [6, 7], { ...units(2), ...replayed(3, 1) }),
  o3: operation("deduct", "o3", [6, 7], { ...units(2), ...short(1) }),
  read: operation("read", "", [7.5, 7.9], {
    ...units(0),
    answer: { kind: "stock", seq: 3, available: 1 },
  }),
  held: operation("reserve", "r1", [8, 9], { ...units(1), ...accepted(4, 0) }),
  o4: operation("deduct", "o4", [8.5, 9.5], { ...units(1), ...short(0) }),
  cancelled: operation("cancel", "r1", [10, 11], { lines: [], ...accepted(5) }),
  lost: operation("deduct", "o5", [12], { ...units(1), ...unknown }),
  open: operation("deduct", "o6", [13], { ...units(1), ...unknown }),
};
export const movements = {
  stock: movement(1, "create", "stock", 5, 5),
  o1: movement(2, "deduct", "o1", -2, 3),
  o2: movement(3, "deduct", "o2", -2, 1),
  held: movement(4, "reserve", "r1", -1, 0, { reserved_delta: 1, reserved: 1 }),
  cancelled: movement(5, "cancel", "r1", 1, 1, { reserved_delta: -1 }),
  o5: movement(6, "deduct", "o5", -1, 0),
};
export const cursor = { type: "cursor", shard: 0, seq: 6 };

export interface History {
  readonly head?: Members;
  readonly operations?: Record<string, Members>;
  readonly movements?: Record<string, Members>;
  readonly rest?: readonly Members[];
}

export function linesOf(doctored: History = {}): string[] {
  const { head = {}, rest = [cursor] } = doctored;
  const all = [
    { ...header, ...head },
    ...Object.values({ ...operations, ...doctored.operations }),
    ...Object.values({ ...movements, ...doctored.movements }),
    ...rest,
  ];
  return all.map((line) => JSON.stringify(line));
}

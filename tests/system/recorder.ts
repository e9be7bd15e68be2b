/**
 * Records what clients called and heard, for the history checker (tools/checker/README.md).
 *
 * @module
 */
import assert from "node:assert/strict";
import { checkHistory } from "../../tools/checker/checker.ts";
import type { LedgerTables } from "./ledger_audit.ts";
import type { Order } from "./plan.ts";

/** What a client heard. */
interface Heard {
  readonly status: number;
  /** It carried `Idempotency-Replayed: true`. */
  readonly replayed: boolean;
  readonly body: Readonly<Record<string, unknown>>;
}

type Members = Readonly<Record<string, unknown>>;

/** Codes of 503 that say for certain that the request took no effect: all but `outcome_unknown`. */
const certainlyNot: ReadonlySet<unknown> = new Set([
  "overloaded",
  "backlog_full",
  "ledger_behind",
  "unarmed",
  "store_unavailable",
  "store_full",
]);
/** How long an API refuses a first attempt by its sold-out cache. */
const CACHE_MS = 1000;
/** Enough violations to see what is wrong. */
const VIOLATIONS_SHOWN = 10;

/** The operations of all clients of one test. */
export class HistoryRecorder {
  readonly #operations: Members[] = [];
  #declaresFirst = false;

  /** Some orders declare their first attempt, so that an API may refuse them by its cache. */
  declareFirst(): void {
    this.#declaresFirst = true;
  }

  /** Sends a deduct and records it. An error of `send` is an unknown outcome, and is thrown on. */
  deduct<T extends Heard>(order: Order, send: () => Promise<T>): Promise<T> {
    return this.#record(deductOf(order), send);
  }

  /** The same for an adjustment of the stock. */
  adjust<T extends Heard>(id: string, sku: string, delta: number, send: () => Promise<T>): Promise<T> {
    return this.#record({ call: "adjust", id, lines: [{ sku, units: delta }] }, send);
  }

  /** Records a deduct that another process has sent and timed, on one clock. */
  noteDeduct(
    order: Order,
    times: { readonly calledMs: number; readonly returnedMs: number },
    heard: Heard,
  ): void {
    this.#note(deductOf(order), times, answerOf(heard));
  }

  /** The history as a file has it: the operations, and the ledger as the witness. */
  *lines({ movements, jumps, cursors }: LedgerTables): Generator<string> {
    const refusal_age_max_ms = this.#declaresFirst ? CACHE_MS : 0;
    yield JSON.stringify({ type: "history", version: 1, complete: true, refusal_age_max_ms });
    for (const operation of this.#operations) yield JSON.stringify(operation);
    for (const { shard, seq, kind, order_id, user_id, reference, sku, delta, ...rest } of movements) {
      const { available_after: available, reserved_after: reserved, reserved_delta } = rest;
      const change = { sku, delta, available, reserved_delta, reserved };
      yield JSON.stringify({
        type: "movement",
        shard,
        seq,
        kind,
        id: order_id,
        user_id,
        reference,
        ...change,
      });
    }
    for (const jump of jumps) yield JSON.stringify({ type: "lost", ...jump });
    for (const cursor of cursors) yield JSON.stringify({ type: "cursor", ...cursor });
  }

  /** Asserts that every rule of the checker holds. A history that breaks one is kept in a file, which the error names. */
  assertHolds(ledger: LedgerTables): void {
    const { violations } = checkHistory(this.lines(ledger));
    if (violations.length === 0) return;
    const file = Deno.makeTempFileSync({ prefix: "holdfast_history_", suffix: ".jsonl" });
    Deno.writeTextFileSync(file, [...this.lines(ledger)].join("\n"));
    const shown = violations.slice(0, VIOLATIONS_SHOWN).map(({ rule, message }) => `${rule}: ${message}`);
    assert.deepEqual(shown, [], `${violations.length} violations in the history, which is kept in ${file}`);
  }

  async #record<T extends Heard>(asked: Members, send: () => Promise<T>): Promise<T> {
    const calledMs = performance.now();
    let answer: Members = { kind: "unknown" };
    try {
      const heard = await send();
      answer = answerOf(heard);
      return heard;
    } finally {
      this.#note(asked, { calledMs, returnedMs: performance.now() }, answer);
    }
  }

  #note(
    asked: Members,
    { calledMs, returnedMs }: { readonly calledMs: number; readonly returnedMs: number },
    answer: Members,
  ): void {
    const times = { called_ms: calledMs, returned_ms: returnedMs };
    this.#operations.push({ type: "operation", ...asked, ...times, answer });
  }
}

function deductOf({ orderId, userId, sku, amount }: Order): Members {
  return { call: "deduct", id: orderId, user_id: userId, lines: [{ sku, units: amount }] };
}

function answerOf({ status, replayed, body }: Heard): Members {
  const { code, sku, available, new_stock, seq } = body;
  if (status < 300) return { kind: "accepted", seq, available: [new_stock ?? available], replayed };
  if (status >= 500 && !certainlyNot.has(code)) return { kind: "unknown" };
  // No member is null: what an answer does not name is left out.
  return { kind: "refused", code, sku, available };
}

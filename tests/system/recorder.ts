/**
 * Records what clients called and heard, for the history checker (tools/checker/README.md).
 *
 * @module
 */
import assert from "node:assert/strict";
import { checkHistory, type Report } from "../../tools/checker/checker.ts";
import type { LedgerTables } from "./ledger_audit.ts";
import { type ApiRequest, type Heard, type Members, operationsOf } from "./operations.ts";
import type { Order } from "./plan.ts";

/** How long an API refuses a first attempt by its sold-out cache. */
const CACHE_MS = 1000;
/** Enough violations to see what is wrong. */
const VIOLATIONS_SHOWN = 10;
const DEDUCT = "/api/v1/inventory/deduct";

/** An operation under way has no answer, as one whose answer was lost. */
interface Recorded {
  readonly operation: Members;
  readonly calledMs: number;
  returnedMs: number;
  answer: Members;
}

/** The operations of all clients of one deployment. */
export class HistoryRecorder {
  readonly #operations: Recorded[] = [];
  #declaresFirst = false;
  #unchecked: string | undefined;
  #isComplete = true;
  #checked = 0;

  /** Some orders declare their first attempt, so that an API may refuse them by its cache. */
  declareFirst(): void {
    this.#declaresFirst = true;
  }

  /**
   * The history of this test is not checked.
   *
   * @param reason is named in tools/checker/README.md
   */
  unchecked(reason: string): void {
    this.#unchecked = reason;
  }

  /**
   * Clients of other programs order too: an order that no recorded client sent is no violation.
   *
   * @param reason is named in tools/checker/README.md
   */
  incomplete(reason: string): void {
    this.#isComplete = reason === "";
  }

  /** It has been found to break a rule: the next process that ends need not say so again. */
  close(): void {
    this.#unchecked = "closed";
  }

  /** Whether something was recorded that no check has seen. */
  get isOpen(): boolean {
    return this.#unchecked === undefined && this.#operations.length > this.#checked;
  }

  /** Sends a request and records its operations. An error of `send` is an unknown outcome, and is thrown on. */
  async send<T extends Heard>(request: ApiRequest, send: () => Promise<T>): Promise<T> {
    for (const name of Object.keys(request.headers ?? {})) {
      if (name.toLowerCase() === "order-attempt") this.declareFirst();
    }
    const asked = operationsOf(request);
    const calledMs = performance.now();
    const recorded = asked.map(({ operation }) => this.#add(operation, calledMs));
    const heard = await send();
    const returnedMs = performance.now();
    for (const [index, operation] of recorded.entries()) {
      operation.returnedMs = returnedMs;
      operation.answer = asked[index]?.answerIn(heard) ?? operation.answer;
    }
    return heard;
  }

  /** Records a deduct that another process has sent and timed, on one clock. */
  noteDeduct(
    order: Order,
    { calledMs, returnedMs }: { readonly calledMs: number; readonly returnedMs: number },
    heard: Heard,
  ): void {
    const [asked] = operationsOf(deductRequest(order));
    assert.ok(asked);
    const recorded = this.#add(asked.operation, calledMs);
    recorded.returnedMs = returnedMs;
    recorded.answer = asked.answerIn(heard);
  }

  /** The history as a file has it: the operations, and the ledger as the witness. */
  *lines({ movements, jumps, cursors }: LedgerTables): Generator<string> {
    const refusal_age_max_ms = this.#declaresFirst || this.#readsSoldOutAgain() ? CACHE_MS : 0;
    yield JSON.stringify({ type: "history", version: 1, complete: this.#isComplete, refusal_age_max_ms });
    for (const { operation, calledMs, returnedMs, answer } of this.#operations) {
      const times = { called_ms: calledMs, returned_ms: returnedMs };
      yield JSON.stringify({ type: "operation", ...operation, ...times, answer });
    }
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

  /** Checks it, and returns what was found. */
  check(ledger: LedgerTables): Report {
    const count = this.#operations.length;
    const report = checkHistory(this.lines(ledger));
    if (report.violations.length === 0) this.#checked = count;
    return report;
  }

  /** Asserts that every rule of the checker holds. A history that breaks one is kept in a file, which the error names. */
  assertHolds(ledger: LedgerTables): void {
    const { violations } = this.check(ledger);
    if (violations.length === 0) return;
    const file = Deno.makeTempFileSync({ prefix: "holdfast_history_", suffix: ".jsonl" });
    Deno.writeTextFileSync(file, [...this.lines(ledger)].join("\n"));
    const shown = violations.slice(0, VIOLATIONS_SHOWN).map(({ rule, message }) => `${rule}: ${message}`);
    assert.deepEqual(shown, [], `${violations.length} violations in the history, which is kept in ${file}`);
  }

  /** Whether a SKU was found sold out by two reads: the API answers the second by its cache. */
  #readsSoldOutAgain(): boolean {
    const soldOut = new Set<string>();
    for (const { operation: { call, lines }, answer } of this.#operations) {
      if (call !== "read" || answer.available !== 0) continue;
      const sku = JSON.stringify(lines);
      if (soldOut.has(sku)) return true;
      soldOut.add(sku);
    }
    return false;
  }

  #add(operation: Members, calledMs: number): Recorded {
    const recorded = { operation, calledMs, returnedMs: calledMs, answer: { kind: "unknown" } };
    this.#operations.push(recorded);
    return recorded;
  }
}

/** The request of an order. */
export function deductRequest({ orderId, userId, sku, amount }: Order): ApiRequest {
  const body = { order_id: orderId, user_id: userId, sku, amount };
  return { method: "POST", path: DEDUCT, body };
}

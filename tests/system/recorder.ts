/**
 * Records what clients called and heard, for the history checker (tools/checker/README.md).
 *
 * @module
 */
import assert from "node:assert/strict";
import { checkHistory } from "../../tools/checker/checker.ts";
import type { LedgerTables, NumberRange } from "./ledger_audit.ts";
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
  readonly #forgotten: number[] = [];
  #losses = 0;
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

  /** The store has forgotten a number of shard 0, so that no recovery brings it back. */
  forgotten(seq: number): void {
    this.#forgotten.push(seq);
  }

  /** So many accepted operations have numbers that are declared lost and never recovered. */
  declaredLosses(count: number): void {
    this.#losses = count;
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
  *lines({ movements, jumps, recoveries, cursors }: LedgerTables): Generator<string> {
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
    for (const jump of jumps) yield JSON.stringify({ type: "lost", ...onOurClock(jump) });
    for (const range of recoveries) {
      const isWithin = (seq: number) => range.shard === 0 && range.from_seq < seq && seq <= range.to_seq;
      const forgotten = this.#forgotten.filter(isWithin);
      yield JSON.stringify({ type: "recovered", ...onOurClock(range), forgotten });
    }
    for (const cursor of cursors) yield JSON.stringify({ type: "cursor", ...cursor });
  }

  /** Whether every rule of the checker holds, and no more is lost than the test has announced. */
  holds(ledger: LedgerTables): boolean {
    return this.#problems(ledger).length === 0;
  }

  /** Asserts what `holds` checks. A history that does not hold is kept in a file, which the error names. */
  assertHolds(ledger: LedgerTables): void {
    const problems = this.#problems(ledger);
    if (problems.length === 0) return;
    const file = Deno.makeTempFileSync({ prefix: "holdfast_history_", suffix: ".jsonl" });
    Deno.writeTextFileSync(file, [...this.lines(ledger)].join("\n"));
    const shown = problems.slice(0, VIOLATIONS_SHOWN);
    assert.deepEqual(shown, [], `${problems.length} problems in the history, which is kept in ${file}`);
  }

  #problems(ledger: LedgerTables): string[] {
    const count = this.#operations.length;
    const { violations, declaredLosses } = checkHistory(this.lines(ledger));
    const problems = violations.map(({ rule, message }) => `${rule}: ${message}`);
    if (declaredLosses.length !== this.#losses) {
      const losses = declaredLosses.slice(0, VIOLATIONS_SHOWN).join("; ");
      problems.push(
        `${declaredLosses.length} losses are declared, ${this.#losses} were announced: ${losses}`,
      );
    }
    if (problems.length === 0) this.#checked = count;
    return problems;
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

/** A time of the ledger's server, which runs on this machine, on the clock of the operations. */
function onOurClock({ at_ms, ...range }: NumberRange): NumberRange {
  return { ...range, at_ms: Math.max(0, at_ms - (Date.now() - performance.now())) };
}

/** The request of an order. */
export function deductRequest({ orderId, userId, sku, amount }: Order): ApiRequest {
  const body = { order_id: orderId, user_id: userId, sku, amount };
  return { method: "POST", path: DEDUCT, body };
}

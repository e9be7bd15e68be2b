/**
 * A batcher whose store answers when the test says so.
 *
 * @module
 */
import assert from "node:assert/strict";
import { ManualWorld, settled } from "../manual_world.ts";
import type { Command } from "../../src/domain/command.ts";
import type { Outcome } from "../../src/domain/outcome.ts";
import { Batcher } from "../../src/decide/batcher.ts";
import type { BatchResult, Retime, StockStore, Timed } from "../../src/decide/store.ts";

/** A call of a batcher to its store, until the test answers it. */
export interface Call {
  readonly batch: readonly Timed[];
  /** The store says that another server decides, `aheadMs` ahead of this process: the batch as it leaves again. */
  retime(aheadMs: number): readonly Timed[];
  answer(postponed?: Readonly<Record<string, number>>): void;
  fail(error: unknown): void;
}

/** A store that answers when the test says so. */
export class HeldStore implements StockStore {
  readonly calls: Call[] = [];
  constructor(readonly world: ManualWorld) {}

  decide(_shard: number, batch: readonly Timed[], retime?: Retime): Promise<BatchResult> {
    const timeMs = this.world.now() + 5000; // its clock is ahead of ours
    if (batch.length === 0) {
      return Promise.resolve({ kind: "decided", timeMs, head: 0, outcomes: [], isMoreDue: false });
    }
    const { promise, resolve, reject } = Promise.withResolvers<BatchResult>();
    const outcome = (lines: number | undefined) =>
      lines === undefined
        ? { kind: "order", lines: [], forgottenSeq: 0, windowMs: 0 } as const
        : { kind: "postponed", lines } as const;
    this.calls.push({
      batch: batch.map(({ command, deadlineMs }) => ({ command, deadlineMs })), // as it leaves now
      retime: (aheadMs) => retime?.(this.world.now() + aheadMs) ?? assert.fail("deadlines stay as they are"),
      answer(postponed = {}) {
        const outcomes = batch.map(({ command }) => outcome(postponed[orderIdOf(command)]));
        resolve({ kind: "decided", timeMs, head: 0, outcomes, isMoreDue: false });
      },
      fail: reject,
    });
    return promise;
  }

  call(index: number): Call {
    return this.calls[index] ?? assert.fail(`no call ${index}`);
  }

  guaranteesOff(): Promise<string[]> {
    return Promise.resolve([]);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A batcher and its surroundings. */
export interface Setup {
  readonly world: ManualWorld;
  readonly store: HeldStore;
  readonly batcher: Batcher;
  readonly broken: unknown[];
  submit(...names: string[]): Promise<Outcome>[];
}

/** The order id of a look-up. */
const orderIdOf = (command: Command) => (command as Command & { orderId: string }).orderId;
/** The order ids of a call. */
export const names = (call: Call): string[] => call.batch.map(({ command }) => orderIdOf(command));

/** A batcher that knows the store's clock and has no call in flight. */
export async function warm(
  options: { batchMax?: number; callsMax?: number; fullCallsMax?: number } = {},
): Promise<Setup> {
  const world = new ManualWorld();
  const store = new HeldStore(world);
  const broken: unknown[] = [];
  const batcher = new Batcher(0, store, world, {
    batchMax: 3,
    callsMax: 1,
    requestTimeoutMs: 1000,
    onBroken: (error) => broken.push(error),
    ...options,
  });
  const first = batcher.submit({ kind: "lookup", orderId: "first" });
  await settled();
  store.call(0).answer();
  await first;
  store.calls.length = 0;
  const submit = (...names: string[]) => names.map((orderId) => batcher.submit({ kind: "lookup", orderId }));
  return { world, store, batcher, broken, submit };
}

/**
 * What the batcher adds to an order: a batcher in front of a store that answers at once, and of one that takes as
 * long as a network does.
 */
import type { Command } from "../src/domain/command.ts";
import { Batcher } from "../src/decide/batcher.ts";
import type { BatchResult, StockStore, Timed } from "../src/decide/store.ts";
import { realWorld, sleep } from "../src/runtime/world.ts";

class EchoStore implements StockStore {
  constructor(readonly delayMs: number) {}

  async decide(_shard: number, batch: readonly Timed[]): Promise<BatchResult> {
    if (this.delayMs > 0) await sleep(realWorld, this.delayMs);
    const outcomes = batch.map(() => ({ kind: "order", lines: [], forgottenSeq: 0, windowMs: 0 }) as const);
    return { kind: "decided", timeMs: realWorld.now(), head: 0, outcomes, isMoreDue: false };
  }

  guaranteesOff(): Promise<string[]> {
    return Promise.resolve([]);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

const command: Command = { kind: "lookup", orderId: "order" };

for (const delayMs of [0, 1]) {
  const batcher = new Batcher(0, new EchoStore(delayMs), realWorld, {
    batchMax: 256,
    callsMax: 2,
    requestTimeoutMs: 2000,
    onBroken() {},
  });
  await batcher.submit(command);
  for (const waiting of [1, 64, 1024]) {
    Deno.bench(
      `batcher: ${waiting} orders at once, a store of ${delayMs} ms`,
      { group: `batcher ${delayMs}` },
      async () => {
        await Promise.all(Array.from({ length: waiting }, () => batcher.submit(command)));
      },
    );
  }
}

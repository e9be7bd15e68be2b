/**
 * The service on two shards in memory, with an archive whose contents the test sets.
 *
 * @module
 */
import assert from "node:assert/strict";
import { withMembers } from "../contract/embedded_parts.ts";
import { ManualWorld } from "../manual_world.ts";
import type { MadeAdjustment } from "../../src/domain/adjustment.ts";
import type { Adjust, Command, Sale } from "../../src/domain/command.ts";
import { MemoryStore } from "../../src/decide/memory/store.ts";
import type { RememberedLine } from "../../src/domain/outcome.ts";
import { Router } from "../../src/decide/router.ts";
import { InventoryService } from "../../src/decide/service.ts";

/** Shards of the deployment. */
export const shards = 2;
/** The idempotency window. */
export const windowMs = 60_000;
/** Of a command: access is open, and nothing is traced. */
export const origin = { actor: "", traceparent: "" };

/** One SKU in each shard. */
export const [inFirst = "", inSecond = ""] = [0, 1].map((shard) =>
  ["A", "B", "C", "D"].find((sku) => new Router(shards).route(sku) === shard) ?? ""
);

/** Adds nine units. */
export function adjust(sku: string, adjustmentId: string): Adjust {
  return { kind: "adjust", adjustmentId, sku, delta: 9, reason: "", reference: "", ...origin };
}

/** Sells one unit. */
export function deduct(orderId: string, sku: string): Sale {
  const lines = [{ sku, amount: 1 }];
  const rest = { hasToken: false, holdMs: 0, ...origin };
  return { kind: "deduct", orderId, userId: "u", lines, ...rest };
}

/** Reserves one unit for a window. */
export function reserve(orderId: string, sku: string): Sale {
  return { ...deduct(orderId, sku), kind: "reserve", holdMs: windowMs };
}

/** What the ledger has: both shards up to `appliedSeq`. */
export interface LedgerContents {
  lines: readonly RememberedLine[];
  returned: readonly RememberedLine[];
  adjusted: MadeAdjustment | undefined;
  appliedSeq: number;
  isAway: boolean;
}

/** The service and its surroundings. */
export interface TwoShards {
  readonly world: ManualWorld;
  readonly store: MemoryStore;
  readonly inventory: InventoryService;
  readonly ledger: LedgerContents;
  /** Submits commands one after the other, and asserts that each is accepted. */
  readonly accept: (...commands: Command[]) => Promise<void>;
  /** Makes a shard forget what it has: two windows pass, and everything is applied. */
  readonly forget: (sku: string) => Promise<void>;
  /** How often the archive was asked. */
  readonly asked: () => number;
}

/** Two armed shards in memory, and a ledger with what the test puts there. */
export async function setup({ batchMax = 256, behindMs = 0 } = {}): Promise<TwoShards> {
  const world = new ManualWorld();
  const limits = { userLimitMs: 0, idempotencyWindowMs: windowMs, backlogMax: 1_000_000 };
  const store = new MemoryStore(world, limits, shards);
  for (let shard = 0; shard < shards; shard++) {
    const seen = await store.inspect(shard);
    await store.arm(shard, { seen, epoch: 1, deployment: "d", shards, applied: 0, token: "", chunks: 0 });
  }
  const ledger: LedgerContents = {
    lines: [],
    returned: [],
    adjusted: undefined,
    appliedSeq: 1_000_000,
    isAway: false,
  };
  let [asked, turns] = [0, 0];
  const apiWorld = withMembers(world, { now: () => world.now() - behindMs });
  const inventory = new InventoryService(store, apiWorld, {
    shards,
    batchMax,
    callsMax: 2,
    queueMax: 1000,
    requestTimeoutMs: 1000,
    guaranteesOff: () => [],
    decisions: null,
    archive: {
      findOrder() {
        asked++;
        const appliedSeqs = new Map([[0, ledger.appliedSeq], [1, ledger.appliedSeq]]);
        return ledger.isAway
          ? Promise.reject(new Error("away"))
          : Promise.resolve({ lines: ledger.lines, appliedSeqs });
      },
      findReturn: () => Promise.resolve(ledger.returned),
      findAdjustment() {
        asked++;
        const { adjusted: made, appliedSeq, isAway } = ledger;
        return isAway ? Promise.reject(new Error("away")) : Promise.resolve({ made, appliedSeq });
      },
    },
    onBroken() {},
  });
  const accept = async (...commands: Command[]) => {
    for (const command of commands) assert.equal((await inventory.submit(command)).kind, "accepted");
  };
  await accept(adjust(inFirst, "1"), adjust(inSecond, "1"));
  const forget = async (sku: string) => {
    for (let turn = 0; turn < 2; turn++) {
      const shard = inventory.shardOf(sku);
      await store.acknowledge(shard, { epoch: 1, seq: (await store.inspect(shard)).position.seq }, "d");
      await world.advance(windowMs);
      await accept(adjust(sku, `turn-${++turns}`));
    }
  };
  return { world, store, inventory, accept, forget, ledger, asked: () => asked };
}

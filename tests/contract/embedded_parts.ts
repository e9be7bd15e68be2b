/**
 * A shard's worker and all around it in this process: a store in memory, and a ledger in a folder. For tests of the
 * worker that take milliseconds.
 *
 * @module
 */
import assert from "node:assert/strict";
import { MemoryStore } from "../../src/decide/memory/store.ts";
import type { Command } from "../../src/domain/command.ts";
import type { DecisionLimits } from "../../src/domain/limits.ts";
import type { Outcome } from "../../src/domain/outcome.ts";
import type { Deployment, Ledger, ShardLedger } from "../../src/ledger/ledger.ts";
import { openSqliteLedger } from "../../src/ledger/sqlite/ledger.ts";
import type { World } from "../../src/runtime/world.ts";
import { arm, type ArmingParts, type Verdict } from "../../src/worker/arming.ts";
import { inTime, readAll } from "./store_suite.ts";

/** One shard, the lease on its ledger, and what a worker does with them. */
export interface EmbeddedParts extends AsyncDisposable {
  readonly store: MemoryStore;
  readonly ledger: Ledger;
  readonly shard: ShardLedger;
  readonly deployment: Deployment;
  /** What arming needs; `instead` takes the place of some of it. */
  arming(instead?: Partial<ArmingParts>): ArmingParts;
  /** Arms the shard. */
  arm(instead?: Partial<ArmingParts>): Promise<Verdict>;
  /** Decides one batch. */
  decide(...commands: Command[]): Promise<readonly Outcome[]>;
  /** Applies all that the store's log has. */
  apply(): Promise<void>;
}

/** Starts with an empty store, not armed, and an empty ledger. */
export async function makeEmbeddedParts(
  world: World,
  limits: Partial<DecisionLimits> = {},
): Promise<EmbeddedParts> {
  await using owned = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "holdfast-worker-" });
  owned.defer(() => Deno.remove(folder, { recursive: true }));
  const ledger = await openSqliteLedger({ folder, namespace: "inventory", world });
  owned.defer(() => ledger.close());
  const deployment = await ledger.prepare(1);
  const shard = await ledger.lease(0) ?? assert.fail("the lease is taken");
  const all = { userLimitMs: 0, idempotencyWindowMs: 600_000, backlogMax: 1_000_000, ...limits };
  const store = owned.adopt(new MemoryStore(world, all, 1), (store) => store.close());
  const { signal } = new AbortController();
  const base = { control: store, log: store, ledger: shard, deployment, world, signal };
  const arming = (instead: Partial<ArmingParts> = {}) => ({
    ...base,
    durability: "report" as const,
    ...instead,
  });
  const whole = owned.move();
  return {
    ...{ store, ledger, shard, deployment, arming },
    arm: (instead) => arm(arming(instead)),
    async decide(...commands) {
      const result = await store.decide(0, commands.map(inTime));
      return result.kind === "decided" ? result.outcomes : assert.fail(result.kind);
    },
    async apply() {
      const applied = await shard.apply(await readAll(store));
      assert.ok(applied.kind === "applied" && applied.deadLetters === 0, JSON.stringify(applied));
    },
    [Symbol.asyncDispose]: () => whole.disposeAsync(),
  };
}

/** `target` with some members replaced. */
export function withMembers<T extends object>(target: T, members: Partial<T>): T {
  return new Proxy(target, {
    get(target, name) {
      if (Object.hasOwn(members, name)) return Reflect.get(members, name);
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

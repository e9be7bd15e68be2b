/**
 * An operator who accepts the losses that workers report.
 *
 * @module
 */
import type { Run } from "./run.ts";

const lookEveryMs = 2000;

/** Looks at every shard, again and again. */
export function operate(run: Run): void {
  const accepted = new Map<number, string>();
  const look = () => {
    for (const store of run.site.stores) {
      const refusal = run.refusals.get(store.shard) ?? "";
      const [, first, last] = /\d+ numbers, (\d+) to (\d+)/.exec(refusal) ?? [];
      if (first === undefined || last === undefined) continue;
      // A ledger that went back since has lost what the operator accepted.
      const { timesBack } = run.losses;
      const range = `${first} ${last} ${refusal.includes("copies the store")} ${timesBack}`;
      if (accepted.get(store.shard) === range) continue;
      accepted.set(store.shard, range);
      if (!run.losses.isAny) run.broken(`an operator is needed, and no server lost data: ${refusal}`);
      run.happened("an operator accepts a loss");
      run.scheduler.note(`operator accepts ${first} to ${last} of ${store.shard}`);
      const source = refusal.includes("copies the store") ? "store" as const : "ledger" as const;
      const [fromSeq, toSeq] = [Number(first) - 1, Number(last)];
      run.losses.accept(store, fromSeq, toSeq, source, run.scheduler.nowMs);
      const by = { actor: "operator", reason: "loss" };
      // While the ledger is full or another one answers, the operator tries again.
      run.site.ledger.direct().acceptLoss(store.shard, { fromSeq, toSeq, source, ...by })
        .catch(() => accepted.delete(store.shard));
    }
    run.scheduler.after(lookEveryMs, undefined, look);
  };
  run.scheduler.after(lookEveryMs, undefined, look);
}

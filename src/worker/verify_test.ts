import assert from "node:assert/strict";
import type { ShardView } from "../decide/shard_control.ts";
import { whyForeign, whyLedgerWentBack, whyNotTakenOver, whyOtherLedger, whyRebuild } from "./verify.ts";

const deployment = { id: "d", shards: 2 };

/** An armed store at number 7 of epoch 3, all of it applied. */
function view(changes: Partial<ShardView> = {}): ShardView {
  return {
    ...{ instance: "i", deployment: "d", shards: 2, armed: true, position: { epoch: 3, seq: 7 } },
    ...{ applied: 7, epochSeen: 3, log: null, limits: null, nonce: "", suspect: false, logWay: "", nowMs: 0 },
    ...{ skus: 1, empty: false, refusal: "", reconciled: null },
    ...changes,
  };
}

const cursor = { epoch: 3, seq: 7, issuedEpoch: 3, recordedHead: 7, seenApplied: 7 };
const at = (epoch: number, seq: number) => ({ position: { epoch, seq } });

Deno.test("verify: a ledger went back when the store knows more applied numbers or a later epoch, and at neither edge", () => {
  assert.equal(whyLedgerWentBack(view(), cursor), undefined);
  assert.match(whyLedgerWentBack(view({ applied: 8 }), cursor) ?? "", /ends at 7, .* of 8/);
  assert.match(whyLedgerWentBack(view(at(4, 7)), cursor) ?? "", /issued epoch 3 last, .* under 4/);
});

Deno.test("verify: an armed store goes on at the ledger's epoch and number, and behind neither", () => {
  assert.equal(whyNotTakenOver(view(), cursor), undefined);
  assert.equal(whyNotTakenOver(view(at(3, 9)), cursor), undefined, "what it sold since is applied later");
  assert.match(whyNotTakenOver(view(at(3, 6)), cursor) ?? "", /ends at 6, and 7/);
  assert.match(whyNotTakenOver(view(at(2, 7)), cursor) ?? "", /epoch 2/);
});

Deno.test("verify: another ledger's store has other contents under a number that it knows to be applied", () => {
  assert.equal(whyOtherLedger(view(), undefined), undefined);
  assert.equal(whyOtherLedger(view(), 8), undefined);
  assert.match(whyOtherLedger(view(), 7) ?? "", /of 7, and its event 7/);
});

Deno.test("verify: a store without an owner must be empty, and one with an owner this deployment's with its shards", () => {
  const owner = { deployment, shard: 1 };
  const why = (changes: Partial<ShardView>) => whyForeign(view(changes), owner) ?? "";
  assert.equal(why({}), "");
  assert.equal(why({ deployment: null, shards: 0, empty: true }), "");
  assert.match(why({ deployment: null, shards: 0 }), /unknown origin/);
  assert.match(why({ deployment: "e" }), /another deployment: e there, d here/);
  assert.match(why({ shards: 3 }), /SHARDS=3: current value is 2/);
});

Deno.test("verify: a store is filled when it is empty, half restored, forked or one number short", () => {
  assert.equal(whyRebuild(view(), 7, 0), undefined);
  assert.match(whyRebuild(view(), 8, 0) ?? "", /ends at 7 of 8/);
  assert.match(whyRebuild(view(), 7, 1) ?? "", /1 of its events/);
  assert.match(whyRebuild(view(at(0, 7)), 7, 0) ?? "", /an earlier restore did not end/);
  const unowned = view({ deployment: null, empty: true, ...at(0, 0) });
  assert.equal(whyRebuild(unowned, 0, 0), undefined);
  assert.equal(whyRebuild(unowned, 1, 0), "the store is empty");
});

/**
 * Formats of the worker's scripts and keys: a SKU's stock and rules in the hash `stock`, and the reply to an
 * acknowledgement.
 *
 * @module
 */
import { integer, list, text } from "./reply.ts";
import { parsePosition } from "../domain/event.ts";
import { unpackLimits } from "../domain/limits.ts";
import type { AckResult, Reconciled, ShardStatus, ShardView } from "../decide/shard_control.ts";
import type { StockRow } from "../domain/rows.ts";

/** Encodes a SKU in the format of `lua/state.lua`. */
export function packStock({ available, reserved, policy }: StockRow): string {
  return `${available} ${reserved}${policy === null ? "" : " " + JSON.stringify(policy)}`;
}

/** Decodes the format of {@link packStock}: `<available> <reserved>[ <policy as JSON>]`. */
export function unpackStock(sku: string, packed: string): StockRow {
  const [, available, reserved, policy] = /^(\d+) (\d+)(?: (.*))?$/s.exec(packed) ?? [];
  return {
    sku,
    available: Number(available),
    reserved: Number(reserved),
    policy: policy === undefined ? null : JSON.parse(policy),
  };
}

const ackKinds = ["armed", "lost", "replaced", "went_back"] as const;

/** Decodes the reply of `lua/acknowledge.lua`. */
export function decodeAck(reply: unknown): Pick<AckResult, "kind" | "head" | "nonce"> {
  const [found, head, nonce] = list(JSON.parse(text(reply)));
  const kind = ackKinds.find((kind) => kind === found) ?? "lost";
  return { kind, head: integer(head), nonce: text(nonce) };
}

/** Characters of a published reason. */
const reasonCharsMax = 500;

/** Encodes a status for `lua/publish_guarantees.lua`. */
export function encodeStatus(status: ShardStatus): string {
  switch (status.kind) {
    case "promises_off":
      return JSON.stringify(status.off);
    case "verifying":
      return "";
    case "refusal":
      return status.reason.slice(0, reasonCharsMax);
    case "log_way":
      return status.way;
    case "reconciled":
      return JSON.stringify(status.result);
  }
}

/** Decodes a result of {@link encodeStatus}; null when none was published. */
export function decodeReconciled(published: unknown): Reconciled | null {
  return typeof published !== "string" || published === "" ? null : JSON.parse(published);
}

/** Decodes the reply of `inspect.lua`. `refusal` as in {@link ShardView.refusal}. */
export function decodeView(reply: unknown, refusal: string): ShardView {
  const view = JSON.parse(text(reply));
  const [first, last] = [parsePosition(view.first), parsePosition(view.last)];
  return {
    instance: text(view.instance),
    deployment: view.deployment === "" ? null : text(view.deployment),
    shards: Number(view.shards),
    armed: view.armed === true,
    position: { epoch: Number(view.epoch), seq: Number(view.seq) },
    applied: Number(view.applied),
    epochSeen: Math.max(Number(view.epoch), Number(view.epoch_seen)),
    log: first && last ? { first, last } : null,
    limits: unpackLimits(text(view.settings)),
    nonce: text(view.nonce),
    suspect: view.suspect === true,
    logWay: text(view.log_way),
    reconciled: decodeReconciled(view.reconciled),
    skus: integer(view.skus),
    empty: integer(view.keys) === 0,
    nowMs: Number(view.now),
    refusal,
  };
}

/** Decodes fields and values of the hash `stock`, in the format of `HSCAN`. */
export function decodeStock(flat: unknown): StockRow[] {
  const fields = list(flat).map(text);
  const rows: StockRow[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) rows.push(unpackStock(fields[i] ?? "", fields[i + 1] ?? ""));
  return rows;
}

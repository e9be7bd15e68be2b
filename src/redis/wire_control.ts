/**
 * What the worker's scripts and keys say: a SKU's figures and rules as the hash `stock` keeps them, and the reply to a
 * visit.
 *
 * @module
 */
import { integer, list, text } from "./reply.ts";
import type { ShardNote, Visit } from "../decide/shard_control.ts";
import type { StockRow } from "../domain/rows.ts";

/** A SKU as `lua/state.lua` keeps it. */
export function packStock({ available, reserved, policy }: StockRow): string {
  return `${available} ${reserved}${policy === null ? "" : " " + JSON.stringify(policy)}`;
}

/** Reads what {@link packStock} wrote: `<available> <reserved>[ <policy as JSON>]`. */
export function unpackStock(sku: string, packed: string): StockRow {
  const [, available, reserved, policy] = /^(\d+) (\d+)(?: (.*))?$/s.exec(packed) ?? [];
  return {
    sku,
    available: Number(available),
    reserved: Number(reserved),
    policy: policy === undefined ? null : JSON.parse(policy),
  };
}

const visitKinds = ["armed", "lost", "replaced", "went_back"] as const;

/** Reads the reply of `lua/acknowledge.lua`. */
export function decodeVisit(reply: unknown): Pick<Visit, "kind" | "head" | "nonce"> {
  const [found, head, nonce] = list(JSON.parse(text(reply)));
  const kind = visitKinds.find((kind) => kind === found) ?? "lost";
  return { kind, head: integer(head), nonce: text(nonce) };
}

/** Characters of a reason that is noted beside a shard. */
const reasonCharsMax = 500;

/** What a worker notes, as `lua/publish_guarantees.lua` takes it. */
export function noteValue(note: ShardNote): string {
  switch (note.kind) {
    case "promises_off":
      return JSON.stringify(note.off);
    case "verifying":
      return "";
    case "refusal":
      return note.reason.slice(0, reasonCharsMax);
    case "log_way":
      return note.way;
  }
}

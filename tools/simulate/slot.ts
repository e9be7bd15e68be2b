/**
 * The keys of a shard, and what the scripts around the decisions do with them. Written after the Lua files of the same
 * names.
 *
 * @module
 */
import { MemoryShard } from "../../src/decide/memory/decide.ts";
import type { AckResult, Arming, Nonce, RestoreStart, ShardView } from "../../src/decide/shard_control.ts";
import type { LogEntry, Position } from "../../src/domain/event.ts";
import type { DecisionLimits } from "../../src/domain/limits.ts";

/** The keys of a shard. */
export interface Slot {
  shard: MemoryShard;
  deployment: string | null;
  shards: number;
  armed: string;
  epoch: number;
  epochSeen: number;
  token: string;
  chunks: number;
  nonce: string;
  nonceSeq: number;
  suspect: boolean;
  challenge: string;
  logWay: string;
  log: LogEntry[];
}

/** A write, which a replay repeats. */
export type Operation = (slot: Slot) => unknown;

/** A shard without a key. */
export function emptySlot(limits: DecisionLimits, nowMs: number): Slot {
  return {
    shard: new MemoryShard(limits, 0, nowMs),
    deployment: null,
    ...{ shards: 0, armed: "", epoch: 0, epochSeen: 0, token: "", chunks: 0, nonce: "", nonceSeq: 0 },
    ...{ suspect: false, challenge: "", logWay: "", log: [] },
  };
}

/** `inspect.lua`. */
export function viewOf(
  slot: Slot,
  instance: string,
  limits: DecisionLimits,
  refusal: string,
  nowMs: number,
): ShardView {
  const { shard, log } = slot;
  const [first, last] = [log[0]?.position, log.at(-1)?.position];
  return {
    instance,
    deployment: slot.deployment,
    shards: slot.shards,
    armed: slot.armed === instance,
    position: { epoch: slot.epoch, seq: shard.seq },
    applied: shard.applied,
    epochSeen: Math.max(slot.epoch, slot.epochSeen),
    log: first && last ? { first, last } : null,
    limits: slot.deployment === null ? null : limits,
    nonce: slot.nonce,
    suspect: slot.suspect,
    logWay: slot.logWay,
    reconciled: null,
    skus: shard.skus,
    empty: slot.deployment === null,
    nowMs,
    refusal,
  };
}

/** `disarm.lua`; with a challenge, which must be there already. */
export function disarmed(
  slot: Slot,
  deployment: string,
  challenge: string,
  isSuspect: boolean,
): { readonly kind: "recorded" | "disarmed"; readonly write?: Operation } {
  if (slot.deployment !== deployment) return { kind: "disarmed" };
  if (challenge !== "" && slot.challenge !== challenge) {
    return { kind: "recorded", write: (slot) => slot.challenge = challenge };
  }
  const write = (slot: Slot) =>
    Object.assign(slot, { armed: "", challenge: "", suspect: isSuspect || slot.suspect });
  return { kind: "disarmed", write };
}

/** The step `begin` of `restore.lua`; undefined when it is overtaken. */
export function restoreBegun(
  slot: Slot,
  instance: string,
  seen: ShardView,
  start: RestoreStart & { readonly token: string; readonly limits: DecisionLimits; readonly nowMs: number },
): Operation | undefined {
  const { token, limits, nowMs, seq, applied, deployment, shards } = start;
  const isSame = seen.instance === instance && seen.position.epoch === slot.epoch &&
    seen.position.seq === slot.shard.seq && (slot.deployment ?? deployment) === deployment;
  if (!isSame) return undefined;
  return (slot) => {
    Object.assign(slot, { ...emptySlot(limits, nowMs), token, deployment, shards });
    slot.shard = new MemoryShard(limits, seq, nowMs);
    slot.shard.applied = applied;
  };
}

/** `arm.lua`; undefined when something changed since it was verified. */
export function arming(slot: Slot, instance: string, what: Arming): Operation | undefined {
  const { seen, epoch, deployment, shards, applied, token, chunks } = what;
  const isSame = seen.instance === instance && seen.position.epoch === slot.epoch &&
    slot.token === token && slot.chunks === chunks && seen.position.seq === slot.shard.seq &&
    (slot.deployment ?? deployment) === deployment;
  if (!isSame) return undefined;
  return (slot) => {
    const none = { token: "", chunks: 0, suspect: false, challenge: "" };
    Object.assign(slot, { ...none, deployment, shards, epoch, armed: instance, nonce: String(epoch) });
    slot.nonceSeq = slot.shard.seq;
    slot.shard.applied = Math.max(slot.shard.applied, applied);
  };
}

/** `acknowledge.lua`. */
export function acknowledgement(
  slot: Slot,
  instance: string,
  applied: Position,
  deployment: string,
  nonce: Nonce,
  trimMargin: number,
): { readonly kind: AckResult["kind"]; readonly write?: Operation } {
  const isKnown = slot.armed === instance && slot.epoch === applied.epoch && slot.deployment === deployment;
  if (!isKnown) return { kind: "lost" };
  if (applied.seq > slot.shard.seq) {
    return { kind: "went_back", write: (slot) => Object.assign(slot, { armed: "", suspect: true }) };
  }
  if (slot.nonce !== nonce.known && slot.nonce !== nonce.next) return { kind: "replaced" };
  const isMoved = slot.nonceSeq !== slot.shard.seq && slot.nonce !== nonce.next;
  if (applied.seq <= slot.shard.applied && !isMoved && slot.challenge === "") return { kind: "armed" };
  const write = (slot: Slot) => {
    slot.shard.applied = Math.max(slot.shard.applied, applied.seq);
    if (isMoved) Object.assign(slot, { nonce: nonce.next, nonceSeq: slot.shard.seq });
    slot.challenge = "";
    const keptSeq = applied.seq - trimMargin;
    while ((slot.log[0]?.position.seq ?? Infinity) < keptSeq) slot.log.shift();
  };
  return { kind: "armed", write };
}

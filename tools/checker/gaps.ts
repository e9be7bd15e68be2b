/**
 * The numbers of one shard: each is in the log, or was declared lost.
 *
 * @module
 */
import type { Declarations } from "./declared.ts";
import type { LogEvent } from "./log.ts";
import type { Violation } from "./rules.ts";
import type { Cursor } from "./record.ts";

/** What is wrong with the numbers of a shard's events up to its cursor. */
export function gapsIn(
  events: readonly LogEvent[],
  { shard, seq: end }: Cursor,
  declarations: Declarations,
): Violation[] {
  const violations: Violation[] = [];
  const report = (message: string) => violations.push({ rule: "gap", message: `shard ${shard}: ${message}` });
  const ranges = declarations.of(shard);
  let next = 1;
  let index = 0;
  /** The declaration that has `next`. */
  const declared = () => {
    while ((ranges[index]?.toSeq ?? Infinity) < next) index++;
    const lost = ranges[index];
    return lost && lost.fromSeq < next ? lost : undefined;
  };
  for (const { seq, kind } of events) {
    // A correction has no number of its own.
    if (seq < next || kind === "correction") continue;
    while (next < seq) {
      const lost = declared();
      const last = Math.min(seq - 1, lost?.toSeq ?? ranges[index]?.fromSeq ?? seq);
      if (!lost) report(`numbers ${next} to ${last} are missing`);
      next = last + 1;
    }
    if (declared() && !declarations.find(shard, seq)?.recovered) {
      report(`number ${seq} is declared lost and in the log`);
    }
    next = seq + 1;
  }
  for (let lost = declared(); lost; lost = declared()) next = lost.toSeq + 1;
  if (next - 1 !== end) report(`the cursor is ${end}, and the last number is ${next - 1}`);
  return violations;
}

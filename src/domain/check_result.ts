/**
 * Results of server checks, and the guarantees that depend on them.
 *
 * A guarantee needs correctly configured servers. They are checked when a shard is armed, again while it sells, and by
 * `inventory doctor`, with the same check results.
 *
 * @module
 */

/** The guarantees of Holdfast on correctly configured servers. */
export const guarantees = {
  once: "no unit is sold twice, and no order counts twice within the window",
  powerCut: "an answered sale survives a power cut of Redis",
  serverLoss: "an answered sale survives the loss of a Redis server",
  ledger: "what the ledger has survives a power cut of its server",
  booked: "every sale reaches the ledger, and a lost store is rebuilt from it",
  time: "limits, windows and opening times go by one time",
} as const;

/** The name of a guarantee. */
export type GuaranteeName = keyof typeof guarantees;

/** The result of one server check. */
export interface CheckResult {
  /** Name of the check, one word. */
  readonly check: string;
  /**
   * `ok`: the guarantee is kept; `off`: it is not; `bad`: the server must not be used at all; `unknown`: the check failed.
   */
  readonly verdict: "ok" | "off" | "bad" | "unknown";
  /** The finding and its meaning, as the end of a sentence. */
  readonly found: string;
  /** The guarantee that depends on it. */
  readonly promise: GuaranteeName;
}

/** Policy for servers that do not keep every guarantee, or cannot be checked. */
export type Durability =
  /** Report it and sell. */
  | "report"
  /** Sell nothing. */
  | "strict";

/** Guarantees that are off or unknown, as text; empty when all are kept. */
export function guaranteesOff(checkResults: readonly CheckResult[]): string[] {
  return checkResults.filter(({ verdict }) => verdict === "off" || verdict === "unknown")
    .map(({ check, verdict, found, promise }) =>
      `${verdict === "unknown" ? "cannot tell whether " : ""}${guarantees[promise]}: ${check} ${found}`
    );
}

/** Reasons for which these servers must not sell, as text; empty when they may. */
export function refusalsOf(checkResults: readonly CheckResult[], durability: Durability): string[] {
  const bad = checkResults.filter(({ verdict }) => verdict === "bad")
    .map(({ check, found }) => `Cannot use this server as ${check} ${found}`);
  const off = durability === "report" ? [] : guaranteesOff(checkResults)
    .map((promise) => `Cannot arm on these servers as DURABILITY is strict: ${promise}`);
  return [...bad, ...off];
}

/** Clocks synchronized by NTP differ by a few ms; a difference of a second means that one is not synchronized. */
const aheadMaxMs = 1000;

/**
 * Checks by how much the clock of a server is ahead of this machine's, ms. Each server is compared with this one, so two
 * servers differ by two seconds at most.
 */
export function judgeClock(whose: string, aheadMs: number): CheckResult {
  const isFar = !(Math.abs(aheadMs) <= aheadMaxMs);
  // In whole seconds when it is off; otherwise every check would have a new result.
  const found = isFar
    ? `of ${whose} is about ${Math.round(aheadMs / 1000)} s ahead of this machine's`
    : `of ${whose} is ${Math.round(aheadMs)} ms ahead of this machine's`;
  return { check: "clock", verdict: isFar ? "off" : "ok", found, promise: "time" };
}

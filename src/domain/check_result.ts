/**
 * What was found out about servers, and which promises rest on it.
 *
 * A promise needs servers that are set up for it. What they can keep is looked at when a shard is armed, again while it
 * sells, and whenever an operator asks (`inventory doctor`); the same checkResults serve all three.
 *
 * @module
 */

/** What Holdfast promises on servers that are set up for it. */
export const guarantees = {
  once: "no unit is sold twice, and no order counts twice within the window",
  powerCut: "an answered sale survives a power cut of Redis",
  serverLoss: "an answered sale survives the loss of a Redis server",
  ledger: "what the ledger has survives a power cut of its server",
  booked: "every sale reaches the ledger, and a lost store is rebuilt from it",
  time: "limits, windows and opening times go by one time",
} as const;

/** The name of a promise. */
export type GuaranteeName = keyof typeof guarantees;

/** One thing that was looked at. */
export interface CheckResult {
  /** What was looked at, in one word. */
  readonly check: string;
  /**
   * `ok`: as the promise needs it; `off`: the promise is not kept; `bad`: the server must not be used at all;
   * `unknown`: it could not be looked at.
   */
  readonly verdict: "ok" | "off" | "bad" | "unknown";
  /** What was found, and what it means. */
  readonly found: string;
  /** Which promise rests on it. */
  readonly promise: GuaranteeName;
}

/** What to do on servers that cannot keep every promise, or cannot be shown to. */
export type Durability =
  /** Say so, and sell. */
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

/** Clocks that are kept by NTP differ by a few ms; a second is a clock that nobody keeps. */
const aheadMaxMs = 1000;

/**
 * Judges the clock of a server by how far it is ahead of this machine's, ms. Each is held against this one, so two
 * servers differ by two seconds at most.
 */
export function judgeClock(whose: string, aheadMs: number): CheckResult {
  const isFar = !(Math.abs(aheadMs) <= aheadMaxMs);
  // In whole seconds when it is off, or the finding would be another one at every look.
  const found = isFar
    ? `of ${whose} is about ${Math.round(aheadMs / 1000)} s ahead of this machine's`
    : `of ${whose} is ${Math.round(aheadMs)} ms ahead of this machine's`;
  return { check: "clock", verdict: isFar ? "off" : "ok", found, promise: "time" };
}

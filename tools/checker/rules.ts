/**
 * The rules of README.md.
 *
 * @module
 */

/** What is wrong, and under which rule. */
export interface Violation {
  readonly rule: Rule;
  readonly message: string;
}

/** A rule. */
export type Rule = (typeof rules)[number];
/** Every rule, as README.md lists them. */
export const rules = [
  "oversell",
  "arithmetic",
  "gap",
  "declared_wrongly",
  "doubled",
  "settled_wrongly",
  "lost_accepted",
  "contents_differ",
  "replay_differs",
  "refused_but_applied",
  "nobody_asked",
  "undersell",
  "wrong_stock",
  "time_reversed",
] as const;

/**
 * Planted faults of the product. Each is a switch in the simulation's wrappers; `src` knows nothing of them.
 *
 * @module
 */

/** By name: what goes wrong. */
export const plants = {
  "credit-on-timeout": "the API gives units back when it does not know what became of a sale",
  "xadd-last": "the store appends the event after its stock, in a step of its own",
  "arming-trusts-script-cache": "a store that restarted counts as armed",
  "trim-before-commit": "the log is trimmed when it is read",
  "cursor-outside-transaction": "the ledger's cursor moves in a transaction of its own",
  "epoch-not-raised": "an arming uses the last epoch again",
  "cache-answers-retry": "a retry says that it is a first attempt",
  "dead-letter-skips-movement": "the movement of a dead letter is not in the ledger",
  "answer-before-wait": "an answer does not wait for the disk",
  "compensation-twice": "units of a second sale are given back twice",
  "hold-released-twice": "a cancelled hold is given back twice",
} as const;

/** The name of a plant. */
export type Plant = keyof typeof plants;

/** Whether a text names a plant. */
export function isPlant(name: string): name is Plant {
  return Object.hasOwn(plants, name);
}

/**
 * The settings of a shard's decisions. They belong to the deployment: the worker writes them into the store, the store
 * decides by them, and a caller whose own settings differ gets the difference.
 *
 * @module
 */

/** The limits that a store decides by. */
export interface DecisionLimits {
  /** Between two accepted purchases of a SKU by a user, ms; 0 = off. */
  readonly userLimitMs: number;
  /** Minimum time for which a line is remembered, ms. */
  readonly idempotencyWindowMs: number;
  /** Events that may wait for the ledger before new sales are refused. */
  readonly backlogMax: number;
}

/** The limits that a process's settings say. */
export function limitsOf(
  config: { readonly userLimitMs: number; readonly idempotencyWindowS: number; readonly backlogMax: number },
): DecisionLimits {
  const { userLimitMs, idempotencyWindowS, backlogMax } = config;
  return { userLimitMs, idempotencyWindowMs: idempotencyWindowS * 1000, backlogMax };
}

/** As `meta` holds them: `<user limit ms> <window ms> <backlog max>`. */
export function packLimits({ userLimitMs, idempotencyWindowMs, backlogMax }: DecisionLimits): string {
  return `${userLimitMs} ${idempotencyWindowMs} ${backlogMax}`;
}

/** Limits as `meta` holds them; null when it holds none. */
export function unpackLimits(packed: string): DecisionLimits | null {
  const [, userLimitMs, idempotencyWindowMs, backlogMax] = /^(\d+) (\d+) (\d+)$/.exec(packed) ?? [];
  if (userLimitMs === undefined) return null;
  return {
    userLimitMs: Number(userLimitMs),
    idempotencyWindowMs: Number(idempotencyWindowMs),
    backlogMax: Number(backlogMax),
  };
}

/** The warning for a caller whose settings differ from the deployment's. Empty when they are equal. */
export function describeDifferences(here: DecisionLimits, there: DecisionLimits): string {
  const differences = differencesOf(here, there)
    .map(({ name, here, there }) => `${name} is ${here} here and ${there} there`);
  return differences.length === 0
    ? ""
    : `settings of this process are not the deployment's, which count: ${differences.join("; ")}`;
}

/** Changes by new limits, e.g. `USER_LIMIT_MS=1000, was 600000`. Empty without changes. */
export function changesTo(limits: DecisionLimits, before: DecisionLimits): string[] {
  return differencesOf(limits, before).map(({ name, here, there }) => `${name}=${here}, was ${there}`);
}

function differencesOf(here: DecisionLimits, there: DecisionLimits) {
  return [
    { name: "USER_LIMIT_MS", here: here.userLimitMs, there: there.userLimitMs },
    {
      name: "IDEMPOTENCY_WINDOW_S",
      here: here.idempotencyWindowMs / 1000,
      there: there.idempotencyWindowMs / 1000,
    },
    { name: "BACKLOG_MAX", here: here.backlogMax, there: there.backlogMax },
  ].filter(({ here, there }) => here !== there);
}

/**
 * `rules`: changes the rules that the command line names, and leaves the others unchanged.
 *
 * @module
 */
import { Failure } from "../context/failure.ts";
import { type Asked, skuPath } from "../context/api_request.ts";

/** The options of the verb; undefined = unchanged. `none` removes a rule. */
export interface RulesOptions {
  /** RFC 3339 with offset, or `none`. */
  readonly opensAt?: string;
  /** RFC 3339 with offset, or `none`. */
  readonly closesAt?: string;
  /** Units, or `none`. */
  readonly quota?: number | "none";
  readonly purchaseToken?: boolean;
  /** The SKU must not exist, and is created without stock. */
  readonly create?: boolean;
  /** The version of the rules that the user has seen; undefined = the version that is read now. */
  readonly expected?: number;
}

export const rulesHelp = `
Only the rules that are named change. The change is refused (409 stale) when another client changed the rules at the
same time, or after the version that --expected names; 'stock <sku>' shows it as rules_version.

What users bought goes on counting for the quota when --closes-at or --quota changes. It counts anew after another
--opens-at, after --quota where there was none, and when the sale had been closed for a day or longer.`;

type Members = Readonly<Record<"opens_at" | "closes_at" | "quota" | "purchase_token", unknown>>;

const noRules: Members = { opens_at: null, closes_at: null, quota: null, purchase_token: false };

/**
 * Reads the rules, changes the named ones, and writes them if they are unchanged since.
 *
 * @returns the response to the change, or to the read when that was refused
 */
export async function changeRules(
  ask: (asked: Asked) => Promise<Response>,
  sku: string,
  options: RulesOptions,
): Promise<Response> {
  const named = namedRules(options);
  if (Object.keys(named).length === 0 && !options.create) {
    throw new Failure("Name a rule: --opens-at, --closes-at, --quota or --purchase-token", "usage");
  }
  if (options.create && options.expected !== undefined) {
    throw new Failure("Name either --create or --expected", "usage");
  }
  const put = (rules: Members, expected: unknown) =>
    ask({ method: "PUT", path: skuPath(sku, "/rules"), body: { ...rules, ...named, expected } });
  if (options.create) return await put(noRules, null);
  const read = await ask({ method: "GET", path: skuPath(sku) });
  if (!read.ok) return read;
  const { opens_at, closes_at, quota, purchase_token, rules_version } = await read.json();
  return await put({ opens_at, closes_at, quota, purchase_token }, options.expected ?? rules_version);
}

function namedRules({ opensAt, closesAt, quota, purchaseToken }: RulesOptions): Partial<Members> {
  return {
    ...opensAt !== undefined && { opens_at: orNull(opensAt) },
    ...closesAt !== undefined && { closes_at: orNull(closesAt) },
    ...quota !== undefined && { quota: orNull(quota) },
    ...purchaseToken !== undefined && { purchase_token: purchaseToken },
  };
}

function orNull<Value>(value: Value | "none"): Value | null {
  return value === "none" ? null : value;
}

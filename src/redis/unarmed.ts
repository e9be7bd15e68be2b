/**
 * Why a shard does not sell, from its server and the status that the worker published.
 *
 * @module
 */
import { whyUnusable } from "./server_checks.ts";
import type { ShardConnections } from "./shard_connections.ts";
import { list, text } from "./reply.ts";
import { readInfo } from "./server_facts.ts";

/** The caller of the check. */
export interface UnarmedCaller {
  /** The caller's deployment; empty = it has no ledger. */
  readonly deployment: string;
  /** Whether the server knows the caller's script. */
  readonly isLoaded: boolean;
}

/** The caller has a ledger that did not respond yet, and no DEPLOYMENT_ID. */
export const ownerUnknown: string =
  "the ledger at DATABASE_URL does not answer, and DEPLOYMENT_ID is not set: " +
  "whose stock this is, is not known";

const fields = ["deployment", "armed", "settings", "refusal", "verifying"] as const;

/** Reads `INFO` and the shard's `meta`: 2 calls. */
export async function whyUnarmed(
  connections: ShardConnections,
  shard: number,
  meta: string,
  { deployment, isLoaded }: UnarmedCaller,
): Promise<string> {
  const [info, reply] = await Promise.all([
    readInfo(connections, shard),
    connections.call(shard, "HMGET", meta, ...fields),
  ]);
  const [owner, armed, settings, refusal, verifying] = list(reply).map((value) =>
    value === null ? "" : text(value)
  );
  const unusable = whyUnusable(info);
  if (unusable.length > 0) return `server requirements are not met: ${unusable.join("; ")}`;
  if (!owner) return "no worker has verified it yet";
  if (deployment !== "" && owner !== deployment) return `it holds the stock of another deployment: ${owner}`;
  const isArmed = armed !== "" && armed === /^master_replid:(\w+)/m.exec(info)?.[1];
  if (isArmed && !isLoaded) {
    return "this version's scripts are not loaded: start a worker of this version first";
  }
  if (isArmed && !settings) return "a worker of an earlier version armed it: start a worker of this version";
  if (isArmed) return "it was armed a moment ago";
  if (refusal) return `its worker refused it: ${refusal}`;
  if (!verifying) return "its server restarted or changed, and no worker has verified it since";
  return `its worker began to verify it at ${new Date(Number(verifying)).toISOString()}`;
}

/**
 * Verbs on a running Redis server that refuses writes.
 *
 * A verb that writes checks the servers of its shards first, so nothing is half done. Verbs that only read work in such a
 * state.
 *
 * @module
 */
import { refusesWrites, StoreError } from "../../domain/errors.ts";
import { Failure } from "./failure.ts";
import type { CliContext } from "./context.ts";

interface RefusedState {
  readonly meaning: string;
  readonly cure: string;
}

/** By the code at the start of the server's error. */
const states: Readonly<Record<string, RefusedState>> = {
  NOREPLICAS: {
    meaning: "fewer replicas than min-replicas-to-write are connected",
    cure:
      "Start the replica; or set min-replicas-to-write to 0 on the master: acknowledged orders are then on one server only",
  },
  OOM: {
    meaning: "its memory is above maxmemory",
    cure: "Raise maxmemory; see docs/operate/RedisMemoryHigh.md",
  },
  MISCONF: {
    meaning: "its last save to disk failed",
    cure: "Free disk, or make the folder of its 'dir' writable, then run BGSAVE",
  },
  READONLY: {
    meaning: "it is a replica",
    cure: "Set REDIS_URL to the master",
  },
};

/**
 * Checks whether the servers of shards accept writes.
 *
 * @throws {Failure} with the state, its meaning and its cure
 */
export async function requireWrites(
  context: CliContext,
  verb: string,
  shards: readonly number[],
): Promise<void> {
  if (shards.length === 0) return;
  const control = await context.control();
  // A server that does not answer is not in such a state: the verb itself reports it.
  const refusalOf = (shard: number) => control.inspect(shard).then(({ refusal }) => refusal, () => "");
  const found = await Promise.all(shards.map(async (shard) => ({ shard, refusal: await refusalOf(shard) })));
  const refusing = found.filter(({ refusal }) => refusal !== "");
  const [first] = refusing;
  if (!first) return;
  const where = refusing.map(({ shard }) => shard).join(", ");
  throw new Failure(
    `Cannot run '${verb}', nothing was changed: ${describeRefusal(first.refusal, `shard ${where}`)}`,
  );
}

/** The line for an error of a server that refuses writes; undefined for every other error. */
export function describeRefusedWrite(error: unknown): string | undefined {
  const isRefused = refusesWrites(error) || error instanceof StoreError && error.code === "READONLY";
  if (!isRefused) return undefined;
  return `Ended early: ${describeRefusal(error.message, "a shard")} Then run the verb again.`;
}

function describeRefusal(refusal: string, where: string): string {
  const code = refusal.split(" ", 1)[0] ?? "";
  const { meaning, cure } = states[code] ?? { meaning: refusal, cure: "See the server's log" };
  return `the Redis server of ${where} refuses writes: ${code}: ${meaning}. ${cure}. ` +
    "'status', 'doctor', 'reconcile', 'order', 'skus' and 'verify' work in this state.";
}

/**
 * Whether a server can be used at all.
 *
 * @module
 */

/** Redis 7.0 and Valkey 7.2 are the first that run a `#!lua` script with `INFO` in it and refuse it whole. */
const redisMin = [7, 0] as const;
const valkeyMin = [7, 2] as const;

/** Reads `INFO`: why this server must not be used, in words; empty when it may. */
export function refusalsOf(info: string): string[] {
  const field = (name: string) => info.match(new RegExp(`^${name}:(.*?)\r?$`, "m"))?.[1] ?? "";
  const refusals: string[] = [];
  const valkey = field("valkey_version");
  const [name, version, min] = valkey
    ? ["Valkey", valkey, valkeyMin] as const
    : ["Redis", field("redis_version"), redisMin] as const;
  if (isBelow(version, min)) {
    refusals.push(`Cannot use this server as ${name} must be at least ${min.join(".")}: it is ${version}`);
  }
  const policy = field("maxmemory_policy");
  if (policy !== "noeviction") {
    refusals.push(
      `Cannot use this server as 'maxmemory-policy' must be 'noeviction', or it forgets sales: ` +
        `current value is '${policy}'`,
    );
  }
  return refusals;
}

function isBelow(version: string, [major, minor]: readonly [number, number]): boolean {
  const [a = 0, b = 0] = version.split(".").map(Number);
  return a < major || (a === major && b < minor);
}

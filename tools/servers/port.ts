/**
 * A loopback port for a server that a test starts.
 *
 * @module
 */

// Below every system's range for outgoing connections (Linux 32768, others 49152), so that no client can
// be given the port of a server that is just being restarted, nor connect to itself there. The bus of a
// Redis Cluster node is port + 10000 and stays below that range too.
const PORT_MIN = 11_000;
const PORT_MAX = 21_999;
const BUS_OFFSET = 10_000;
const ATTEMPTS_MAX = 50;

/** Reserved ports: a server that has its port does not listen on it yet. */
const given = new Set<number>();

/**
 * A port of 127.0.0.1 on which nothing listens now, nor on its bus, and which was not given out before. Random, so
 * that runs side by side rarely meet.
 */
export function freePort(): number {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN + 1));
    if (given.has(port) || !isFree(port) || !isFree(port + BUS_OFFSET)) continue;
    given.add(port);
    return port;
  }
  throw new Error(`Cannot find a free port in ${PORT_MIN}..${PORT_MAX}: ${ATTEMPTS_MAX} attempts were taken`);
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}

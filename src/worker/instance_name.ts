/**
 * The name under which PostgreSQL shows a worker's connections.
 *
 * @module
 */

/** PostgreSQL cuts `application_name` after this many bytes. */
const nameBytesMax = 63;

/**
 * `<program>:<pid>@<host>`, at most 63 bytes: `status` shows it as the holder of a shard's lease. In containers every
 * worker has the same process id, so the host name distinguishes them. A long host name is cut to the end of its first
 * label, where orchestrators number instances.
 */
export function instanceName(program: string, pid: number, hostname: string): string {
  const start = `${program}:${pid}@`;
  const host = (hostname.split(".")[0] ?? "").replace(/[^\x21-\x7e]/g, "");
  const room = nameBytesMax - start.length;
  return room > 0 ? start + host.slice(-room) : start.slice(0, nameBytesMax);
}

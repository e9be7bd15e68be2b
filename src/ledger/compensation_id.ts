/**
 * The ids of the adjustments that give back what was sold twice. the statement `close_compensations` knows their form.
 *
 * @module
 */

/** No client can send an id with a control character. */
const prefix = "\u0002returned-";

/** Id of the adjustment that gives back what the event with number `seq` took a second time. */
export function compensationId(shard: number, seq: number): string {
  return `${prefix}${shard}-${seq}`;
}

/** Whether an adjustment gives back what was sold twice. */
export function isCompensationId(id: string): boolean {
  return id.startsWith(prefix);
}

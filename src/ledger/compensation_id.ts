/**
 * The ids of adjustments that return units which were sold twice. The statement `close_compensations` matches their
 * form.
 *
 * @module
 */

/** No client can send an id with a control character. */
const prefix = "\u0002returned-";

/** Id of the adjustment that returns the units that the event `seq` took a second time. */
export function compensationId(shard: number, seq: number): string {
  return `${prefix}${shard}-${seq}`;
}

/** Whether an adjustment is a compensation. */
export function isCompensationId(id: string): boolean {
  return id.startsWith(prefix);
}

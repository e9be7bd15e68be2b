/**
 * Binary search.
 *
 * @module
 */

/** How many items at the beginning of a list hold: all that hold must come before all that do not. */
export function countLeading<T>(items: readonly T[], holds: (item: T) => boolean): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(items[middle] as T)) low = middle + 1;
    else high = middle;
  }
  return low;
}

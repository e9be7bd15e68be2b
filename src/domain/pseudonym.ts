/**
 * Pseudonyms that take the place of a user in the ledger.
 *
 * @module
 */

const prefix = "forgotten:";

/** A new pseudonym. Random, because a digest of a user id can be found again by trying. */
export function pseudonymOf(uuid: string): string {
  return prefix + uuid;
}

/** Whether the ledger has this in place of a user: the store may still know the user. */
export function isPseudonym(userId: string): boolean {
  return userId.startsWith(prefix);
}

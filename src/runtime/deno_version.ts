/**
 * Which Deno this is: Deno Deploy runs an older one than the command line.
 *
 * @module
 */

/** Whether a version, as in `Deno.version.deno`, is at least `<major>.<minor>`. */
export function isAtLeast(version: string, [major, minor]: readonly [major: number, minor: number]): boolean {
  const [foundMajor = 0, foundMinor = 0] = version.split(".").map(Number);
  return foundMajor > major || foundMajor === major && foundMinor >= minor;
}

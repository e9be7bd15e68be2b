/**
 * Shared by the parsers of connection URLs. The same parser validates a setting and returns the driver's options, so the
 * accepted value is the one in use.
 *
 * @module
 */

/** A parsed setting, or the rule that it breaks. */
export type Parsed<T> =
  | { readonly kind: "valid"; readonly value: T; readonly ignored: readonly string[] }
  | { readonly kind: "invalid"; readonly rule: string };

/** A rule that a setting breaks; thrown and caught within a parser. */
export class BrokenRule extends Error {}

/** Runs a parser: a {@link BrokenRule} becomes a value. */
export function parsed<T>(parse: (ignored: string[]) => T): Parsed<T> {
  const ignored: string[] = [];
  try {
    return { kind: "valid", value: parse(ignored), ignored };
  } catch (error) {
    if (error instanceof BrokenRule) return { kind: "invalid", rule: error.message };
    throw error;
  }
}

/** The longest path that Linux takes, and more than any URL needs. */
const charsMax = 4096;

/** The parts of a URL before anything is decoded. `new URL` reads neither several hosts nor a socket's path. */
export interface UrlParts {
  /** In lower case. */
  readonly scheme: string;
  /** Text before the first colon, before the last `@`; decoded; empty when left out. */
  readonly username: string;
  /** Text after that colon; decoded; empty when left out. */
  readonly password: string;
  /** `host`, `host:port` or `[ipv6]:port`, comma-separated; as written. */
  readonly authority: string;
  /** Text after the slash, decoded. */
  readonly path: string;
  /** Decoded, in the order of the URL; names are unique. */
  readonly query: ReadonlyMap<string, string>;
}

/**
 * Splits a URL.
 *
 * @throws {BrokenRule} that names the invalid part
 */
export function splitUrl(text: string, schemes: readonly string[], example: string): UrlParts {
  const match = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/i.exec(text);
  const [, scheme = "", authority = "", path = "", query = ""] = match ?? [];
  if (text.length > charsMax) throw new BrokenRule(`at most ${charsMax} characters`);
  // deno-lint-ignore no-control-regex -- control characters are what is looked for
  if (!match || /[\s\x00-\x1f\x7f]/.test(text)) {
    throw new BrokenRule(`a URL without white space or #, as ${example}`);
  }
  if (!schemes.includes(scheme.toLowerCase())) {
    throw new BrokenRule(`a URL that begins with ${schemes.map((name) => `${name}://`).join(" or ")}`);
  }
  const at = authority.lastIndexOf("@");
  const [username = "", ...rest] = at === -1 ? [] : authority.slice(0, at).split(":");
  return {
    scheme: scheme.toLowerCase(),
    username: decoded(username, "user name"),
    password: decoded(rest.join(":"), "password"),
    authority: authority.slice(at + 1),
    path: decoded(path, "path"),
    query: readQuery(query),
  };
}

function readQuery(query: string): Map<string, string> {
  const all = new Map<string, string>();
  for (const pair of query.split("&").filter((pair) => pair !== "")) {
    const [name = "", ...value] = pair.split("=");
    if (all.has(name)) throw new BrokenRule(`a URL in which the parameter ${name} stands once`);
    all.set(decoded(name, "query"), decoded(value.join("="), `parameter ${name}`));
  }
  return all;
}

function decoded(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new BrokenRule(
      `a URL whose ${what} is percent-encoded: write % as %25, @ as %40, : as %3A, / as %2F`,
    );
  }
}

/** A host and a port. */
export interface HostPort {
  /** A name or an address, IPv6 without brackets. */
  readonly host: string;
  /** 1..65535. */
  readonly port: number;
}

/**
 * Reads `host`, `host:port`, `[ipv6]` or `[ipv6]:port`.
 *
 * @param defaultPort null = a port must be written
 * @returns undefined for anything else
 */
export function parseHostPort(text: string, defaultPort: number | null): HostPort | undefined {
  const [, ipv6, name, digits] = /^(?:\[([\da-f:.]+)\]|([\w.-]{1,253}))(?::(\d{1,5}))?$/i.exec(text) ?? [];
  const host = ipv6 ?? name;
  const port = digits === undefined ? defaultPort : Number(digits);
  if (host === undefined || port === null || port < 1 || port > 65_535) return undefined;
  return { host, port };
}

/**
 * Authorization: bearer tokens (RFC 6750) from the configuration.
 *
 * @module
 */
import { hash, timingSafeEqual } from "node:crypto";
import { Buffer } from "node:buffer";
import type { AccessConfig, Scope } from "../../runtime/settings/config.ts";
import { forbidden, problem } from "../write/problem.ts";
import { type Answer, type Checked, refused, valid } from "../write/response.ts";

/** The caller of a request. */
export interface Caller {
  /** Name of the token; empty when access is open. */
  readonly name: string;
  /**
   * The token that must have sold the lines that the caller changes; empty = any line: with the scope `admin`,
   * or when access is open.
   */
  readonly owner: string;
}

export interface Access {
  /** Admits a request whose token has `scope`. Scopes do not include one another. */
  admit(request: Request, scope: Scope): Checked<Caller>;
  /** Whether the request carries a known token of any scope; always true when access is open. */
  knows(request: Request): boolean;
}

/** Access as configured: open on loopback, by token everywhere else. */
export function createAccess(config: AccessConfig): Access {
  return config.kind === "open" ? openAccess : new TokenAccess(config);
}

const admittedAnyone = valid<Caller>({ name: "", owner: "" });
const openAccess: Access = { admit: () => admittedAnyone, knows: () => true };

const bearer = /^bearer +([\x21-\x7e]+) *$/i;

const noToken = refused(problem("unauthorized", "Send a token as authorization: Bearer <token>", {
  headers: { "www-authenticate": 'Bearer realm="holdfast"' },
}));
const badToken = refused(problem("unauthorized", "The token is unknown", {
  headers: { "www-authenticate": 'Bearer realm="holdfast", error="invalid_token"' },
}));

interface KnownToken {
  readonly digest: Uint8Array;
  readonly scopes: ReadonlySet<Scope>;
  readonly admitted: Checked<Caller>;
}

class TokenAccess implements Access {
  readonly #tokens: readonly KnownToken[];

  constructor(config: Extract<AccessConfig, { kind: "tokens" }>) {
    this.#tokens = config.tokens.map(({ name, scopes, sha256 }) => ({
      digest: Buffer.from(sha256, "hex"),
      scopes: new Set(scopes),
      admitted: valid({ name, owner: scopes.includes("admin") ? "" : name }),
    }));
  }

  admit(request: Request, scope: Scope): Checked<Caller> {
    const header = request.headers.get("authorization");
    if (header === null) return noToken;
    const known = this.#read(header);
    if (known === undefined) return badToken;
    return known.scopes.has(scope) ? known.admitted : refused(missing(scope));
  }

  knows(request: Request): boolean {
    const header = request.headers.get("authorization");
    return header !== null && this.#read(header) !== undefined;
  }

  #read(header: string): KnownToken | undefined {
    const token = bearer.exec(header)?.[1];
    return token === undefined ? undefined : this.#find(token);
  }

  /** Takes the same time for every token of a length: compares all digests, each in full. */
  #find(token: string): KnownToken | undefined {
    const digest = hash("sha256", token, "buffer");
    let found: KnownToken | undefined;
    for (const known of this.#tokens) {
      if (timingSafeEqual(known.digest, digest)) found = known;
    }
    return found;
  }
}

function missing(scope: Scope): Answer {
  return forbidden(scope, `The token does not have the scope ${scope}`);
}

/**
 * `compose.yaml` as Compose reads it: anchors merged, variables of `.env.example` put in.
 *
 * @module
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";

/** One service, as far as tests read it. */
export interface ComposeService {
  readonly image?: string;
  readonly build?: string | { readonly args: { readonly IMAGE: string } };
  readonly command?: readonly string[];
  readonly pull_policy?: string;
  readonly init?: boolean;
  readonly cap_drop?: readonly string[];
  readonly cap_add?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly read_only?: boolean;
  readonly tmpfs?: readonly string[];
  readonly ulimits?: Readonly<Record<string, { readonly soft: number; readonly hard: number }>>;
  readonly restart?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly networks?: readonly string[] | Readonly<Record<string, { readonly ipv4_address: string }>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[]; readonly [bound: string]: unknown };
  readonly logging?: { readonly options: Readonly<Record<string, string>> };
  readonly deploy?: {
    readonly resources: { readonly limits: { readonly cpus: string; readonly memory: string } };
  };
}

/** The whole file. */
export interface Compose {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly networks: Readonly<Record<string, unknown>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

/** The repository's root, where `compose.yaml` lies. */
export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

/** The variables of `.env.example`. */
export function exampleEnv(): Record<string, string> {
  const lines = Deno.readTextFileSync(`${ROOT}.env.example`).split("\n").filter((line) => /^\w+=/.test(line));
  return Object.fromEntries(lines.map((line) => {
    const at = line.indexOf("=");
    return [line.slice(0, at), line.slice(at + 1).replace(/^'(.*)'$/, "$1")];
  }));
}

/** The file with `variables` put in; one that is missing throws, as with Compose. */
export function readCompose(variables: Readonly<Record<string, string>> = exampleEnv()): Compose {
  const text = Deno.readTextFileSync(`${ROOT}compose.yaml`);
  return fill(parse(text, { merge: true }), variables) as Compose;
}

/** The services whose names match, at least one. */
export function servicesOf({ services }: Compose, name: RegExp): [string, ComposeService][] {
  const found = Object.entries(services).filter(([own]) => name.test(own));
  assert.ok(found.length > 0, `no service is called ${name}`);
  return found;
}

/** Variables are put into values, after the YAML was read: what one holds is no syntax. */
function fill(value: unknown, variables: Readonly<Record<string, string>>): unknown {
  if (typeof value === "string") {
    return value.replace(/\$\{(\w+)(?::\?[^}]*)?\}/g, (_, name: string) => {
      const text = variables[name];
      assert.ok(text, `${name} is not in .env.example`);
      return text;
    });
  }
  if (Array.isArray(value)) return value.map((item) => fill(item, variables));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, fill(member, variables)]));
}

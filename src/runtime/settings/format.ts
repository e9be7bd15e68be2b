/**
 * Formats of the variables of `config.ts`.
 *
 * @module
 */
import { parsePostgresUrl } from "./postgres_url.ts";
import { parseRedisUrls } from "./redis_url.ts";
import { type Parsed, parseHostPort } from "./url_text.ts";

/** The format of a variable: `parse` returns undefined for a text that breaks `rule`. */
export interface Format<T> {
  /** Continues the sentence after "must be". */
  readonly rule: string;
  /** The value, or undefined when the text breaks the rule. */
  readonly parse: (text: string) => T | undefined;
  /** The part of the rule that a text breaks; left out = {@link Format.rule}. */
  readonly explain?: (text: string) => string;
  /** Parameters of an accepted text that have no effect. */
  readonly ignored?: (text: string) => readonly string[];
}

/** One variable of the environment. */
export interface Setting<T> {
  /** The variable. */
  readonly name: string;
  /** As text; null when unset has a meaning of its own. */
  readonly default: string | null;
  /** For docs/settings.md. */
  readonly meaning: string;
  /** How it is written. */
  readonly format: Format<T>;
  /** May hold a password: its value is never printed. */
  readonly secret?: true;
}

/** A format whose parser names the broken rule. */
function parsedFormat<P, T>(
  rule: string,
  parse: (text: string) => Parsed<P>,
  use: (value: P, text: string) => T,
): Format<T> {
  return {
    rule,
    parse(text) {
      const result = parse(text);
      return result.kind === "valid" ? use(result.value, text) : undefined;
    },
    explain(text) {
      const result = parse(text);
      return result.kind === "valid" ? rule : result.rule;
    },
    ignored(text) {
      const result = parse(text);
      return result.kind === "valid" ? result.ignored : [];
    },
  };
}

/** The least severe line that is logged. */
export type LogLevel = "debug" | "info" | "warn" | "error";

const redisUrlsMax = 100;
const kafkaBrokersMax = 100;
const pairsMax = 64;
/** Longest path that Linux takes, and more than any host name or URL needs. */
const charsMax = 4096;

/** An integer in plain decimal digits, both bounds included. */
export function integer(min: number, max: number): Format<number> {
  return {
    rule: `an integer from ${min} to ${max}`,
    parse(text) {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
      return value >= min && value <= max ? value : undefined;
    },
  };
}

/** A share of a whole. */
export function ratio(): Format<number> {
  return {
    rule: "a number from 0 to 1, such as 0.01",
    parse(text) {
      const value = /^\d(?:\.\d{1,9})?$/.test(text) ? Number(text) : NaN;
      return value <= 1 ? value : undefined;
    },
  };
}

/** One of a few words. */
export function oneOf<T extends string>(words: readonly T[]): Format<T> {
  return { rule: `one of ${words.join(", ")}`, parse: (text) => words.find((word) => word === text) };
}

/** A folder. */
export function path(): Format<string> {
  return {
    rule: `a path of at most ${charsMax} characters`,
    parse: (text) => text.length <= charsMax && !text.includes("\0") ? text : undefined,
  };
}

/** A listen address. */
export function hostName(): Format<string> {
  return {
    rule: "a host name or an IP address, without a port",
    // Names and IPv4 have no colon; IPv6 has at least two. 253 is the longest name DNS can hold.
    parse: (text) =>
      /^(?:[\w.-]{1,253}|\[?[\da-f:.]*:[\da-f:.]*:[\da-f:.]*(?:%\w+)?\]?)$/i.test(text)
        ? stripBrackets(text)
        : undefined,
  };
}

/** A name that PostgreSQL, Redis and Kafka accept. */
export function identifier(): Format<string> {
  return {
    rule: "1 to 32 of a-z, 0-9 and _, starting with a letter, not with pg_ (PostgreSQL's own)",
    parse: (text) => /^(?!pg_)[a-z][a-z0-9_]{0,31}$/.test(text) ? text : undefined,
  };
}

/** A UUID in lower case, as PostgreSQL prints it. */
export function uuid(): Format<string> {
  return {
    rule: "a UUID in lower case, as `inventory status` and the worker's first line show it",
    parse: (text) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text) ? text : undefined,
  };
}

/** One Redis, or nodes of one Redis Cluster. */
export function redisUrls(): Format<readonly string[]> {
  return parsedFormat(
    "redis://host:port/db or rediss://…; several, comma-separated, of one scheme and database 0",
    (text) => parseRedisUrls(text, redisUrlsMax),
    (urls) => urls,
  );
}

/** An OTLP receiver: paths such as `/v1/traces` are appended. */
export function httpUrl(): Format<string> {
  return {
    rule: "http://host:port or https://…, without query and white space",
    parse(text) {
      // The text itself is checked: `new URL` trims white space, the exporter does not.
      const url = /\s/.test(text) ? undefined : parseUrl(text, ["http:", "https:"]);
      return url?.search === "" && url.hash === "" ? url.href.replace(/\/+$/, "") : undefined;
    },
  };
}

/** Any text: for variables of other programs of which only a value counts, or whether they are set. */
export function anyText(): Format<string> {
  return { rule: "any text", parse: (text) => text };
}

/** A name or a password. */
export function plainText(): Format<string> {
  return {
    rule: "1 to 1024 characters without control characters",
    parse: (text) => /^[^\p{Cc}]{1,1024}$/u.test(text) ? text : undefined,
  };
}

/** `name=value` pairs in the format of OpenTelemetry's variables: comma-separated, values percent-encoded. */
export function keyValues(): Format<Readonly<Record<string, string>>> {
  return {
    rule: `1 to ${pairsMax} of name=value, comma-separated, values percent-encoded`,
    parse(text) {
      const pairs = text.split(",").map((pair) =>
        /^\s*([\w.!#$%&'*+^`|~-]{1,256})\s*=\s*([\x21-\x7e]*)\s*$/.exec(pair)
      );
      if (pairs.length > pairsMax || pairs.some((pair) => pair === null)) return undefined;
      try {
        return Object.fromEntries(
          pairs.map((pair) => [pair?.[1] ?? "", decodeURIComponent(pair?.[2] ?? "")]),
        );
      } catch {
        return undefined;
      }
    },
  };
}

/** A PostgreSQL database. */
export function databaseUrl(): Format<string> {
  return parsedFormat("postgres://user:password@host:port/database", parsePostgresUrl, (_, text) => text);
}

/** Some brokers of one Kafka cluster, each as `host:port` or `[ipv6]:port`. */
export function kafkaBrokers(): Format<readonly string[]> {
  return {
    rule: `1 to ${kafkaBrokersMax} of host:port or [ipv6]:port, comma-separated, ports from 1 to 65535`,
    parse(text) {
      const brokers = text.split(",").map((broker) => broker.trim());
      const areBrokers = brokers.every((broker) => parseHostPort(broker, null) !== undefined);
      return areBrokers && brokers.length <= kafkaBrokersMax ? brokers : undefined;
    },
  };
}

/** A file that is read when the process starts. */
export function pemFile(): Format<string> {
  return {
    rule: "a file with certificates in PEM that can be read",
    parse(text) {
      try {
        return Deno.readTextFileSync(text).includes("-----BEGIN CERTIFICATE-----") ? text : undefined;
      } catch {
        return undefined;
      }
    },
  };
}

/** Characters of a token beyond loopback: 22 of base64 are 132 bits, which cannot be guessed. */
export const tokenCharsMin = 22;

/** Whether only this machine can reach an address. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

function stripBrackets(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1");
}

/** A URL of one of `protocols` with a host; undefined for anything else. */
export function parseUrl(text: string, protocols: readonly string[]): URL | undefined {
  if (text.length > charsMax || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  return protocols.includes(url.protocol) && url.hostname !== "" ? url : undefined;
}

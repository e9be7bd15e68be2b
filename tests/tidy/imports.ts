/**
 * House rules about who may know whom.
 *
 * Data moves on and never turns back: `http → inventory → store`, `log → ledger`. Only `main.ts`,
 * `worker.ts` and `inventory.ts` know which adapters are in use.
 *
 * @module
 */
import { isTestCode, type SourceFile, withoutComments } from "./files.ts";

/** What the files of a folder may import beside their own folder; the longest match counts. */
const mayImport: readonly (readonly [folder: string, others: readonly string[]])[] = [
  ["src/http/", ["src/inventory/", "src/ops/live/", "src/config.ts", "src/address.ts", "src/world.ts"]],
  // A store's ports speak of rows to restore and of places in the log: values of the ports beyond them.
  ["src/inventory/", ["src/finding.ts", "src/log/", "src/ledger/", "src/world.ts"]],
  ["src/inventory/redis/", [
    "src/finding.ts",
    "src/inventory/",
    "src/log/",
    "src/ledger/",
    "src/redis/",
    "src/world.ts",
  ]],
  ["src/inventory/memory/", ["src/finding.ts", "src/inventory/", "src/log/", "src/ledger/", "src/world.ts"]],
  ["src/log/", ["src/redis/", "src/world.ts"]],
  ["src/ledger/", [
    "src/finding.ts",
    "src/log/",
    "src/inventory/outcome.ts",
    "src/settings/",
    "src/world.ts",
  ]],
  ["src/worker/", [
    "src/finding.ts",
    "src/inventory/",
    "src/log/",
    "src/ledger/",
    "src/telemetry/",
    "src/world.ts",
  ]],
  ["src/redis/", ["src/finding.ts", "src/inventory/store.ts", "src/settings/", "src/world.ts"]],
  // Telemetry implements the ports of those whom it watches.
  ["src/telemetry/", [
    "src/http/connection.ts",
    "src/http/journey.ts",
    "src/inventory/",
    "src/log/event.ts",
    "src/worker/apply.ts",
    "src/worker/watch.ts",
    "src/config.ts",
    "src/world.ts",
  ]],
  ["src/ops/", ["src/inventory/", "src/config.ts", "src/world.ts"]],
  // Figures of this process, for the edge to show.
  ["src/ops/live/", ["src/inventory/", "src/telemetry/histogram.ts", "src/world.ts"]],
  // The operator's command line speaks to everything, through the ports.
  ["src/ops/cli/", [
    "src/finding.ts",
    "src/http/",
    "src/inventory/",
    "src/ledger/",
    "src/log/",
    "src/worker/",
    "src/telemetry/",
    "src/config.ts",
    "src/world.ts",
  ]],
  ["src/config.ts", [
    "src/config_access.ts",
    "src/config_environment.ts",
    "src/config_format.ts",
    "src/config_relations.ts",
    "src/config_settings.ts",
  ]],
  ["src/config_relations.ts", ["src/config_format.ts", "src/config_settings.ts"]],
  ["src/config_environment.ts", ["src/config_settings.ts"]],
  ["src/config_settings.ts", ["src/config_access.ts", "src/config_format.ts", "src/config_telemetry.ts"]],
  ["src/config_telemetry.ts", ["src/config_format.ts"]],
  ["src/config_access.ts", ["src/address.ts", "src/config_format.ts"]],
  ["src/config_format.ts", ["src/settings/"]],
  ["src/settings/", []],
  ["src/address.ts", []],
  ["client/", []],
  ["src/lifecycle.ts", ["src/config.ts", "src/telemetry/", "src/world.ts"]],
  ["src/finding.ts", []],
  ["src/world.ts", []],
];

/** Adapters, each a group of files that may know one another. */
const adapters: readonly (readonly string[])[] = [
  ["src/inventory/redis/", "src/log/redis_stream.ts", "src/redis/"],
  ["src/inventory/memory/"],
  ["src/log/kafka/"],
  [
    "src/ledger/postgres.ts",
    "src/ledger/postgres_session.ts",
    "src/ledger/postgres_options.ts",
    "src/ledger/postgres_settings.ts",
  ],
  ["src/ledger/pglite.ts", "src/ledger/folder_lock.ts"],
];

/** The files that put a process together. */
const wiring = ["main.ts", "worker.ts", "inventory.ts"];

/** Packages that have one owner: everybody else speaks to the owner's port. */
const owners: Readonly<Record<string, readonly string[]>> = {
  hono: ["src/http/app.ts"],
  commander: ["src/ops/cli/program.ts"],
  ioredis: ["src/redis/connection.ts"],
  kafkajs: ["src/log/kafka/client.ts"],
  "kafkajs/src/cluster/index.js": ["src/log/kafka/client.ts"],
  "kafkajs/src/loggers/index.js": ["src/log/kafka/client.ts"],
  "kafkajs/src/network/socketFactory.js": ["src/log/kafka/client.ts"],
  postgres: ["src/ledger/postgres.ts", "src/ledger/postgres_options.ts", "src/ledger/postgres_session.ts"],
  "@electric-sql/pglite": ["src/ledger/pglite.ts"],
  "cluster-key-slot": ["src/redis/keys.ts"],
};

/** As {@link owners}, for all packages of a publisher: by what their names begin with. */
const publishers: readonly (readonly [name: string, owner: string])[] = [
  ["@opentelemetry/", "src/telemetry/"],
];

/** Imports that the rule forbids. */
export function forbiddenImports(file: SourceFile): string[] {
  const { path } = file;
  if (!path.endsWith(".ts") || isTestCode(path)) return [];
  return importsOf(file).flatMap((target) => {
    const rule = brokenRule(path, target);
    return rule === undefined ? [] : [`${path} must not import ${target}: ${rule}`];
  });
}

function brokenRule(path: string, target: string): string | undefined {
  if (!isOurs(target)) {
    const publisher = publishers.find(([name]) => target.startsWith(name));
    if (publisher && !path.startsWith(publisher[1])) return "the package has another owner";
    const allowed = owners[target];
    return allowed === undefined || allowed.includes(path) ? undefined : "the package has another owner";
  }
  if (isTestCode(target)) return "the product does not know its tests";
  if (wiring.includes(path)) return wiring.includes(target) ? "processes do not know one another" : undefined;
  if (wiring.includes(target)) return "nothing imports a process";
  const adapter = adapterOf(target);
  if (adapter !== undefined && adapter !== adapterOf(path)) {
    return "only main.ts, worker.ts and inventory.ts know which adapters are in use";
  }
  const [own, others] = longestMatch(path) ?? [path, []];
  const allowed = [own, ...others].some((prefix) => target.startsWith(prefix));
  return allowed ? undefined : `files of ${own} may import ${others.join(", ") || "nothing of ours"}`;
}

/** What a file imports: repository paths for ours, bare names for packages; Deno's own modules left out. */
export function importsOf({ path, text }: SourceFile): string[] {
  const specifiers = /\b(?:from|import)\s*\(?\s*"([^"]+)"/g;
  return [...withoutComments(text).matchAll(specifiers)]
    .map(([, specifier = ""]) => specifier)
    .filter((specifier) => !specifier.startsWith("node:"))
    .map((specifier) =>
      specifier.startsWith(".") ? new URL(specifier, `file:///${path}`).pathname.slice(1) : specifier
    );
}

function isOurs(target: string): boolean {
  return target.endsWith(".ts");
}

function adapterOf(path: string): readonly string[] | undefined {
  return adapters.find((group) => group.some((prefix) => path.startsWith(prefix)));
}

function longestMatch(path: string): readonly [string, readonly string[]] | undefined {
  const matches = mayImport.filter(([folder]) => path.startsWith(folder));
  return matches.toSorted(([a], [b]) => b.length - a.length)[0];
}

/**
 * The time and chance of the client: it runs in other people's programs, without a world of ours. It waits and
 * spreads its waits, but reads no clock and makes no ids.
 */
const clientsOwn = "client/src/defaults.ts";
/** Runs in a browser, which is a world of its own. */
const livePagesOwn = "src/ops/live/script.ts";

/** What asks the world itself, and the files that may. */
const asksTheWorld: readonly (readonly [what: RegExp, ...owners: string[]])[] = [
  [/\bDeno\.env\b/g, "src/config_environment.ts"],
  [/\bDate\.now\b|\bnew Date\(\s*\)/g, "src/world.ts"],
  [/\bperformance\.now\b/g, "src/world.ts"],
  // As functions of their own: a socket's `setTimeout` bounds its silence and is the driver's affair.
  [
    /(?<![.\w])set(?:Timeout|Interval|Immediate)\b|\bAbortSignal\.timeout\b/g,
    "src/world.ts",
    clientsOwn,
    livePagesOwn,
  ],
  [/\bMath\.random\b/g, "src/world.ts", clientsOwn],
  [/\brandomUUID\b|\bgetRandomValues\b|\brandomBytes\b/g, "src/world.ts"],
];

/** Places where the product asks for time, chance or settings past the file that owns them. */
export function askingTheWorld({ path, text }: SourceFile): string[] {
  if (!path.endsWith(".ts") || isTestCode(path)) return [];
  const code = withoutComments(text);
  return asksTheWorld.filter(([, ...owners]) => !owners.includes(path)).flatMap(([what, ...owners]) =>
    [...code.matchAll(what)].map(([found]) => `${path} asks ${found}: only ${owners.join(" and ")} may`)
  );
}

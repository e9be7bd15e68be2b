/**
 * House rules about imports.
 *
 * The graph of the folders, computed from the imports, has no cycle: a folder imports only folders below it. Only the
 * wiring (`main.ts`, `worker.ts`, `inventory.ts`, `src/compose/`, `src/cli/`) knows which adapters are in use.
 *
 * @module
 */
import { isTestCode, type SourceFile, withoutComments } from "./files.ts";

/** Adapters: each knows its own files and the ports, and only the wiring knows adapters. */
const adapters = [
  "src/decide/memory/",
  "src/redis/",
  "src/kafka/",
  "src/ledger/postgres/",
  "src/ledger/sqlite/",
];

/** The processes. Nothing imports them. */
const processes = ["main.ts", "worker.ts", "inventory.ts"];

/** What puts a process together, in addition to the processes' own files. */
const wiring = ["src/compose/", "src/cli/"];

/** Packages that have one owner: all others call the owner's port. */
const owners: Readonly<Record<string, readonly string[]>> = {
  hono: ["src/http/app.ts"],
  commander: ["src/cli/program.ts", "src/cli/run.ts"],
  ioredis: ["src/redis/connection.ts"],
  kafkajs: ["src/kafka/client.ts"],
  "kafkajs/src/cluster/index.js": ["src/kafka/client.ts"],
  "kafkajs/src/loggers/index.js": ["src/kafka/client.ts"],
  "kafkajs/src/network/requestQueue/index.js": ["src/kafka/client.ts"],
  "kafkajs/src/protocol/requests/index.js": ["src/kafka/client.ts"],
  "kafkajs/src/protocol/recordBatch/crc32C/index.js": ["src/kafka/client.ts"],
  "kafkajs/src/network/socketFactory.js": ["src/kafka/client.ts"],
  postgres: [
    "src/ledger/postgres/server.ts",
    "src/ledger/postgres/options.ts",
    "src/ledger/postgres/session.ts",
  ],
  "cluster-key-slot": ["src/redis/keys.ts"],
};

/** As {@link owners}, for all packages of a publisher: by what their names begin with. */
const publishers: readonly (readonly [name: string, owner: string])[] = [
  ["@opentelemetry/", "src/observe/"],
];

/** Checks recorded histories of the product. */
const checker = "tools/checker/";

/** Imports that the rule forbids. */
export function forbiddenImports(file: SourceFile): string[] {
  const { path } = file;
  if (!path.endsWith(".ts") || (isTestCode(path) && !path.startsWith(checker))) return [];
  return importsOf(file).flatMap((target) => {
    const rule = brokenRule(path, target);
    return rule === undefined ? [] : [`${path} must not import ${target}: ${rule}`];
  });
}

function brokenRule(path: string, target: string): string | undefined {
  if (path.startsWith(checker)) {
    return target.startsWith(checker) ? undefined : "the checker shares no code with what it checks";
  }
  if (!isOurs(target)) {
    const publisher = publishers.find(([name]) => target.startsWith(name));
    if (publisher && !path.startsWith(publisher[1])) return "the package has another owner";
    const allowed = owners[target];
    return allowed === undefined || allowed.includes(path) ? undefined : "the package has another owner";
  }
  if (isTestCode(target)) return "the product does not know its tests";
  if (processes.includes(target)) return "nothing imports a process";
  if (target.startsWith("client/") !== path.startsWith("client/")) {
    return "the client is a package of its own";
  }
  const adapter = adapters.find((folder) => target.startsWith(folder));
  const mayKnow = adapter === undefined || path.startsWith(adapter) || processes.includes(path) ||
    wiring.some((folder) => path.startsWith(folder));
  return mayKnow ? undefined : `only ${[...processes, ...wiring].join(", ")} know which adapters are in use`;
}

/** Cycles of folders, each as the imports that close it: a folder may import only folders below it. */
export function folderCycles(files: readonly SourceFile[]): string[] {
  const imports = new Map<string, Map<string, string>>();
  for (const file of files) {
    if (!file.path.startsWith("src/") || !file.path.endsWith(".ts") || isTestCode(file.path)) continue;
    const from = folderOf(file.path);
    for (const target of importsOf(file).filter(isOurs)) {
      const to = folderOf(target);
      const known = imports.get(from) ?? new Map<string, string>();
      imports.set(from, known);
      if (to !== from && !known.has(to)) known.set(to, `${file.path} imports ${target}`);
    }
  }
  const done = new Set<string>();
  const cycles: string[] = [];
  const walk = (folder: string, way: readonly string[]) => {
    if (way.includes(folder)) {
      const cycle = [...way.slice(way.indexOf(folder)), folder];
      const closing = cycle.slice(1).map((to, i) => imports.get(cycle[i] ?? "")?.get(to) ?? "");
      cycles.push(`${cycle.join(" -> ")}: ${closing.join("; ")}`);
      return;
    }
    if (done.has(folder)) return;
    for (const to of imports.get(folder)?.keys() ?? []) walk(to, [...way, folder]);
    done.add(folder);
  };
  for (const folder of imports.keys()) walk(folder, []);
  return cycles;
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
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

/**
 * The time and chance of the client: it runs in other people's programs, without a world of ours. It waits and
 * spreads its waits, but reads no clock and makes no ids.
 */
const clientsOwn = "client/src/defaults.ts";
/** Runs in a browser, which is a world of its own. */
const livePagesOwn = "src/live/script.ts";

/** What asks the world itself, and the files that may. */
const asksTheWorld: readonly (readonly [what: RegExp, ...owners: string[]])[] = [
  [/\bDeno\.env\b/g, "src/runtime/settings/environment.ts"],
  [/\bDate\.now\b|\bnew Date\(\s*\)/g, "src/runtime/world.ts"],
  [/\bperformance\.now\b/g, "src/runtime/world.ts"],
  // As functions of their own: a socket's `setTimeout` bounds its silence and is the driver's affair.
  [
    /(?<![.\w])set(?:Timeout|Interval|Immediate)\b|\bAbortSignal\.timeout\b/g,
    "src/runtime/world.ts",
    clientsOwn,
    livePagesOwn,
  ],
  [/\bMath\.random\b/g, "src/runtime/world.ts", clientsOwn],
  [/\brandomUUID\b|\bgetRandomValues\b|\brandomBytes\b/g, "src/runtime/world.ts"],
];

/** Places where the product asks for time, chance or settings past the file that owns them. */
export function askingTheWorld({ path, text }: SourceFile): string[] {
  if (!path.endsWith(".ts") || isTestCode(path)) return [];
  const code = withoutComments(text);
  return asksTheWorld.filter(([, ...owners]) => !owners.includes(path)).flatMap(([what, ...owners]) =>
    [...code.matchAll(what)].map(([found]) => `${path} asks ${found}: only ${owners.join(" and ")} may`)
  );
}

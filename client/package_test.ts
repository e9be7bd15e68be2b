/**
 * The client as a package: packed by npm, installed into a Node project with types, and bundled for a browser.
 * Each of them sells an order at a real server.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { runCommand } from "../tools/servers/command.ts";
import { dataDir } from "../tools/servers/run_folder.ts";
import { startEmbedded } from "../tests/system/stack.ts";

const CLIENT = import.meta.dirname ?? ".";
/** npm asks the registry for three packages at most: 6 s on a quiet machine. */
const NPM_DEADLINE_MS = 300_000;
const RUN_DEADLINE_MS = 60_000;
const TYPESCRIPT = "typescript@5.9.3";
const ESBUILD = "esbuild@0.28.2";

function npm(cwd: string, ...args: string[]): Promise<string> {
  return runCommand("npm", [...args, "--no-audit", "--no-fund", "--loglevel=error"], {
    deadlineMs: NPM_DEADLINE_MS,
    cwd,
  });
}

/** The packed client: `npm pack` in a copy of the folder, as a release does it. */
async function pack(): Promise<{ readonly tarball: string; readonly files: readonly string[] }> {
  const folder = await dataDir("client-package");
  await runCommand("cp", ["-R", `${CLIENT}/.`, folder], { deadlineMs: RUN_DEADLINE_MS });
  await npm(folder, "install");
  const [packed] = JSON.parse(await npm(folder, "pack", "--json")) as [
    { filename: string; files: { path: string }[] },
  ];
  return { tarball: join(folder, packed.filename), files: packed.files.map(({ path }) => path) };
}

async function project(tarball: string, ...packages: string[]): Promise<string> {
  const folder = await dataDir("client-user");
  await Deno.writeTextFile(join(folder, "package.json"), JSON.stringify({ name: "shop", type: "module" }));
  await npm(folder, "install", tarball, ...packages);
  return folder;
}

/** Sells one order and prints the result; the environment says where. */
const shopSource = `
import { createClient, type DeductAccepted, type Refused, type Unknown } from "@holdfast/client";
const [baseUrl, orderId] = (globalThis as unknown as { args: [string, string] }).args;
const shop = createClient({ baseUrl });
const bought: DeductAccepted | Refused | Unknown =
  await shop.deduct({ sku: "SKU_123", userId: orderId, orderId, amount: 1 });
if (bought.kind !== "accepted") throw new Error(JSON.stringify(bought));
(globalThis as unknown as { sold: number }).sold = bought.newStock;
`;

Deno.test("client: npm pack gives ESM with types that a Node project and a browser bundle can use", async () => {
  const { tarball, files } = await pack();
  for (const file of ["dist/mod.js", "dist/mod.d.ts", "src/mod.ts", "README.md", "package.json"]) {
    assert.ok(files.includes(file), `${file} is in the package`);
  }
  assert.deepEqual(files.filter((file) => /_test|deno\.json|tsconfig/.test(file)), []);
  await using service = await startEmbedded(await dataDir("client-server"), { DEMO_STOCK: "1" });

  const folder = await project(tarball, TYPESCRIPT, ESBUILD);
  await Deno.writeTextFile(join(folder, "shop.ts"), shopSource);
  const bin = (name: string) => join(folder, "node_modules", ".bin", name);
  const compile = [
    "--strict",
    "--module",
    "nodenext",
    "--target",
    "es2022",
    "--lib",
    "es2022,dom",
    "shop.ts",
  ];
  await runCommand(bin("tsc"), compile, { deadlineMs: RUN_DEADLINE_MS, cwd: folder });
  await Deno.writeTextFile(
    join(folder, "run.js"),
    `globalThis.args = process.argv.slice(2);\nawait import("./shop.js");\nconsole.log(globalThis.sold);\n`,
  );
  const run = (script: string, orderId: string) =>
    runCommand("node", [script, service.url, orderId], { deadlineMs: RUN_DEADLINE_MS, cwd: folder });
  assert.equal((await run("run.js", "node-order")).trim(), "999");

  const bundle = ["shop.ts", "--bundle", "--platform=browser", "--format=esm", "--outfile=bundle.mjs"];
  await runCommand(bin("esbuild"), bundle, { deadlineMs: RUN_DEADLINE_MS, cwd: folder });
  // A context of its own with what browsers have, and nothing of Node's: no process, no Buffer, no require.
  await Deno.writeTextFile(
    join(folder, "browser.mjs"),
    `import { readFile } from "node:fs/promises";
import vm from "node:vm";
const page = { args: process.argv.slice(2), fetch, Headers, Response, AbortController, setTimeout, clearTimeout, URL };
const context = vm.createContext(page);
const module = new vm.SourceTextModule(await readFile("bundle.mjs", "utf8"), { context });
await module.link(() => { throw new Error("the bundle imports something"); });
await module.evaluate();
console.log(page.sold);
`,
  );
  const inBrowser = await runCommand(
    "node",
    ["--experimental-vm-modules", "--no-warnings", "browser.mjs", service.url, "browser-order"],
    { deadlineMs: RUN_DEADLINE_MS, cwd: folder },
  );
  assert.equal(inBrowser.trim(), "998");
});

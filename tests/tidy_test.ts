/**
 * The house rules, as tests: each is run on the repository, and each is shown a text that breaks it.
 */
import assert from "node:assert/strict";
import { batchBytesMax } from "../src/http/read/request.ts";
import { settings } from "../src/runtime/settings/config.ts";
import { type Command, limits } from "../src/domain/command.ts";
import { decodeBatch, decodeReply, encodeBatch } from "../src/redis/wire.ts";
import { keyNames } from "../src/redis/keys.ts";
import { runbookSections } from "./system/runbook_sections.ts";
import {
  brokenRecords,
  deadAnchors,
  deadReferences,
  goneFileNames,
  goneLogLines,
  missingTests,
  namedTests,
  settingsDrift,
  tooLongFrontPage,
  unknownTasks,
  untestedFailures,
} from "./tidy/documents.ts";
import { isTestCode, readRepository, type SourceFile } from "./tidy/files.ts";
import {
  commentedOutCode,
  machinePaths,
  skippedTests,
  tooLong,
  unmerged,
  untaggedNotes,
} from "./tidy/habits.ts";
import { askingTheWorld, folderCycles, forbiddenImports } from "./tidy/imports.ts";
import {
  argumentDrift,
  bodyOf,
  boundDrift,
  brokenParts,
  type Header,
  headerOf,
  isScript,
  keyDrift,
  type Shape,
  unusedParts,
  writesOutsideScripts,
} from "./tidy/lua.ts";
import { commandFragments, untestedCommands } from "./tidy/runbooks.ts";
import { goneNames, goneWords, unknownTerms } from "./tidy/words.ts";
import { commandDrift, decisionDrift, givenDrift, replyDrift } from "./tidy/wire.ts";

const files = readRepository(new URL("..", import.meta.url));
// A peer in bench has scripts of its own, which are no part of the store.
const lua = files.filter(({ path }) => path.startsWith("lua/") && path.endsWith(".lua"));
const scripts = lua.filter(isScript);
const inventory = fileAt("lua/decide.lua");

function fileAt(path: string): SourceFile {
  const file = files.find((file) => file.path === path);
  assert.ok(file, `${path} is missing`);
  return file;
}

function contract(): Header {
  const header = headerOf(inventory);
  assert.ok(header, "lua/decide.lua has no header");
  return header;
}

/** Runs a rule on every file. */
function holds(rule: (file: SourceFile) => string[], of: readonly SourceFile[] = files): void {
  assert.deepEqual(of.flatMap(rule), []);
}

Deno.test("a file of the product has at most 300 lines, one of the wiring 120", () => holds(tooLong));
Deno.test("a folder imports only folders below it", () => {
  assert.deepEqual(folderCycles(files), []);
});
Deno.test("only the wiring knows adapters, and each package has one owner", () => holds(forbiddenImports));
Deno.test("time, chance and settings have one owner each", () => holds(askingTheWorld));
Deno.test("a note to oneself has an issue's number", () => holds(untaggedNotes));
Deno.test("no code is left in comments", () => holds(commentedOutCode));
Deno.test("no conflict is left unresolved", () => holds(unmerged));
Deno.test("no test is skipped", () => holds(skippedTests));
Deno.test("nothing leads to a place of one machine", () => holds(machinePaths));

Deno.test("Lua: headers bear their files' names, parts exist and are used", () => {
  holds((file) => brokenParts(file, files), lua);
  assert.deepEqual(unusedParts(files), []);
});
Deno.test("Lua: headers and scripts have the same arguments", () => {
  holds((file) => argumentDrift(file, files), scripts);
});
Deno.test("Lua: every script takes the keys in the order of keyNames", () => {
  holds((file) => keyDrift(file, files, keyNames), scripts);
});
Deno.test("Lua: bounds are those of limits in src/domain/command.ts", () => {
  holds((file) => boundDrift(file, limits), lua);
});

Deno.test("nginx takes bodies as large as a batch, and no larger", () => {
  const [, sizeMb] = /client_max_body_size (\d+)m;/.exec(fileAt("deploy/nginx/nginx.conf").text) ?? [];
  assert.equal(Number(sizeMb) * 1024 * 1024, batchBytesMax);
});

Deno.test("a refusal of a sale is named in at most six files of the product", () => {
  const product = files.filter(({ path }) => /^(src|lua|client\/src)\//.test(path) && !isTestCode(path));
  for (const code of ["not_open", "sale_closed", "quota_exceeded"]) {
    const naming = product.filter(({ text }) => new RegExp(`\\b${code}\\b`).test(text)).map(({ path }) =>
      path
    );
    assert.ok(naming.length <= 6, `${code} is named in ${naming.join(", ")}`);
  }
});

Deno.test("Redis is written to by scripts alone", () => holds(writesOutsideScripts));

// Texts are called as the header calls their positions, numbers stand for theirs.
const numbers = { deadline: 11, amount: 12, delta: 13, hold: 14, available: 15, number: 16 };
const origin = { actor: "actor", traceparent: "traceparent" };
const lines = [{ sku: "SKU", amount: numbers.amount }];
const note = { reason: "reason", reference: "reference" };
const sale = {
  orderId: "order id",
  userId: "user id",
  lines,
  hasToken: true,
  holdMs: numbers.hold,
  ...origin,
};
const samples: Readonly<Record<Command["kind"], Command>> = {
  deduct: { kind: "deduct", ...sale },
  order: { kind: "order", ...sale },
  reserve: { kind: "reserve", ...sale },
  prepare: { kind: "prepare", ...sale, attempt: "attempt" },
  commit: { kind: "commit", orderId: "order id", preparedSeq: numbers.number, ...origin },
  abort: { kind: "abort", orderId: "order id", preparedSeq: numbers.number, ...origin },
  confirm: { kind: "confirm", owner: "owner", orderId: "order id", lines: null, ...origin },
  cancel: { kind: "cancel", owner: "owner", orderId: "order id", ...origin },
  extend: { kind: "extend", owner: "owner", orderId: "order id", holdMs: numbers.hold, ...origin },
  return: {
    kind: "return",
    owner: "owner",
    orderId: "order id",
    returnId: "return id",
    lines,
    reason: "reason",
    ledger: null,
    ...origin,
  },
  adjust: {
    kind: "adjust",
    adjustmentId: "adjustment id",
    sku: "SKU",
    delta: numbers.delta,
    ...note,
    ...origin,
  },
  set: {
    kind: "set",
    adjustmentId: "adjustment id",
    sku: "SKU",
    available: numbers.available,
    expected: null,
    ...note,
    ...origin,
  },
  pause: { kind: "pause", sku: "SKU", reason: "reason", ...origin },
  resume: { kind: "resume", sku: "SKU", reason: "reason", ...origin },
  rules: {
    kind: "rules",
    sku: "SKU",
    opensAtMs: null,
    closesAtMs: null,
    quota: null,
    tokenRequired: true,
    expected: null,
    ...origin,
  },
  stock: { kind: "stock", sku: "SKU" },
  lookup: { kind: "lookup", orderId: "order id" },
};

/** A command as it is sent, in the words of the header. */
function asShape(value: unknown): Shape {
  if (Array.isArray(value)) return value.map(asShape);
  if (value === true) return "token";
  const number = Object.entries(numbers).find(([, number]) => number === value);
  return number ? number[0] : String(value);
}

Deno.test("Lua: commands are sent as the header says, position by position", () => {
  const one: Command = { kind: "deduct", ...sale, holdMs: 0 };
  const batch = [one, ...Object.values(samples)].map((command) => ({
    command,
    deadlineMs: numbers.deadline,
  }));
  const sent: unknown[] = JSON.parse(encodeBatch(batch));
  const plainSale = sent.splice(0, sent.findIndex(Array.isArray)).map(asShape);
  assert.match(inventory.text, new RegExp(`^ {4}${plainSale.join(", ")} {2,}a plain sale$`, "m"));
  assert.deepEqual(commandDrift(contract(), sent.map(asShape)), []);
});
Deno.test("Lua: the script decides the commands that its header lists", () => {
  assert.deepEqual(decisionDrift(contract(), inventory.text), []);
});
Deno.test("Lua: replies are read as the header says, no more and no fewer", () => {
  const kindOf = (reply: string) => decodeBatch(reply).kind;
  assert.deepEqual(replyDrift(contract(), Object.keys(decodeReply), kindOf), []);
});
Deno.test("Lua: the script gives the replies that its header lists", () => {
  assert.deepEqual(givenDrift(contract(), bodyOf(inventory, files)), []);
});

Deno.test("docs/settings.md has the settings, word by word", () => {
  assert.deepEqual(settingsDrift(fileAt("docs/settings.md").text, Object.values(settings)), []);
});
Deno.test("docs/failures.md names tests that exist, at least one a failure", () => {
  const { text } = fileAt("docs/failures.md");
  assert.ok(namedTests(text).length > 0, "the document names no test");
  assert.deepEqual(missingTests(namedTests(text), files), []);
  assert.deepEqual(untestedFailures(text), []);
});
Deno.test("every command in a runbook is run by a test, in the state that the page is for", () => {
  const pages = files.filter(({ path }) => path.startsWith("docs/operate/"));
  holds(commandFragments, pages);
  assert.deepEqual(untestedCommands(pages, runbookSections), []);
});
Deno.test("documents lead to files and tasks that exist", () => {
  const paths = new Set(files.map(({ path }) => path));
  const { tasks } = JSON.parse(fileAt("deno.json").text);
  holds((file) => deadReferences(file, paths));
  holds((file) => deadAnchors(file, files));
  holds((file) => goneFileNames(file, paths));
  holds((file) => goneLogLines(file, files.filter(({ path }) => path.startsWith("src/"))));
  holds((file) => unknownTasks(file, Object.keys(tasks)), files.filter(({ path }) => path.endsWith(".md")));
});
Deno.test("decision records have a status and a date, are in the index, and say what would change them", () => {
  assert.deepEqual(brokenRecords(files), []);
});
Deno.test("documents say what the glossary says, in plain English", () => {
  holds(goneWords);
  assert.deepEqual(unknownTerms(fileAt("docs/glossary.md").text), []);
});
Deno.test("README is a front page", () => {
  assert.deepEqual(tooLongFrontPage(fileAt("README.md").text), []);
});
Deno.test("names that were replaced are gone from the source", () => holds(goneNames));

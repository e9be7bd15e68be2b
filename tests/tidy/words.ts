/**
 * House rules about words: one term a thing, plain English. The terms are those of docs/glossary.md.
 *
 * @module
 */
import type { SourceFile } from "./files.ts";

/** A word that is no longer used, and the one to use. */
interface Gone {
  /** The old word. A lower-case word is found in any case and with the endings s, ed and ing. */
  readonly old: string;
  /** What to say: a term of the glossary, or plain English. */
  readonly say: string;
}

/** Terms that were renamed: not in documents any more. Each `say` is in the glossary. */
export const renamedTerms: readonly Gone[] = [
  { old: "lane", say: "batcher" },
  { old: "passage", say: "command timings" },
  { old: "journey", say: "request record" },
  { old: "outbox", say: "export queue" },
  { old: "follower", say: "replicas" },
  { old: "crew", say: "peers" },
  { old: "books", say: "ledger" },
  { old: "booked", say: "apply" },
  { old: "booking", say: "apply" },
  { old: "uncounted", say: "suspended" },
  { old: "design document", say: "baseline" },
  { old: "first design", say: "baseline" },
];

/** Phrases that plain English does without. */
export const plainEnglish: readonly Gone[] = [
  { old: "whoever", say: "name the subject" },
  { old: "by way of", say: "through, from" },
  { old: "in words", say: "as text" },
  { old: "in vain", say: "name what happens instead" },
  { old: "somebody", say: "a client, an operator, another program, …" },
  { old: "anybody", say: "any client, any program, …" },
  { old: "everybody", say: "every client, every role, …" },
  { old: "whole picture", say: "full stack" },
  { old: "nobody", say: "no process, no buyer, …" },
  { old: "told", say: "says, reports" },
  { old: "beside", say: "next to, with, in addition to" },
  { old: "what is more", say: "also" },
  { old: "makes sure of", say: "ensures" },
  { old: "all the same", say: "nevertheless, still" },
  { old: "is about to", say: "will" },
  { old: "the crowd", say: "clients, buyers" },
];

/** Identifiers that are gone from the source, in addition to the words below. */
export const goneIdentifiers: readonly Gone[] = [
  { old: "RequestJourney", say: "TracedRequest" },
  { old: "OpsJourney", say: "LiveRequest" },
  { old: "Decider", say: "Submitter" },
  { old: "Reach", say: "CliContext" },
  { old: "Bench", say: "VerbContext" },
  { old: "RequestWatch", say: "RequestObserver" },
  { old: "WorkerWatch", say: "WorkerObserver" },
  { old: "KafkaPlace", say: "TopicSpace" },
  { old: "QuotaPlace", say: "QuotaCursor" },
  { old: "FitnessWatch", say: "ServerCheckMonitor" },
  { old: "Visits", say: "Acknowledger" },
  { old: "BookedSoFar", say: "Progress" },
  { old: "BooksReader", say: "LagReader" },
  { old: "LedgerMismatch", say: "the mismatch of Applied, a value" },
  { old: "ShardFigures", say: "ShardLedgerMetrics" },
  { old: "FigureBooks", say: "MetricsLedger" },
  { old: "bookTheRest", say: "applyRest" },
  { old: "whereTheRestBegins", say: "restStart" },
  { old: "whyBooksWentBack", say: "whyLedgerBehind" },
  { old: "keepShard", say: "runShard" },
  { old: "publishBeside", say: "publishStatus" },
  { old: "noteSeen", say: "recordSeen" },
  { old: "noteHead", say: "recordHead" },
  { old: "notedHead", say: "recordedHead" },
  { old: "tellRelay", say: "logRelay" },
  { old: "unwatched", say: "noObserver" },
  { old: "DenoPlaces", say: "DenoContexts" },
  { old: "bookAtOnce", say: "applyAtOnce" },
  { old: "bookByHalves", say: "applyByHalves" },
  { old: "CallerPlace", say: "CallerKeySpace" },
  { old: "noFollowers", say: "noReplicas" },
  { old: "DeploymentWatchParts", say: "DeploymentMonitorParts" },
  { old: "descriptorsBesideRequests", say: "ownDescriptorsMax" },
  { old: "unitsBooked", say: "unitsApplied" },
  { old: "TOLD_DEADLINE_MS", say: "RECORDED_DEADLINE_MS" },
  { old: "noPlace", say: "noSlot" },
  { old: "InventoryFigures", say: "InventoryCounts" },
  { old: "refuseIncompleteBooks", say: "refuseIncompleteLedger" },
  { old: "importSeed", say: "nothing: import --from-seed is gone" },
];

/** Words that the source has got rid of, tests' titles, comments and texts included: add the next ones here. */
export const goneFromSource: readonly Gone[] = [
  { old: "passage", say: "command timings" },
  { old: "journey", say: "request record" },
  { old: "crew", say: "peers" },
  { old: "lane", say: "batcher, shard relay" },
  { old: "follower", say: "replica" },
  { old: "outbox", say: "export queue" },
  { old: "books", say: "ledger, applies" },
  { old: "booked", say: "applied" },
  { old: "booking", say: "applying" },
  { old: "uncounted", say: "suspended" },
  { old: "figure", say: "value, quantity" },
  { old: "visit", say: "acknowledge, acknowledgement" },
  { old: "give_back", say: "return_units" },
  { old: "season", say: "name the scenario" },
  { old: "picture", say: "full stack" },
  { old: "crowd", say: "clients, buyers" },
  { old: "design document", say: "baseline" },
  { old: "first design", say: "baseline" },
  ...plainEnglish,
];

/**
 * Where a word that is gone stays, as it stands there, with the reason. Migrations are left out altogether: a
 * released one is never edited.
 */
const staying: Readonly<Record<string, readonly { readonly text: RegExp; readonly why: string }[]>> = {
  "src/domain/check_result.ts": [{ text: /^ {2}booked: /gm, why: "a promise's name in JSON of doctor" }],
  "src/ledger/postgres/server_checks.ts": [{ text: /promise: "booked"/g, why: "the same name" }],
  "src/cli/verbs/doctor.ts": [
    { text: /promise(?::| =) "booked"/g, why: "the same name" },
    { text: /check: "books"/g, why: "a check's name in the output of doctor" },
  ],
  "src/worker/acknowledger.ts": [{ text: /\bbooked: applied\.seq/g, why: "a log field" }],
  "src/ledger/proof_walk.ts": [
    { text: /(?:"numbers" \| |check: )"figures"/g, why: "a check's name in the output of verify" },
  ],
  "tests/contract/ledger_proof_suite.ts": [{ text: /\^figures /g, why: "the same name" }],
  "tests/contract/ledger_retention_suite.ts": [{ text: /\/figures /g, why: "the same name" }],
  "tests/contract/movement_ranges_test.ts": [{
    text: /"books", "corrections"/g,
    why: "the first migration's name",
  }],
  "tests/backends/rules_backends.ts": [{ text: /"books"/g, why: "a group of alert rules" }],
  "tools/servers/nginx.ts": [{ text: /run as nobody/g, why: "a user of the operating system" }],
};

/** A source file's text without the places where a word stays. */
function withoutStaying({ path, text }: SourceFile): string {
  return (staying[path] ?? []).reduce((rest, stays) => rest.replaceAll(stays.text, ""), text);
}

/** Documents: prose without code, names of tests and links' targets, which follow their own rules. */
function proseOf({ path, text }: SourceFile): string {
  if (!path.endsWith(".md") || path === "CHANGELOG.md" || path === "docs/glossary.md") return "";
  return text
    .replaceAll(/^```[\s\S]*?^```/gm, "")
    .replaceAll(/`[^`]*`/g, "")
    .replaceAll(/“[^”]*”/g, "")
    .replaceAll(/\]\([^)]*\)/g, "]");
}

function found(text: string, words: readonly Gone[], pattern: (old: string) => RegExp): Gone[] {
  return words.filter(({ old }) => pattern(old).test(text));
}

const anyForm = (old: string) => new RegExp(`\\b${old.replaceAll(" ", "\\s+")}(?:s|es|ed|ing)?\\b`, "i");

/** Words in a document that the glossary replaced, and phrases that are not plain English. */
export function goneWords(file: SourceFile): string[] {
  return found(proseOf(file), [...renamedTerms, ...plainEnglish], anyForm)
    .map(({ old, say }) => `${file.path} says '${old}': say ${say}`);
}

/** Identifiers that were renamed, and words that the whole source has got rid of. */
export function goneNames({ path, text }: SourceFile): string[] {
  if (!/\.(?:ts|lua|sql)$/.test(path) || path.startsWith("tests/tidy/words")) return [];
  const prose = path.includes("/sql/migrations/") ? "" : withoutStaying({ path, text });
  const names = path.endsWith(".ts") ? found(text, goneIdentifiers, (old) => new RegExp(`\\b${old}\\b`)) : [];
  return [...names, ...found(prose, goneFromSource, anyForm)]
    .map(({ old, say }) => `${path} has '${old}': say ${say}`);
}

/** Words to say that are no term of the glossary. */
export function unknownTerms(glossary: string): string[] {
  const terms = [...glossary.matchAll(/^\| ([^|]+) \|/gm)].flatMap(([, cell = ""]) =>
    cell.trim().split(", ")
  );
  return renamedTerms.filter(({ say }) => !terms.includes(say)).map(({ say }) =>
    `docs/glossary.md lacks '${say}'`
  );
}

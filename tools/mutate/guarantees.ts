/**
 * For each guarantee: slips that break it, and the tests that then fail. docs/guarantees.md repeats them; a test
 * compares the two, and `deno task mutate --guarantees` plants each slip.
 *
 * @module
 */
import type { Plant } from "../simulate/plants.ts";

/** A line whose change breaks a guarantee. */
export interface Slip {
  readonly path: string;
  /** The line as it is, without the white space around it. It occurs once in the file. */
  readonly before: string;
  readonly after: string;
  /** The test that fails with the slip: its file, and its title. */
  readonly test: { readonly file: string; readonly title: string };
}

/** The proof of one guarantee. */
export interface Proof {
  /** Its name in docs/guarantees.md. */
  readonly guarantee: string;
  readonly slips: readonly Slip[];
  /** Plants of the simulation that break it. */
  readonly plants: readonly Plant[];
}

const storeTests = "tests/contract/store_test.ts";
const ledgerTests = "tests/contract/ledger_test.ts";

/** In the order of docs/guarantees.md. */
export const proofs: readonly Proof[] = [
  {
    guarantee: "No overselling",
    slips: [
      {
        path: "lua/sell.lua",
        before: "if available < lines[i][2] then",
        after: "if available + 1 < lines[i][2] then",
        test: { file: storeTests, title: "takes units until there are too few" },
      },
      {
        path: "lua/return_units.lua",
        before: 'if amount > units then return { "exceeds", sku, units } end',
        after: "",
        test: { file: storeTests, title: "returns give back what was sold, all or part, never more" },
      },
    ],
    plants: ["credit-on-timeout", "compensation-twice", "hold-released-twice"],
  },
  {
    guarantee: "No lost order",
    slips: [
      {
        path: "src/ledger/movements.ts",
        before: 'if (event.seq !== last.seq + 1) return { kind: "gap", found };',
        after: "",
        test: {
          file: ledgerTests,
          title: "a gap in the numbers applies nothing, not even what comes before it",
        },
      },
      {
        path: "src/decide/durable_store.ts",
        before: 'if (result.kind === "decided") await this.watermark.reached(shard, result.head);',
        after: "",
        test: {
          file: "src/decide/durable_store_test.ts",
          title:
            "durable store: no answer before the ledger's commit of the log's head, and none if it hangs",
        },
      },
    ],
    plants: [
      "xadd-last",
      "trim-before-commit",
      "dead-letter-skips-movement",
      "answer-before-wait",
      "stale-end-of-log",
    ],
  },
  {
    guarantee: "Exactly once",
    slips: [
      {
        path: "src/ledger/movements.ts",
        before: "if (event.seq <= cursor.seq) {",
        after: "if (event.seq < cursor.seq) {",
        test: { file: ledgerTests, title: "the same entries again change nothing" },
      },
      {
        path: "lua/sell.lua",
        before: "for i = 1, #past do answer[i] = past[i][ANSWER] end",
        after: "if true then return nil end",
        test: { file: storeTests, title: "gives the same line its first answer again, within a batch too" },
      },
    ],
    plants: ["cursor-outside-transaction", "compensation-twice"],
  },
  {
    guarantee: "No revoked success",
    slips: [
      {
        path: "lua/sell.lua",
        before: "for i = 1, #past do answer[i] = past[i][ANSWER] end",
        after: "for i = 1, #past do answer[i] = past[i][ANSWER] + 1 end",
        test: { file: storeTests, title: "gives the same line its first answer again, within a batch too" },
      },
      {
        path: "src/decide/sold_out_cache.ts",
        before:
          'if (known === undefined || known.kind === "insufficient" && !isFirstAttempt()) return undefined;',
        after: "if (known === undefined) return undefined;",
        test: {
          file: "src/decide/sold_out_cache_test.ts",
          title: "sold-out cache: refuses a declared first attempt only",
        },
      },
    ],
    plants: ["cache-answers-retry", "hold-released-twice"],
  },
  {
    guarantee: "Bounded uncertainty",
    slips: [
      {
        path: "lua/decide.lua",
        before: "reply = command >= now and sell_one(commands, position, pair_of[plain_sales])",
        after: "reply = command + 1 >= now and sell_one(commands, position, pair_of[plain_sales])",
        test: {
          file: "tests/contract/edges_test.ts",
          title: "a command takes effect at its deadline, and not a millisecond later",
        },
      },
      {
        path: "src/decide/waiting.ts",
        before: 'if (!certain && deadlineMs !== undefined) return { kind: "outcome_unknown", deadlineMs };',
        after: "",
        test: {
          file: "src/decide/batcher_test.ts",
          title: "batcher: a lost connection leaves the outcome unknown, a refusal of the server does not",
        },
      },
    ],
    plants: ["credit-on-timeout"],
  },
  {
    guarantee: "No sale from an unverified store",
    slips: [
      {
        path: "lua/decide.lua",
        before: "if not meta[1] or meta[1] ~= server or not meta[13] then",
        after: "if not meta[1] or not meta[13] then",
        test: {
          file: "tests/fault/arming_test.ts",
          title:
            "a Redis that was replaced by its replica, and that by the first server again sells nothing until the worker has verified it",
        },
      },
      {
        path: "lua/arm.lua",
        before: "local unchanged = instance == ARGV[1]",
        after: "local unchanged = true",
        test: { file: storeTests, title: "arms only what is still as it was seen" },
      },
    ],
    plants: [
      "arming-trusts-script-cache",
      "epoch-not-raised",
      "rebuild-without-token",
      "arm-without-chunk-count",
      "rebuild-forgets-second-hold",
      "recovery-leaves-holds-open",
      "topic-vouches-for-store",
    ],
  },
  {
    guarantee: "All or nothing",
    slips: [
      {
        path: "lua/basket.lua",
        before: 'if lines[1][STATE] ~= "held" then return ENDED.confirmed end',
        after: "",
        test: {
          file: storeTests,
          title: "prepared lines hold their units, and a commit sells them as a basket",
        },
      },
      {
        path: "src/ledger/sql/baskets.ts",
        before: 'if (await this.#has(this.#sql.commit_basket, params)) return "committed";',
        after: 'return "committed";',
        test: {
          file: ledgerTests,
          title: "a basket is committed when the ledger has all of its lines, once",
        },
      },
      {
        path: "src/worker/home_decisions.ts",
        before: 'if (row?.state === "accepted" || line?.state === "accepted") return "commit";',
        after: 'if (row?.state === "accepted" || line?.state === "accepted") return "abort";',
        test: {
          file: "tests/fault/basket_servers_test.ts",
          title:
            "baskets on a cluster: a master or PostgreSQL killed between prepare, decision and confirm leaves all or nothing",
        },
      },
    ],
    plants: ["commit-unrecorded", "decision-forgotten", "prepared-hold-lapses", "second-prepare-stays"],
  },
];

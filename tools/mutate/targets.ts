/**
 * The parts that are mutated, and the tests that must find a slip: the fastest first, the others only for what survives.
 *
 * @module
 */

/** Tests that run in one process and end at the first that fails. */
export interface Stage {
  readonly tests: readonly string[];
  /** Only tests whose title matches; all when left out. */
  readonly filter?: string;
  /** Only for slips in these files; for all of the part when left out. */
  readonly files?: RegExp;
}

/** Files with the same nearest tests. */
export interface Target {
  /** Its name, for `--part` and the report. */
  readonly name: string;
  /** Whether a path belongs to it. */
  readonly files: RegExp;
  /** In the order in which they are run. */
  readonly stages: readonly Stage[];
}

// The same script runs on Valkey and is held to the memory store: a slip in Lua needs one server.
const ON_REDIS = "/^(Redis|redis|acknowledge|rebuild|unarmed: (the|another)|docs|a store that is full)/";

/** In this order; the first that fits a path counts. */
export const targets: readonly Target[] = [
  {
    name: "script",
    files: /^lua\/(?!previous\/|probe_writes|rights|inspect)\w+\.lua$/,
    stages: [
      {
        tests: [
          "tests/contract/transcript_test.ts",
          "tests/contract/edges_test.ts",
          "tests/contract/script_steps_test.ts",
          "tests/contract/script_reads_test.ts",
          "tests/contract/acknowledge_test.ts",
          "tests/contract/time_test.ts",
          "tests/contract/unarmed_test.ts",
        ],
        filter: ON_REDIS,
      },
      {
        tests: [
          "tests/contract/store_test.ts",
          "tests/contract/bounds_test.ts",
          "tests/contract/events_test.ts",
          "tests/contract/full_rebuild_test.ts",
        ],
        filter: ON_REDIS,
      },
      {
        tests: ["tests/contract/rights_test.ts", "tests/fault/replicas_test.ts"],
        filter: "/^(rights .redis|replicas: one that acknowledges)/",
        files: /decide|write|acknowledge/,
      },
      { tests: ["tests/contract/replay_test.ts"], filter: "/Redis store .* SQLite/", files: /restore|state/ },
      { tests: ["tests/contract/oracle_clock_test.ts"] },
      { tests: ["tests/contract/oracle_test.ts"], filter: ON_REDIS },
    ],
  },
  {
    name: "batcher",
    files: /^src\/decide\/(batcher|durable_store|sold_out_cache|fan_out)\.ts$/,
    stages: [
      { tests: ["src/decide"] },
      { tests: ["tests/contract/shards_test.ts", "tests/contract/reservation_http_test.ts"] },
    ],
  },
  {
    name: "relay",
    files: /^src\/log\/(relay|topic_fill|topic_history|message)\.ts$/,
    stages: [
      { tests: ["src/log", "tests/contract/events_test.ts"] },
      {
        tests: ["tests/contract/log_test.ts"],
        filter: "/^(Redis|Kafka)/",
      },
    ],
  },
  {
    name: "arming",
    files: /^src\/worker\/(arming|verify|compare_stock|rebuild|compensate|fork|catch_up)\.ts$/,
    stages: [
      {
        tests: [
          "src/worker/arming_test.ts",
          "src/worker/arming_epochs_test.ts",
          "src/worker/arming_refusals_test.ts",
          "src/worker/catch_up_test.ts",
          "src/worker/compare_stock_test.ts",
          "src/worker/fork_test.ts",
          "src/worker/verify_test.ts",
          "src/worker/compensate_test.ts",
          "src/worker/rebuild_test.ts",
          "src/worker/recall_test.ts",
        ],
      },
      {
        tests: [
          "tests/contract/arming_reads_test.ts",
          "tests/contract/full_rebuild_test.ts",
          "src/worker/shard_worker_test.ts",
        ],
      },
      { tests: ["tests/simulate/simulate_test.ts"], filter: "/holds for seed |every invariant holds/" },
      { tests: ["tests/contract/replay_test.ts"], filter: "/Redis store .* SQLite/", files: /rebuild/ },
      { tests: ["tests/fault/went_back_test.ts"] },
    ],
  },
  {
    name: "ledger",
    files:
      /^src\/ledger\/(movements\.ts|sql\/(shard_ledger|apply|apply_batch|apply_steps|baskets|divergence|recalled|recovery|set_aside)\.ts)$/,
    stages: [
      { tests: ["src/ledger", "tests/contract/sqlite_ledger_test.ts"] },
      {
        tests: ["tests/contract/ledger_test.ts", "tests/contract/ledger_refused_test.ts"],
      },
    ],
  },
  {
    name: "ledger-sqlite",
    files: /^src\/ledger\/sqlite\/sql\/(apply|baskets|openings|reads|state)\.sql$/,
    stages: [
      { tests: ["tests/contract/ledgers_agree_test.ts"] },
      { tests: ["tests/contract/sqlite_ledger_test.ts", "tests/contract/movement_ranges_test.ts"] },
      { tests: ["tests/contract/replay_test.ts"], filter: "/memory store .* SQLite/" },
    ],
  },
  {
    name: "ledger-postgres",
    files: /^src\/ledger\/postgres\/sql\/(apply|baskets|cursor|openings|rebuild|recovery)\.sql$/,
    stages: [
      { tests: ["tests/contract/ledgers_agree_test.ts"] },
      {
        tests: [
          "tests/contract/ledger_refused_test.ts",
          "tests/contract/ledger_test.ts",
          "tests/contract/movement_ranges_test.ts",
        ],
      },
      { tests: ["tests/contract/replay_test.ts"], filter: "/memory store .* PostgreSQL/" },
    ],
  },
];

/** The target of a path; undefined when it is not mutated. */
export function targetOf(path: string): Target | undefined {
  return targets.find(({ files }) => files.test(path));
}

/**
 * Which files are mutated, and the tests that must find it: the fastest first, the others only for what survives.
 *
 * @module
 */

/** Files with the same nearest tests. */
export interface Target {
  /** A name, for the report. */
  readonly name: string;
  /** Whether a path belongs to it. */
  readonly files: RegExp;
  /** Sets of test files, in the order in which they are run. */
  readonly stages: readonly (readonly string[])[];
}

/** In this order; the first that fits a path counts. */
export const targets: readonly Target[] = [
  {
    name: "script",
    files: /^lua\/(?!previous\/|probe_writes|rights|inspect|recall)\w+\.lua$/,
    stages: [
      ["tests/contract/edges_test.ts", "tests/contract/script_steps_test.ts"],
      ["tests/contract/store_test.ts", "tests/contract/acknowledge_test.ts", "tests/contract/time_test.ts"],
      ["tests/contract/bounds_test.ts", "tests/contract/events_test.ts", "tests/contract/unarmed_test.ts"],
      ["tests/contract/oracle_clock_test.ts"],
      ["tests/contract/oracle_test.ts", "tests/contract/replay_test.ts"],
    ],
  },
  {
    name: "batcher",
    files: /^src\/decide\/(batcher|durable_store|sold_out_cache|fan_out)\.ts$/,
    stages: [["src/decide"], ["tests/contract/reservation_http_test.ts", "tests/contract/shards_test.ts"]],
  },
  {
    name: "relay",
    files: /^src\/log\/(relay|topic_fill|topic_history|message)\.ts$/,
    stages: [["src/log"], ["tests/contract/log_test.ts"], ["tests/kafka/relay_test.ts"]],
  },
  {
    name: "arming",
    files: /^src\/worker\/(arming|verify|compare_stock|rebuild|compensate|fork|catch_up)\.ts$/,
    stages: [
      ["src/worker"],
      [
        "tests/contract/arming_reads_test.ts",
        "tests/contract/full_rebuild_test.ts",
        "tests/contract/replay_test.ts",
      ],
      ["tests/fault/arming_test.ts", "tests/fault/rebuild_test.ts", "tests/fault/went_back_test.ts"],
    ],
  },
  {
    name: "ledger",
    files:
      /^src\/ledger\/(movements\.ts|sql\/(shard_ledger|apply|apply_steps|divergence)\.ts|sqlite\/sql\/(apply|reads|state)\.sql)$/,
    stages: [
      ["src/ledger", "src/worker", "tests/contract/sqlite_ledger_test.ts"],
      ["tests/contract/ledger_test.ts"],
    ],
  },
  {
    name: "ledger on PostgreSQL",
    files: /^src\/ledger\/postgres\/sql\/(apply|cursor|rebuild)\.sql$/,
    stages: [["tests/contract/ledger_test.ts", "tests/contract/ledger_refused_test.ts"]],
  },
];

/** The target of a path; undefined when it is not mutated. */
export function targetOf(path: string): Target | undefined {
  return targets.find(({ files }) => files.test(path));
}

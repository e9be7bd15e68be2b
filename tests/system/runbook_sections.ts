/** The sections of the runbooks whose commands `runbooks_test.ts` runs: a house rule holds the list to the pages. */
export const runbookSections = {
  ApiAbsent: ["Look first"],
  DeadLetters: ["Look first", "Do"],
  DeductSlow: ["Do"],
  ErrorBudgetBurns: ["Look first", "Do not"],
  LedgerBehind: ["Look first"],
  LedgerDrift: ["Look first", "Do", "Events wait", "Nothing waits", "Numbers are missing"],
  LogLagHigh: ["Look first", "Do"],
  PostgresDiskLow: ["Look first"],
  ReconcileDifference: ["Look first", "Redis was changed", "The ledger was changed", "The log was changed"],
  ReconcileLate: ["Look first", "Do"],
  RedisMemoryHigh: ["Look first", "Do"],
  RequestRateCollapsed: ["Look first"],
  ShardUnarmed: ["Look first", "Numbers are missing"],
  StockLow: ["Look first", "Do"],
  SuccessRateLow: ["Look first"],
  TelemetryDropped: ["Look first"],
  WorkerAbsent: ["Look first", "Do"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** A page with commands. */
export type Runbook = keyof typeof runbookSections;

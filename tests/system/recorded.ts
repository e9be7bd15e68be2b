/**
 * The deployments that a test runs. What their clients call and hear is recorded by the connections themselves, and the
 * first process that ends checks it with the ledger as the witness: a test cannot forget it.
 *
 * @module
 */
import { waitFor } from "../../tools/servers/wait.ts";
import { type LedgerTables, readFolder, readLedger } from "./ledger_audit.ts";
import { HistoryRecorder } from "./recorder.ts";

/** The settings that say which deployment a process belongs to. */
type Settings = Readonly<Record<string, string>>;

/** A ledger that lags has time on a busy machine; a violation stays one. */
const CHECK_DEADLINE_MS = 20_000;

/** Of the test that runs; it fails with the first. */
const failures: unknown[] = [];
/** A benchmark and `deno task stack` are no tests: what loads them is not recorded. */
let isTest = false;

Deno.test.beforeEach(() => {
  isTest = true;
});
// Not where the processes end: an error there hides that of the test's body.
Deno.test.afterEach(() => {
  const [failure] = failures.splice(0);
  if (failure !== undefined) throw failure;
});

/** One namespace in one ledger, and the processes that run on it. */
export class RecordedDeployment {
  static readonly #running: RecordedDeployment[] = [];

  readonly history: HistoryRecorder = new HistoryRecorder();
  readonly #namespace: string;
  readonly #urls: Set<string> = new Set();
  readonly #redisUrls: Set<string> = new Set();
  #databaseUrl = "";
  #folder = "";
  #processes = 0;

  private constructor(namespace: string) {
    this.#namespace = namespace;
  }

  /**
   * The deployment of a process that starts: the one with its ledger or its Redis; else the only one in the namespace,
   * as Redis may be reached through a proxy.
   *
   * @throws {RangeError} when there are several
   */
  static join(env: Settings, url: string): RecordedDeployment {
    const { NAMESPACE: namespace = "", DATABASE_URL = "", REDIS_URL = "", DATA_DIR = "" } = env;
    const running = RecordedDeployment.#running;
    const candidates = running.filter((other) =>
      other.#namespace === namespace && other.#folder === DATA_DIR &&
      (DATABASE_URL === "" || other.#databaseUrl === "" || isSameLedger(other.#databaseUrl, DATABASE_URL))
    );
    const found = candidates.find((other) => DATABASE_URL !== "" && other.#databaseUrl !== "") ??
      candidates.find((other) => other.#redisUrls.has(REDIS_URL)) ?? onlyOne(candidates);
    const joined = found ?? new RecordedDeployment(namespace);
    if (!found) running.push(joined);
    joined.#folder = DATA_DIR;
    joined.#databaseUrl ||= DATABASE_URL;
    joined.#redisUrls.add(REDIS_URL);
    joined.#urls.add(url);
    joined.#processes++;
    return joined;
  }

  /** The history of the deployment whose API listens at a URL. @throws {RangeError} when none does */
  static historyAt(url: string): HistoryRecorder {
    const { host } = new URL(url);
    const found = RecordedDeployment.#running.find((deployment) =>
      deployment.#urls.values().some((other) => new URL(other).host === host)
    );
    if (!found) {
      throw new RangeError(`Cannot record what ${url} answers as no process of a test listens there`);
    }
    return found.history;
  }

  /** A process of it ends: what was recorded since the last check is checked. */
  async leave(): Promise<void> {
    if (isTest && this.history.isOpen) await checkAtEnd(this.history, () => this.#read());
    this.#processes--;
    const index = RecordedDeployment.#running.indexOf(this);
    if (this.#processes === 0 && index >= 0) RecordedDeployment.#running.splice(index, 1);
  }

  #read(): Promise<LedgerTables> {
    if (this.#databaseUrl === "") return readFolder(this.#folder);
    const namespace = this.#namespace || "inventory";
    return readLedger({ databaseUrl: this.#databaseUrl, namespace }, new Map());
  }
}

/** Tests may run several deployments side by side. */
function onlyOne(deployments: readonly RecordedDeployment[]): RecordedDeployment | undefined {
  if (deployments.length < 2) return deployments[0];
  throw new RangeError("Cannot say whose orders a process records: pass 'databaseUrl' to Service.start()");
}

/** Checks a history when the ledger has it. The test that runs fails if a rule is broken. */
export async function checkAtEnd(
  history: HistoryRecorder,
  read: () => Promise<LedgerTables>,
): Promise<void> {
  let tables: LedgerTables | undefined;
  const holds = async () => {
    tables = await read();
    return history.holds(tables);
  };
  try {
    await waitFor(holds, { deadlineMs: CHECK_DEADLINE_MS, what: "a history that holds" }).catch((error) => {
      if (!tables) throw error;
      history.assertHolds(tables);
    });
  } catch (error) {
    failures.push(error);
    history.close();
  }
}

/** Each role has a URL of its own. */
function isSameLedger(one: string, other: string): boolean {
  const [{ host, pathname }, { host: otherHost, pathname: otherPath }] = [new URL(one), new URL(other)];
  return host === otherHost && pathname === otherPath;
}

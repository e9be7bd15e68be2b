/**
 * Keys that are put back to an older state while the server runs. The right to sell comes back with them, so the store
 * sells what is sold already until the worker's next acknowledgement. The loss is bounded by that and counted exactly.
 */
import assert from "node:assert/strict";
import { adjust, decide, deduct } from "../contract/store_suite.ts";
import { startRedis } from "../../tools/servers/redis.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import {
  applied,
  armedAgain,
  type Fixture,
  FIXTURE_OPTIONS as OPTIONS,
  quantities,
  sell,
  startFixture,
  STEP_DEADLINE_MS,
  untilApplied,
} from "./worker_fixture.ts";

const UNITS = 100;
const SOLD_BEFORE = 10;
/** The worker acknowledges to an idle shard every 200 ms. */
const FOUND_MAX_MS = 1000;
/** On a busy machine that is later: one that was on its way, the one that finds it, and one that follows before it is seen. */
const ACKNOWLEDGEMENTS_MAX = 3;

/** Copies and puts back what a shard has. */
interface Method {
  readonly what: string;
  readonly copy: (fixture: Fixture) => Promise<void>;
  readonly putBack: (fixture: Fixture) => Promise<void>;
}

let dumps: (readonly [string, Uint8Array | null])[] = [];

const METHODS: readonly Method[] = [
  {
    what: "by DUMP and RESTORE",
    async copy({ client, keys }) {
      dumps = await Promise.all(keys.map(async (key) => [key, await client.dumpBuffer(key)] as const));
    },
    async putBack({ client, keys }) {
      const all = client.multi().del(...keys);
      for (const [key, dump] of dumps) if (dump) all.restore(key, 0, dump as never);
      await all.exec();
    },
  },
  {
    what: "by COPY with REPLACE",
    async copy({ client, keys }) {
      await Promise.all(keys.map((key) => client.copy(key, `${key}:then`, "REPLACE")));
    },
    async putBack({ client, keys }) {
      const all = client.multi().del(...keys);
      for (const key of keys) all.copy(`${key}:then`, key, "REPLACE");
      await all.exec();
    },
  },
  {
    what: "by DEBUG RELOAD NOSAVE",
    copy: async ({ client }) => void await client.call("SAVE"),
    putBack: async ({ client }) => void await client.call("DEBUG", "RELOAD", "NOSAVE"),
  },
];

/** Stock of 100, 10 sold, copied, the other 90 sold and applied. */
async function sellOut(fixture: Fixture, { copy }: Method): Promise<void> {
  await decide(fixture.under.store, adjust("a", "scarce", UNITS), adjust("b", "plenty", 1000));
  await sell(fixture, "first", "scarce", SOLD_BEFORE, SOLD_BEFORE);
  await untilApplied(fixture, 2 + SOLD_BEFORE);
  await copy(fixture);
  assert.equal(await sell(fixture, "second", "scarce", UNITS - SOLD_BEFORE, 10), UNITS - SOLD_BEFORE);
  await untilApplied(fixture, 2 + UNITS);
}

for (const method of METHODS) {
  Deno.test(
    `keys put back ${method.what} are found within a second, and what was sold meanwhile is counted`,
    OPTIONS,
    async () => {
      await using redis = await startRedis({ args: ["--enable-debug-command", "local"] });
      await using fixture = await startFixture(redis);
      await sellOut(fixture, method);
      await method.putBack(fixture);
      const [startMs, acknowledged] = [performance.now(), fixture.acknowledgements()];
      let again = 0;
      for (let isSelling = true; isSelling && again < 80;) {
        const result = await fixture.under.store.decide(0, [{
          command: deduct(`fork-${again}`, "scarce", 1, `fork-${again}`),
          deadlineMs: 9_000_000_000_000,
        }]);
        isSelling = result.kind === "decided";
        if (isSelling) again++;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      const ms = performance.now() - startMs;
      const acknowledgements = fixture.acknowledgements() - acknowledged;
      assert.ok(
        ms < FOUND_MAX_MS || acknowledgements <= ACKNOWLEDGEMENTS_MAX,
        `sold for ${ms} ms and ${acknowledgements} acknowledgements from keys that were put back`,
      );
      const { fields } = await armedAgain(fixture);
      assert.match(String(fields.rebuilt), /the store went back/);
      assert.equal(fields.lost, again);
      assert.deepEqual(await applied(fixture), { seq: 2 + UNITS + again, sales: UNITS, lost: again });
      assert.equal(await sell(fixture, "third", "scarce", 5, 1), 0, "sold out");
      const [store, ledger] = await quantities(fixture);
      assert.deepEqual(store, ledger);
      assert.ok(
        fixture.lines.some(({ level, message }) =>
          level === "error" && message.startsWith("store went back")
        ),
      );
    },
  );

  for (const [where, plenty] of [["at", 0], ["beyond", 35]] as const) {
    Deno.test(
      `keys put back ${method.what} are found when the head is ${where} the one that was applied`,
      OPTIONS,
      async () => {
        await using redis = await startRedis({ args: ["--enable-debug-command", "local"] });
        await using fixture = await startFixture(redis);
        await sellOut(fixture, method);
        const goOn = fixture.holdAcknowledgements();
        // The next acknowledgement waits with what it has read: this one is in the ledger before the keys go back.
        await method.putBack(fixture);
        const scarce = await sell(fixture, "fork", "scarce", UNITS - SOLD_BEFORE, 9);
        assert.equal(scarce, UNITS - SOLD_BEFORE);
        assert.equal(await sell(fixture, "fork", "plenty", plenty, 7), plenty);
        assert.equal((await fixture.under.control.inspect(0)).position.seq, 2 + UNITS + plenty);
        goOn();
        const { fields } = await armedAgain(fixture);
        const { sales, lost } = await applied(fixture);
        assert.equal(fields.lost, lost);
        assert.equal(
          sales + lost,
          UNITS + scarce + plenty,
          "every accepted order is applied or counted as lost",
        );
        assert.ok(lost >= scarce, `${lost} are lost`);
        assert.equal(await sell(fixture, "third", "scarce", 5, 1), 0, "sold out");
        assert.equal(await sell(fixture, "third", "plenty", 5, 1), 5);
        await waitFor(async () => (await applied(fixture)).sales === sales + 5, {
          deadlineMs: STEP_DEADLINE_MS,
          what: "sales after the rebuild in the ledger",
        });
        const [store, ledger] = await quantities(fixture);
        assert.deepEqual(store, ledger);
      },
    );
  }
}

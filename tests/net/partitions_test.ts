/**
 * A sale at two APIs while the network between the parts is cut: packets are dropped, and no connection is closed.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Fault, isLong, trial } from "../fault/trial.ts";
import type { Host, Network } from "../../tools/servers/network.ts";
import { type Fixture, openFixture } from "./network_fixture.ts";

const SHARDS = 3;
/** A failover takes 3 to 5 s (`cluster-node-timeout` is 2 s): one fault heals before it, one after it. */
const FOR_MS = isLong ? [1_000, 10_000, 60_000] : [6_000];
/** What a failover and the arming of the successor take; a busy machine takes longer. */
const FAILOVER_MAX_MS = 20_000;
/** A request that was on its way times out (1 s), and connections are made again within 5 s. */
const RECONNECTED_MAX_MS = 8_000;

type Links = readonly (readonly [Host, Host])[];

async function cutAll(network: Network, links: Links): Promise<void> {
  for (const [one, other] of links) await network.cut(one, other);
}

/** Cuts and heals again and again, `forMs` in all. */
async function flap(network: Network, links: Links, everyMs: number, forMs: number): Promise<void> {
  for (let ms = 0; ms < forMs; ms += 2 * everyMs) {
    await cutAll(network, links);
    await sleep(everyMs);
    await network.heal();
    await sleep(everyMs);
  }
}

function between(some: readonly Host[], others: readonly Host[]): Links {
  return some.flatMap((one) => others.filter((other) => other !== one).map((other) => [one, other] as const));
}

/** The parts of a fixture by their hosts, with the master of shard 0 as it is now. */
async function hostsOf({ nodes, apis, workers, masterOf, ledger }: Fixture) {
  const index = await masterOf(0);
  const [master, replica] = [nodes[index], nodes[(index + 3) % 6]];
  if (!master || !replica) throw new RangeError(`Cannot find node ${index}`);
  const [apiHosts, workerHosts] = [apis.map(({ host }) => host), workers.map(({ host }) => host)];
  return { index, master, replica, nodes, ledger, apis: apiHosts, workers: workerHosts };
}

/** Strikes each fault in turn; between two of them the cluster is whole. */
async function strikeAll(
  fixture: Fixture,
  faults: (forMs: number) => Promise<Omit<Fault, "forMs" | "heal">[]>,
) {
  await using sale = await fixture.sale();
  for (const forMs of FOR_MS) {
    for (const fault of await faults(forMs)) {
      await fixture.cluster.whole();
      await fixture.untilReplicated(0);
      const what = `${fault.what}, ${forMs / 1000} s`;
      await trial(sale, "Partitions", { ...fault, what, forMs, heal: () => fixture.network.heal() });
    }
  }
}

/** The two other masters sell on while a third is away for `forMs` or a failover, whichever is shorter. */
const THIRD_AWAY = { acceptedMin: 0.3, pauseMaxMs: FAILOVER_MAX_MS };

Deno.test("partitions: masters cut off from their cluster, and halves of it from each other, sell no unit twice", async () => {
  await using fixture = await openFixture({ shards: SHARDS, workers: 2, apis: 2 });
  const { network } = fixture;
  await strikeAll(fixture, () =>
    Promise.resolve([
      {
        what: "a master from its replica and cluster, not from APIs and workers",
        async strike() {
          const { master, nodes } = await hostsOf(fixture);
          await cutAll(network, between([master], nodes));
        },
        ...THIRD_AWAY,
      },
      {
        what: "a master from all but one API",
        async strike() {
          const { master, nodes, workers, apis: [, other], ledger } = await hostsOf(fixture);
          await cutAll(network, between([master], [...nodes, ...workers, ...other ? [other] : [], ledger]));
        },
        ...THIRD_AWAY,
      },
      {
        what: "a master and an API from the rest",
        async strike() {
          const { master, nodes, workers, apis: [one, other], ledger } = await hostsOf(fixture);
          const rest = [
            ...nodes.filter((node) => node !== master),
            ...workers,
            ...other ? [other] : [],
            ledger,
          ];
          await cutAll(network, between([master, ...one ? [one] : []], rest));
        },
        acceptedMin: 0.2,
        pauseMaxMs: FAILOVER_MAX_MS,
      },
      {
        what: "two masters and a replica from one master and two replicas",
        async strike() {
          const { index, master, nodes } = await hostsOf(fixture);
          // The half without a majority has a master, and replicas of the two others.
          const minority = [master, ...[1, 2].map((step) => nodes[(index + step) % 3 + (index < 3 ? 3 : 0)])]
            .filter((node) => node !== undefined);
          await cutAll(network, between(minority, nodes.filter((node) => !minority.includes(node))));
        },
        acceptedMin: 0.2,
        pauseMaxMs: FAILOVER_MAX_MS,
      },
    ]));
});

Deno.test("partitions: APIs and workers cut off from their servers, links that flap, lose and delay packets", async () => {
  await using fixture = await openFixture({ shards: SHARDS, workers: 2, apis: 2 });
  const { network } = fixture;
  await using sale = await fixture.sale();
  const heal = () => network.heal();
  for (const forMs of isLong ? FOR_MS : [3_000]) {
    const { apis, workers: [worker], nodes, ledger } = await hostsOf(fixture);
    if (!worker) throw new RangeError("Cannot cut a worker that is not there");
    const seconds = `, ${forMs / 1000} s`;
    const away = { acceptedMin: 0.05, pauseMaxMs: forMs + RECONNECTED_MAX_MS };
    const group = "Partitions";
    await trial(sale, group, {
      what: `the APIs from Redis${seconds}`,
      strike: () => cutAll(network, between(apis, nodes)),
      ...{ forMs, heal, ...away, acceptedMin: forMs > 5_000 ? 0.005 : away.acceptedMin },
    });
    await trial(sale, group, {
      what: `replies of Redis to the APIs, requests arrive${seconds}`,
      async strike() {
        for (const [api, node] of between(apis, nodes)) await network.cutOneWay(node, api);
      },
      ...{ forMs, heal, ...away, acceptedMin: forMs > 5_000 ? 0.005 : away.acceptedMin },
    });
    const apart = { acceptedMin: 0.4, pauseMaxMs: RECONNECTED_MAX_MS };
    await trial(sale, group, {
      what: `a worker from PostgreSQL${seconds}`,
      strike: () => network.cut(worker, ledger),
      ...{ forMs, heal, ...apart },
    });
    await trial(sale, group, {
      what: `a worker from Redis, not from PostgreSQL${seconds}`,
      strike: () => cutAll(network, between([worker], nodes)),
      ...{ forMs, heal, ...apart },
    });
  }
  const forMs = isLong ? 30_000 : 3_000;
  const { apis, workers, nodes, master } = await hostsOf(fixture);
  await trial(sale, "Flapping links", {
    what: `APIs and Redis, 300 ms off and 300 ms on`,
    strike: () => flap(network, between(apis, nodes), 300, forMs),
    ...{ forMs: 0, acceptedMin: 0.1, pauseMaxMs: forMs + RECONNECTED_MAX_MS },
  });
  await trial(sale, "Flapping links", {
    what: `a master and its cluster, 500 ms off and 500 ms on`,
    strike: () => flap(network, between([master], nodes), 500, forMs),
    ...{ forMs: 0, acceptedMin: 0.3, pauseMaxMs: forMs + FAILOVER_MAX_MS },
  });
  const degrade = async (some: readonly Host[], others: readonly Host[]) => {
    for (const [one, other] of between(some, others)) {
      await network.degrade(one, other, { delayMs: 100, lossPercent: 20 });
    }
  };
  await trial(sale, "Bad links", {
    what: "20 % loss and 200 ms there and back between APIs and Redis",
    strike: () => degrade(apis, nodes),
    ...{ forMs: 2 * forMs, heal, acceptedMin: 0.02, pauseMaxMs: 2 * forMs + RECONNECTED_MAX_MS },
  });
  await trial(sale, "Bad links", {
    what: "20 % loss and 200 ms there and back between workers, Redis and PostgreSQL",
    strike: () => degrade(workers, [...nodes, fixture.ledger]),
    ...{ forMs: 2 * forMs, heal, acceptedMin: 0.3, pauseMaxMs: RECONNECTED_MAX_MS },
  });
});

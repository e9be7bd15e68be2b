import { deepEqual, equal, ok } from "node:assert/strict";
import { ManualWorld, settled } from "../../tests/manual_world.ts";
import { Board, boardBounds, type Snapshot } from "./board.ts";
import type { Progress } from "../ledger/ledger.ts";
import type { ProgressSource } from "./ledger_lag.ts";

const inventory = { waiting: 3, unarmedShards: 1, soldOut: { hits: 5, misses: 7 } };

/** Counts the questions; answers what is set, and never when it is undefined. */
class ScriptedProgress implements ProgressSource {
  asked = 0;
  answer: readonly Progress[] | undefined = [];

  progress(): Promise<readonly Progress[]> {
    this.asked++;
    return this.answer === undefined ? new Promise(() => {}) : Promise.resolve(this.answer);
  }
}

function boardUnderTest() {
  const world = new ManualWorld();
  const ledger = new ScriptedProgress();
  return { world, ledger, board: new Board({ inventory, ledger, shards: 4, world }) };
}

const viewer = { address: "a", token: "t" };

function readerOf(board: Board, who = viewer) {
  const stream = board.open(who);
  if (stream === undefined) throw new Error("Cannot open a stream");
  return stream.getReader();
}

async function next(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Snapshot | undefined> {
  const { value } = await reader.read();
  return value && JSON.parse(new TextDecoder().decode(value).replace(/^data: /, ""));
}

Deno.test("without a viewer: no timer, no question, and the same again when the last one has gone", async () => {
  const { world, ledger, board } = boardUnderTest();
  await world.advance(5000);
  deepEqual([world.timers, ledger.asked, board.isWatched], [0, 0, false]);
  const [one, two] = [readerOf(board), readerOf(board)];
  await world.advance(0);
  await world.advance(3000);
  // One timer and one question a second for all of them.
  deepEqual([world.timers, ledger.asked, board.isWatched], [1, 4, true]);
  await one.cancel();
  ok(board.isWatched);
  await two.cancel();
  await world.advance(3000);
  deepEqual([world.timers, ledger.asked, board.isWatched], [0, 4, false]);
});

Deno.test("the first snapshot comes at once, the next after a second, and says what is known", async () => {
  const { world, ledger, board } = boardUnderTest();
  ledger.answer = [
    { shard: 0, seq: 10, recordedHead: 8, deadLetters: 1 },
    { shard: 1, seq: 5, recordedHead: 9, deadLetters: 2 },
  ];
  const reader = readerOf(board);
  const first = await next(reader);
  deepEqual([first?.log_lag, first?.dead_letters], [null, null]);
  deepEqual([first?.waiting, first?.shards, first?.sold_out_cache], [
    3,
    { total: 4, unarmed: 1 },
    { hits: 5, misses: 7 },
  ]);
  board.lag.saw(0, 16); // sold here, and noted by no worker
  await world.advance(1000);
  const second = await next(reader);
  deepEqual(second?.log_lag, [{ shard: 0, lag: 6 }, { shard: 1, lag: 4 }]);
  equal(second?.dead_letters, 3);
  await reader.cancel();
});

Deno.test("a ledger that does not answer is asked once, and after 5 s its lag is unknown", async () => {
  const { world, ledger, board } = boardUnderTest();
  ledger.answer = [{ shard: 0, seq: 1, recordedHead: 1, deadLetters: 0 }];
  const reader = readerOf(board);
  await world.advance(0);
  ledger.answer = undefined;
  await world.advance(5000);
  equal(ledger.asked, 2);
  equal(board.snapshot().dead_letters, 0);
  await world.advance(1000);
  deepEqual([board.snapshot().log_lag, board.snapshot().dead_letters], [null, null]);
  await reader.cancel();
});

Deno.test("a client that does not read is let go, and the others are not", async () => {
  const { world, board } = boardUnderTest();
  const [deaf, awake] = [readerOf(board), readerOf(board)];
  let heard = 0;
  for (let second = 0; second < 2 * boardBounds.waitingMax; second++) {
    await world.advance(1000);
    if (await next(awake)) heard++;
  }
  equal(heard, 2 * boardBounds.waitingMax);
  let waited = 0;
  while (await next(deaf)) waited++;
  equal(waited, boardBounds.waitingMax);
  await awake.cancel();
});

Deno.test("a stream lasts a minute, so that a socket without a reader does not keep its place", async () => {
  const { world, board } = boardUnderTest();
  const readers = Array.from({ length: boardBounds.streamsMax }, () => readerOf(board));
  const all = () => Promise.all(readers.map(next));
  await all();
  for (let second = 0; second < 59; second++) {
    await world.advance(1000);
    await all(); // what the sockets take, also without a reader
  }
  equal(board.open(viewer), undefined);
  await world.advance(1000);
  deepEqual(await all(), readers.map(() => undefined));
  await readerOf(board).cancel();
});

Deno.test("there are as many streams as may be; a closed board ends them and opens no other", async () => {
  const { world, board } = boardUnderTest();
  const readers = Array.from({ length: boardBounds.streamsMax }, () => readerOf(board));
  equal(board.open(viewer), undefined);
  await readers.pop()?.cancel();
  readers.push(readerOf(board));
  board.close();
  await settled();
  for (const reader of readers) {
    await next(reader);
    equal(await next(reader), undefined);
  }
  deepEqual([world.timers, board.open(viewer)], [0, undefined]);
});

Deno.test("no address and no token can hold all streams: a newcomer gets the oldest of who has the most", async () => {
  const { board } = boardUnderTest();
  const max = boardBounds.streamsMax;
  const hog = Array.from({ length: max }, () => readerOf(board));
  equal(board.open(viewer), undefined, "not for more of the same");
  const others = Array.from({ length: max / 2 }, (_, i) => readerOf(board, { address: "b", token: `t${i}` }));
  equal(board.open({ address: "b", token: "t" }), undefined, "its equal share");
  const ended = await Promise.all(hog.map(async (reader) => {
    await next(reader); // the first snapshot
    return await Promise.race([next(reader).then(() => true), settled().then(() => false)]);
  }));
  deepEqual(ended, hog.map((_, i) => i < max / 2), "the oldest of them");
  // Of many addresses with one token, a newcomer with another token takes one.
  const clients = boardUnderTest().board;
  const readers = Array.from({ length: max }, (_, i) => readerOf(clients, { address: `${i}`, token: "t" }));
  equal(clients.open({ address: "new", token: "t" }), undefined);
  readers.push(readerOf(clients, { address: "new", token: "other" }));
  board.close();
  clients.close();
  for (const reader of [...hog, ...others, ...readers]) await reader.cancel();
});

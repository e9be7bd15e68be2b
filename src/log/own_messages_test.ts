import assert from "node:assert/strict";
import type { EncodedEntry } from "./message.ts";
import { OwnMessages } from "./own_messages.ts";

function encoded(seq: number): EncodedEntry {
  const headers = { schema: "1", deployment: "d" };
  return {
    message: { key: `1-${seq}`, value: `{"seq":${seq}}`, headers },
    entry: { position: { epoch: 1, seq }, events: [] },
  };
}

function record(seq: number) {
  return { offset: seq, ...encoded(seq).message };
}

Deno.test("own messages: records in between and repeated ones do not end the recognition of those that follow", () => {
  const own = new OwnMessages();
  own.remember([1, 2, 3].map(encoded));
  assert.equal(own.entryOf(record(1))?.position.seq, 1);
  own.forget("1-1");
  assert.equal(own.entryOf(record(1)), undefined, "another relay's copy");
  assert.equal(own.entryOf({ ...record(9), key: "strange" }), undefined);
  own.forget("strange");
  assert.equal(own.entryOf({ ...record(2), value: "{}" }), undefined, "the same key with other contents");
  assert.equal(own.entryOf(record(2))?.position.seq, 2);
});

Deno.test("own messages: a message that the topic lost is recognized when it was appended again", () => {
  const own = new OwnMessages();
  own.remember([1, 2].map(encoded)); // 1 was lost, and 2 skipped as it is after a gap
  own.remember([1, 2].map(encoded));
  for (const seq of [1, 2]) {
    assert.equal(own.entryOf(record(seq))?.position.seq, seq);
    own.forget(`1-${seq}`);
  }
});

Deno.test("own messages: what is too much is forgotten, from the start", () => {
  const own = new OwnMessages();
  const seqs = Array.from({ length: 200 }, (_, i) => i + 1);
  own.remember(seqs.map(encoded));
  own.remember(seqs.map((seq) => encoded(seq + 200)));
  assert.equal(own.entryOf(record(200)), undefined);
  assert.equal(own.entryOf(record(201))?.position.seq, 201);
  own.clear();
  assert.equal(own.entryOf(record(201)), undefined);
});

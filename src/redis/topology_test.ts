import assert from "node:assert/strict";
import { parseMoved, parseTopology } from "./topology.ts";

const asked = "redis://shop:secret@10.0.0.1:6379";

const nodes = `\
a 10.0.0.1:6379@16379,redis-1.example myself,master - 0 0 7 connected 0-5459 5461 [5460->-b]
b 10.0.0.2:6379@16379 master - 0 1 2 connected 5460 5462-10922
c 10.0.0.3:6379@16379,redis-3.example slave b 0 1 2 connected
d 10.0.0.4:6379@16379 master,fail - 1 1 3 disconnected 10923-16383
e ::1:6379@16379 slave a 0 1 2 connected
f :0@0 master,noaddr - 1 1 1 disconnected
`;

Deno.test("topology: each slot has the master that claims it, with the epoch of the claim", () => {
  const { claimTo, urls } = parseTopology(nodes, asked);
  assert.deepEqual(claimTo(0), { url: asked, configEpoch: 7 });
  assert.deepEqual(claimTo(5461)?.url, asked, "a range of one");
  assert.equal(claimTo(5460)?.url, "redis://shop:secret@10.0.0.2:6379", "what moves is still its owner's");
  assert.equal(claimTo(16383)?.configEpoch, 3, "a master that has failed still owns its slots");
  assert.equal(claimTo(16384), undefined);
  assert.equal(urls.length, 5, "all but the one without an address");
  assert.ok(urls.includes("redis://shop:secret@[::1]:6379"));
});

Deno.test("topology: with TLS a node is called by its name, which its certificate is made out to", () => {
  const { urls } = parseTopology(nodes, "rediss://10.0.0.1:6379");
  assert.deepEqual(urls.slice(0, 3), [
    "rediss://redis-1.example:6379",
    "rediss://10.0.0.2:6379",
    "rediss://redis-3.example:6379",
  ]);
});

Deno.test("topology: a node that does not know its address is where it was asked", () => {
  const { urls } = parseTopology("a :6379@16379 myself,master - 0 0 1 connected 0-16383", asked);
  assert.deepEqual(urls, [asked]);
});

Deno.test("topology: a redirect leads to another node, or another port of the same host", () => {
  assert.equal(parseMoved("MOVED 3999 10.0.0.2:6380", asked), "redis://shop:secret@10.0.0.2:6380");
  assert.equal(parseMoved("MOVED 3999 :6380", asked), "redis://shop:secret@10.0.0.1:6380");
  assert.equal(parseMoved("MOVED 3999 ?:6380", asked), "redis://shop:secret@10.0.0.1:6380");
  assert.equal(parseMoved("MOVED 3999 ::1:6380", asked), "redis://shop:secret@[::1]:6380");
  assert.equal(parseMoved("ERR unknown command", asked), undefined);
});

import { deepEqual, equal } from "node:assert/strict";
import { bootstrapBrokers } from "./client.ts";

Deno.test("an IPv6 broker has a name without a colon for kafkajs, and its address for the socket", () => {
  const { names, hostOf } = bootstrapBrokers(["kafka-1:9092", "[::1]:19092"]);
  deepEqual(names.map((name) => name.split(":")), [["kafka-1", "9092"], ["bootstrap-1.ipv6", "19092"]]);
  deepEqual(names.map((name) => hostOf(name.split(":")[0] ?? "")), ["kafka-1", "::1"]);
  equal(hostOf("broker-that-metadata-names"), "broker-that-metadata-names");
});

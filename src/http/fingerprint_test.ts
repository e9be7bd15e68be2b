import { equal, match, notEqual } from "node:assert/strict";
import { fingerprint } from "./fingerprint.ts";

const line = { sku: "SKU_1", amount: 1 };

Deno.test("fingerprint() is fourteen base-36 characters and the same in every process", () => {
  match(fingerprint("deduct", "u1", [line]), /^[0-9a-z]{14}$/);
  // Stored beside accepted lines: another value here makes a conflict of every retry across an upgrade.
  equal(fingerprint("deduct", "u1", [line]), "0f7bv4l1ek3ue9");
});

Deno.test("fingerprint() differs when kind, user, SKU, amount or the set of lines differs", () => {
  const all = [
    fingerprint("deduct", "u1", [line]),
    fingerprint("adjust", "u1", [line]),
    fingerprint("deduct", "u2", [line]),
    fingerprint("deduct", "u1", [{ sku: "SKU_2", amount: 1 }]),
    fingerprint("deduct", "u1", [{ sku: "SKU_1", amount: 2 }]),
    fingerprint("deduct", "u1", [{ sku: "SKU_1", amount: -1 }]),
    fingerprint("deduct", "u1", [line, line]),
    fingerprint("deduct", "u1", []),
  ];
  equal(new Set(all).size, all.length);
});

Deno.test("fingerprint() does not depend on the order of the lines", () => {
  const other = { sku: "SKU_2", amount: 3 };
  equal(fingerprint("deduct", "u1", [line, other]), fingerprint("deduct", "u1", [other, line]));
});

Deno.test("fingerprint() does not confuse where one part ends and the next begins", () => {
  notEqual(
    fingerprint("deduct", "u", [{ sku: "1", amount: 11 }]),
    fingerprint("deduct", "u", [{ sku: "11", amount: 1 }]),
  );
  notEqual(
    fingerprint("deduct", "ua", [{ sku: "b", amount: 1 }]),
    fingerprint("deduct", "u", [{ sku: "ab", amount: 1 }]),
  );
});

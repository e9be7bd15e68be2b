import { equal } from "node:assert/strict";
import { clientAddress } from "./client_address.ts";

const connection = { remoteAddr: { hostname: "10.0.0.1" } };

function addressWith(forwarded: string, trustedProxies: number): string {
  return clientAddress(new Headers({ "x-forwarded-for": forwarded }), connection, trustedProxies);
}

Deno.test("without trusted proxies the other end of the connection is the client, whatever it claims", () => {
  equal(addressWith("203.0.113.7", 0), "10.0.0.1");
  equal(clientAddress(new Headers(), connection, 2), "10.0.0.1");
  equal(clientAddress(new Headers(), {}, 0), "");
});

Deno.test("of X-Forwarded-For only what trusted proxies wrote is believed", () => {
  equal(addressWith("203.0.113.7", 1), "203.0.113.7");
  equal(addressWith("6.6.6.6, 203.0.113.7", 1), "203.0.113.7");
  equal(addressWith("6.6.6.6,203.0.113.7 ,10.0.0.9", 2), "203.0.113.7");
  equal(addressWith("203.0.113.7", 2), "203.0.113.7"); // a shorter way than usual
});

Deno.test("an address in X-Forwarded-For may have a port", () => {
  equal(addressWith("203.0.113.7:4711", 1), "203.0.113.7");
  equal(addressWith("[2001:db8::7]:4711", 1), "2001:db8::7");
  equal(addressWith("[2001:db8::7]", 1), "2001:db8::7");
  equal(addressWith("2001:db8::7", 1), "2001:db8::7");
});

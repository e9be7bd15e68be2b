import { deepEqual, equal } from "node:assert/strict";
import { firstBits, isIpv4, parseAddress, parseNetwork } from "./address.ts";

Deno.test("parseAddress() reads IPv4 and IPv6 in all their spellings", () => {
  equal(parseAddress("0.0.0.0"), 0xffff_0000_0000n);
  equal(parseAddress("203.0.113.7"), 0xffff_cb00_7107n);
  equal(parseAddress("::ffff:203.0.113.7"), parseAddress("203.0.113.7"));
  equal(parseAddress("::"), 0n);
  equal(parseAddress("::1"), 1n);
  equal(parseAddress("1::"), 1n << 112n);
  equal(parseAddress("2001:DB8:0:0:0:0:0:7"), parseAddress("2001:db8::7"));
  equal(parseAddress("2001:db8:1:2:3:4:5:6"), 0x2001_0db8_0001_0002_0003_0004_0005_0006n);
  equal(parseAddress("fe80::1%eth0"), parseAddress("fe80::1"));
  equal(parseAddress("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"), (1n << 128n) - 1n);
});

Deno.test("parseAddress() takes nothing else", () => {
  for (const text of ["", "localhost", "1.2.3", "1.2.3.256", "1.2.3.4:80", "[::1]", "::1::", "g::", " ::1"]) {
    equal(parseAddress(text), undefined, text);
  }
});

Deno.test("parseNetwork() reads CIDR, ignores the bits of the host, and takes an address for a network of one", () => {
  deepEqual(parseNetwork("203.0.113.9/24"), { prefix: 0xffff_cb00_71n, bits: 120 });
  deepEqual(parseNetwork("0.0.0.0/0"), { prefix: 0xffffn, bits: 96 });
  deepEqual(parseNetwork("::/0"), { prefix: 0n, bits: 0 });
  deepEqual(parseNetwork("2001:db8::/32"), { prefix: 0x2001_0db8n, bits: 32 });
  deepEqual(parseNetwork("203.0.113.9"), { prefix: 0xffff_cb00_7109n, bits: 128 });
  for (const text of ["", "/8", "1.2.3.4/33", "::/129", "1.2.3.4/", "1.2.3.4/8/8", "1.2.3.4/-1", "a/8"]) {
    equal(parseNetwork(text), undefined, text);
  }
});

Deno.test("an address lies in a network when their first bits are the same", () => {
  const network = parseNetwork("198.51.100.0/23");
  const lies = (text: string) => firstBits(parseAddress(text) ?? -1n, network?.bits ?? 0) === network?.prefix;
  deepEqual(["198.51.100.1", "198.51.101.255", "198.51.102.0", "::ffff:198.51.100.1"].map(lies), [
    true,
    true,
    false,
    true,
  ]);
});

Deno.test("isIpv4() knows IPv4 in both spellings", () => {
  const known = (text: string) => isIpv4(parseAddress(text) ?? 0n);
  deepEqual(["1.2.3.4", "::ffff:1.2.3.4", "::1", "::1:ffff:1.2.3.4"].map(known), [true, true, false, false]);
});

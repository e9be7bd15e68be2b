/**
 * IP addresses as numbers, so that they can be compared with networks and counted.
 *
 * @module
 */
import { isIP } from "node:net";

/** Addresses that begin with the same bits. */
export interface Network {
  /** The common bits, right-aligned. */
  readonly prefix: bigint;
  /** Number of common bits, of 128. */
  readonly bits: number;
}

/** IPv4-mapped IPv6: ::ffff:0:0/96. */
const ipv4Mapped = 0xffffn << 32n;
const ipv4Bits = 32;
const ipv6Bits = 128;

/**
 * An address as 128 bits. IPv4 reads as IPv6 maps it, `::ffff:a.b.c.d`, because a socket that serves both
 * reports it so; a zone (`%eth0`) is left out.
 *
 * @returns undefined unless the text is an address
 */
export function parseAddress(text: string): bigint | undefined {
  switch (isIP(text)) {
    case 4:
      return ipv4Mapped | parseIpv4(text);
    case 6:
      return parseIpv6(text);
    default:
      return undefined;
  }
}

/**
 * A network as CIDR writes it, such as `203.0.113.0/24`; an address alone is a network of one.
 *
 * @returns undefined unless the text is either
 */
export function parseNetwork(text: string): Network | undefined {
  const [host = "", length, ...more] = text.split("/");
  const address = parseAddress(host);
  if (address === undefined || more.length > 0) return undefined;
  const bitsMax = isIP(host) === 4 ? ipv4Bits : ipv6Bits;
  if (length !== undefined && !/^\d{1,3}$/.test(length)) return undefined;
  const ownBits = length === undefined ? bitsMax : Number(length);
  if (ownBits > bitsMax) return undefined;
  const bits = ipv6Bits - bitsMax + ownBits;
  // `::ffff:203.0.113.0/24` counts from the start of 128 bits and would hold all of IPv4: 203.0.113.0/24 is meant.
  if (isIpv4(address) && bits < ipv6Bits - ipv4Bits) return undefined;
  return { prefix: firstBits(address, bits), bits };
}

/** The first bits of an address, right-aligned. */
export function firstBits(address: bigint, bits: number): bigint {
  return address >> BigInt(ipv6Bits - bits);
}

/** Whether an address is IPv4, written either way. */
export function isIpv4(address: bigint): boolean {
  return address >> 32n === 0xffffn;
}

function parseIpv4(text: string): bigint {
  return BigInt(text.split(".").reduce((number, byte) => number * 256 + Number(byte), 0));
}

function parseIpv6(text: string): bigint {
  const [address = ""] = text.split("%");
  const [head = "", tail] = address.split("::");
  const before = groupsOf(head);
  const after = groupsOf(tail ?? "");
  const zeros = new Array<bigint>(8 - before.length - after.length).fill(0n);
  return [...before, ...zeros, ...after].reduce((number, group) => number << 16n | group, 0n);
}

/** Groups of 16 bits; the last two may be written as IPv4. */
function groupsOf(text: string): bigint[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (!group.includes(".")) return [BigInt(`0x${group}`)];
    const number = parseIpv4(group);
    return [number >> 16n, number & 0xffffn];
  });
}

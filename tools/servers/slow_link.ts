/**
 * A link that delays packets and loses some, in user space, because not every kernel has `netem`: it reads packets from a
 * TUN device and writes them to it again, where the kernel forwards them.
 *
 *     nsenter --net=… deno run --allow-ffi tools/servers/slow_link.ts DEVICE DELAY_MS LOSS_PERCENT
 *
 * @module
 */

const PACKET_BYTES_MAX = 65_536;
/** Packets that wait; more are lost, as on a link whose queue is full. */
const PACKETS_MAX = 10_000;
// From <fcntl.h> and <linux/if_tun.h>.
const O_RDWR = 2;
const TUNSETIFF = 0x4004_54ca;
const IFF_TUN = 1;
const IFF_NO_PI = 0x1000;
const IFREQ_BYTES = 40;
const IFNAMSIZ = 16;

const libc = Deno.dlopen("libc.so.6", {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  ioctl: { parameters: ["i32", "u64", "buffer"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize", nonblocking: true },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
}).symbols;

function openDevice(name: string): number {
  const encoder = new TextEncoder();
  const file = libc.open(encoder.encode("/dev/net/tun\0"), O_RDWR);
  const request = new Uint8Array(IFREQ_BYTES);
  request.set(encoder.encode(name).subarray(0, IFNAMSIZ - 1));
  const flags = IFF_TUN | IFF_NO_PI;
  request.set([flags & 0xff, flags >> 8], IFNAMSIZ);
  if (file < 0 || libc.ioctl(file, BigInt(TUNSETIFF), request) < 0) {
    throw new Error(`Cannot open the TUN device ${name}`);
  }
  return file;
}

async function forward(name: string, delayMs: number, lossPercent: number): Promise<void> {
  const file = openDevice(name);
  let waiting = 0;
  // deno-lint-ignore no-console -- who started it waits for this line
  console.log(`${name} forwards`);
  const buffer = new Uint8Array(PACKET_BYTES_MAX);
  for (;;) {
    const size = Number(await libc.read(file, buffer, BigInt(PACKET_BYTES_MAX)));
    if (size <= 0) throw new Error(`Cannot read from the TUN device ${name}`);
    if (Math.random() * 100 < lossPercent || waiting >= PACKETS_MAX) continue;
    const packet = buffer.slice(0, size);
    waiting++;
    setTimeout(() => {
      waiting--;
      libc.write(file, packet, BigInt(size));
    }, delayMs);
  }
}

const [name = "", delayMs, lossPercent] = Deno.args;
await forward(name, Number(delayMs), Number(lossPercent));

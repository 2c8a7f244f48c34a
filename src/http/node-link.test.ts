import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { LINK_SUBPROTOCOL } from "../protocol/frames.ts";
import { pubkeySchema } from "../protocol/primitives.ts";
import type { Transport } from "../protocol/transport.ts";
import { type LinkSocket, linkSockets, upgradeLink } from "./node-link.ts";

const MIB = 1024 * 1024;
const opened = Promise.withResolvers<Transport>();
const closed = Promise.withResolvers<number>();
const server = Bun.serve<LinkSocket>({
  port: 0,
  fetch: (request, own) =>
    upgradeLink(request, own, {
      pubkey: pubkeySchema.parse("2".repeat(64)),
      address: "here",
      known: () => Promise.resolve(),
    }),
  websocket: linkSockets(
    { accept: (_caller, connected) => opened.resolve(connected({ message() {}, closed: closed.resolve })) },
    MIB,
  ),
});

let node: Socket;
beforeAll(() => {
  node = connect(server.port ?? 0, "localhost");
  const upgrade = [
    "GET / HTTP/1.1",
    "Host: localhost",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    `Sec-WebSocket-Protocol: ${LINK_SUBPROTOCOL}`,
  ];
  node.write(`${upgrade.join("\r\n")}\r\n\r\n`);
  // It reads nothing.
  node.pause();
});
afterAll(async () => {
  node.destroy();
  await server.stop(true);
});

test("a node that does not read loses its link, never a single message", async () => {
  const link = await opened.promise;
  const message = "x".repeat(MIB);
  for (let sent = 0; sent < 64 && link.bufferedBytes() <= MIB; sent++) link.send(message);
  link.send("the one that is too much");
  expect(await closed.promise).toBe(1006);
});

// Impostor coordinator: a WebSocket server where a coordinator should be, that cannot prove the key the node pins. A
// right node says hello to it and nothing more.
import { LINK_PATH } from "../../src/daemon/dial-websocket.ts";
import { randomHex } from "../../src/lib/hex.ts";
import { LINK_SUBPROTOCOL, type NodeFrame, parseNodeMessage } from "../../src/protocol/frames.ts";
import { signWelcome } from "../../src/protocol/link-handshake.ts";
import type { Pubkey } from "../../src/protocol/primitives.ts";
import { pubkeyOf } from "../../src/protocol/schnorr.ts";

export type ImpostorCoordinator = {
  url: string;
  /** Its own key: not the one that nodes are told to expect. */
  pubkey: Pubkey;
  /** Frames that nodes sent, in order. */
  received: NodeFrame[];
  /** Links that nodes gave up after its welcome. */
  abandoned(): number;
  close(): void;
};

type Upgrade = { node: Pubkey };

/** `claims`: the key it says it has. Its welcome is signed with a key of its own over a handshake that names `claims`. */
export function startImpostor(claims: Pubkey): ImpostorCoordinator {
  const secretKey = crypto.getRandomValues(new Uint8Array(32));
  const received: NodeFrame[] = [];
  let abandoned = 0;
  const server = Bun.serve<Upgrade>({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request, self) {
      if (new URL(request.url).pathname !== LINK_PATH) return new Response("no", { status: 404 });
      const envelope = Buffer.from(request.headers.get("x-infernet-auth") ?? "", "base64url").toString("utf8");
      const node = (JSON.parse(envelope) as { pubkey: Pubkey }).pubkey;
      const headers = { "sec-websocket-protocol": LINK_SUBPROTOCOL };
      return self.upgrade(request, { data: { node }, headers }) ? undefined : new Response("no", { status: 426 });
    },
    websocket: {
      message(socket, message) {
        const frames = parseNodeMessage(String(message));
        if (!frames.ok) throw new Error(`the node sent what is no frame: ${frames.error}`);
        received.push(...frames.value);
        for (const frame of frames.value) {
          if (frame.type !== "hello") continue;
          const coordinatorNonce = randomHex(16);
          const handshake = {
            coordinator: claims,
            node: socket.data.node,
            nodeNonce: frame.nonce,
            coordinatorNonce,
          };
          const sig = signWelcome(secretKey, handshake);
          socket.send(JSON.stringify([{ type: "welcome", nonce: coordinatorNonce, sig }]));
        }
      },
      close() {
        abandoned++;
      },
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    pubkey: pubkeyOf(secretKey),
    received,
    abandoned: () => abandoned,
    close: () => void server.stop(true),
  };
}

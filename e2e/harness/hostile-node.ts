// Hostile node: the node's end of a link by hand, so that a test can say anything at any time: garbage, frames out of
// order, twice, too large, signed for somebody else. Nothing it sends is checked here.
import { request as httpRequest } from "node:http";
import { text } from "node:stream/consumers";
import { LINK_PATH } from "../../src/daemon/dial-websocket.ts";
import { signHeader } from "../../src/identity/signed-fetch.ts";
import { randomHex } from "../../src/lib/hex.ts";
import {
  type CoordinatorFrame,
  LINK_SUBPROTOCOL,
  type NodeFrame,
  parseCoordinatorMessage,
  type ReadyFrame,
} from "../../src/protocol/frames.ts";
import { type Handshake, signReady, verifyWelcome } from "../../src/protocol/link-handshake.ts";
import type { Pubkey } from "../../src/protocol/primitives.ts";
import { pubkeyOf } from "../../src/protocol/schnorr.ts";
import { type WaitOptions, within } from "./wait-for.ts";

export type HostileOptions = {
  /** The coordinator's base address and key. */
  url: string;
  coordinator: Pubkey;
  /** Left out: a new one. */
  secretKey?: Uint8Array;
  /** Whom the upgrade is signed for, where not the coordinator. */
  audience?: Pubkey;
  /** Milliseconds added to the clock that signs. */
  clockSkewMs?: number;
  /** Sent instead of a fresh X-Infernet-Auth; an earlier one, say. */
  authHeader?: string;
};

type FrameOf<T extends CoordinatorFrame["type"]> = Extract<CoordinatorFrame, { type: T }>;
export type Closed = { code: number; reason: string };

export type HostileNode = {
  pubkey: Pubkey;
  secretKey: Uint8Array;
  /** The header its upgrade was signed with. */
  authHeader: string;
  /** Every frame so far, in order. */
  received: CoordinatorFrame[];
  /** Sends frames in one message. */
  send(...frames: NodeFrame[]): void;
  /** Sends what need not be a message at all. Bytes go as a binary message. */
  sendRaw(message: string | Uint8Array<ArrayBuffer>): void;
  /** The next frame of a type that was not taken by an earlier call; an error where the link closes first. */
  next<T extends CoordinatorFrame["type"]>(type: T, options?: WaitOptions): Promise<FrameOf<T>>;
  /** hello, then checks the coordinator's welcome. */
  hello(): Promise<Handshake>;
  /** A ready frame that would be right, for the test to bend. */
  readyFrame(handshake: Handshake, changes?: Partial<ReadyFrame>): ReadyFrame;
  /** The whole handshake; resolves with the coordinator's answer. */
  join(changes?: Partial<ReadyFrame>): Promise<FrameOf<"admitted">>;
  /** Resolves when the link is closed, by whomever. */
  closed(options?: WaitOptions): Promise<Closed>;
  close(): void;
};

const newSecretKey = () => crypto.getRandomValues(new Uint8Array(32));

/** A fresh X-Infernet-Auth for the link's upgrade. */
export function upgradeHeader(options: HostileOptions & { secretKey: Uint8Array }): string {
  const { secretKey, clockSkewMs = 0 } = options;
  const signer = {
    identity: { secretKey, pubkey: pubkeyOf(secretKey) },
    aud: options.audience ?? options.coordinator,
    clock: { nowMs: () => Date.now() + clockSkewMs },
    random: (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes)),
  };
  return signHeader(signer, "GET", LINK_PATH);
}

/** The answer to an upgrade: 101 where it is taken, else the refusal and its code. */
export async function tryUpgrade(options: HostileOptions): Promise<{ status: number; code: string | null }> {
  const secretKey = options.secretKey ?? newSecretKey();
  const answer = Promise.withResolvers<{ status: number; code: string | null }>();
  const request = httpRequest(new URL(LINK_PATH, options.url), {
    headers: {
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("base64"),
      "sec-websocket-protocol": LINK_SUBPROTOCOL,
      "x-infernet-auth": options.authHeader ?? upgradeHeader({ ...options, secretKey }),
    },
  });
  request.on("upgrade", (_response, socket) => {
    socket.destroy();
    answer.resolve({ status: 101, code: null });
  });
  request.on("response", (response) => {
    const status = response.statusCode ?? 0;
    text(response).then((body) => {
      answer.resolve({ status, code: body.match(/"code":"([^"]*)"/)?.[1] ?? null });
    }, answer.reject);
  });
  request.on("error", answer.reject);
  request.end();
  return within("an answer to the upgrade", answer.promise);
}

/** Dials and resolves once the socket is open. Rejects where the upgrade is refused; tryUpgrade() says why. */
export async function openHostileNode(options: HostileOptions): Promise<HostileNode> {
  const secretKey = options.secretKey ?? newSecretKey();
  const authHeader = options.authHeader ?? upgradeHeader({ ...options, secretKey });
  const address = new URL(LINK_PATH, options.url);
  address.protocol = "ws:";
  const socket = new WebSocket(address.href, {
    protocols: [LINK_SUBPROTOCOL],
    headers: { "x-infernet-auth": authHeader },
  });
  const opened = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<Closed>();
  const received: CoordinatorFrame[] = [];
  const taken = new Set<CoordinatorFrame>();
  const watchers = new Set<() => void>();
  socket.onopen = () => opened.resolve();
  socket.onmessage = (event) => {
    const frames = parseCoordinatorMessage(String(event.data));
    if (!frames.ok) throw new Error(`the coordinator sent what is no frame: ${frames.error}`);
    received.push(...frames.value);
    for (const watcher of watchers) watcher();
  };
  socket.onclose = ({ code, reason }) => {
    opened.reject(new Error(`the upgrade was refused or cut: ${code} ${reason}`));
    ended.resolve({ code, reason });
  };
  const detail = () => `received: ${JSON.stringify(received).slice(-2000)}`;
  await within("the socket to open", opened.promise);

  const self: HostileNode = {
    pubkey: pubkeyOf(secretKey),
    secretKey,
    authHeader,
    received,
    send: (...frames) => socket.send(JSON.stringify(frames)),
    sendRaw: (message) => socket.send(message),
    async next(type, wait = {}) {
      type Wanted = FrameOf<typeof type>;
      const found = Promise.withResolvers<Wanted>();
      const look = () => {
        const frame = received.find((one): one is Wanted => one.type === type && !taken.has(one));
        if (frame) found.resolve(frame);
      };
      watchers.add(look);
      look();
      const cut = ended.promise.then(({ code, reason }) => {
        throw new Error(`the link closed (${code} ${reason}) before a ${type} frame came\n${detail()}`);
      });
      try {
        const frame = await within(`a ${type} frame`, Promise.race([found.promise, cut]), { detail, ...wait });
        taken.add(frame);
        return frame;
      } finally {
        watchers.delete(look);
      }
    },
    async hello() {
      const nodeNonce = randomHex(16);
      self.send({ type: "hello", version: "hostile", nonce: nodeNonce });
      const { nonce, sig } = await self.next("welcome");
      const { coordinator } = options;
      const handshake: Handshake = { coordinator, node: self.pubkey, nodeNonce, coordinatorNonce: nonce };
      if (!verifyWelcome(sig, handshake)) throw new Error("the coordinator's welcome does not verify");
      return handshake;
    },
    readyFrame: (handshake, changes = {}) => ({ ...plainReady(secretKey, handshake), ...changes }),
    async join(changes) {
      self.send(self.readyFrame(await self.hello(), changes));
      return self.next("admitted");
    },
    closed: (wait = {}) => within("the link to be closed", ended.promise, { detail, ...wait }),
    close: () => socket.close(),
  };
  return self;
}

/** A node with one model named "hostile-model" and one slot. */
function plainReady(secretKey: Uint8Array, handshake: Handshake): ReadyFrame {
  return {
    type: "ready",
    sig: signReady(secretKey, handshake),
    name: "hostile",
    device: { os: "linux", arch: "x64", cpu: "none", cores: 1, memory_mib: 1, gpus: [] },
    backends: [{ kind: "openai", continues: false, healthy: true }],
    models: [
      {
        name: "hostile-model",
        context_length: null,
        digest: null,
        loaded: true,
        quantization: null,
        demo: false,
        backend: 0,
      },
    ],
    slots: 1,
    prices: { input: 0, output: 0 },
    attempts: [],
  };
}

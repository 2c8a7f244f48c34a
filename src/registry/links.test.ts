import { expect, test } from "bun:test";
import { manualClock } from "../lib/clock.ts";
import { silentLog } from "../lib/log.ts";
import { ok } from "../lib/result.ts";
import { type CoordinatorFrame, parseCoordinatorMessage, type ReadyFrame } from "../protocol/frames.ts";
import { type Handshake, signReady } from "../protocol/link-handshake.ts";
import { pubkeyOf } from "../protocol/schnorr.ts";
import { CLOSE_PROTOCOL, memoryTransports, type Transport, type TransportEvents } from "../protocol/transport.ts";
import { createLinks, type LinkListener } from "./links.ts";
import { createRegistry } from "./registry.ts";

const coordinatorSecret = new Uint8Array(32).fill(2);
const nodeSecret = new Uint8Array(32).fill(3);
const coordinator = { secretKey: coordinatorSecret, pubkey: pubkeyOf(coordinatorSecret) };
const NODE = pubkeyOf(nodeSecret);
const ATTEMPT = "01a1fdce-c253-748b-98d4-ee89d4ef96ea.1";

/** The node's end by hand. */
async function joined(listener: Partial<LinkListener>) {
  const clock = manualClock();
  const registry = createRegistry({ clock });
  const links = createLinks({
    clock,
    log: silentLog,
    registry,
    listener: {
      ready: () => [],
      accepted() {},
      delta: () => undefined,
      end: () => undefined,
      capacity() {},
      lost() {},
      ...listener,
    },
    commands: { opened() {}, lost() {}, progress() {}, end() {} },
    coordinator,
    version: "test",
    admit: async () => ok({ status: "approved" }),
  });
  const frames: CoordinatorFrame[] = [];
  const closed = Promise.withResolvers<number>();
  let heard = Promise.withResolvers<void>();
  const events: TransportEvents = {
    message(text) {
      const parsed = parseCoordinatorMessage(text);
      if (parsed.ok) frames.push(...parsed.value);
      heard.resolve();
      heard = Promise.withResolvers();
    },
    closed: closed.resolve,
  };
  let node: Transport | undefined;
  links.accept({ pubkey: NODE, address: "here", known: () => Promise.resolve() }, (own) => {
    const [here, there] = memoryTransports(own, events);
    node = there;
    return here;
  });
  const send = (frame: object) => node?.send(JSON.stringify([frame]));
  const next = async <T extends CoordinatorFrame["type"]>(type: T): Promise<Extract<CoordinatorFrame, { type: T }>> => {
    for (;;) {
      const found = frames.find((frame): frame is Extract<CoordinatorFrame, { type: T }> => frame.type === type);
      if (found) return found;
      await heard.promise;
    }
  };
  const nodeNonce = "0".repeat(32);
  send({ type: "hello", version: "test", nonce: nodeNonce });
  const { nonce } = await next("welcome");
  const handshake: Handshake = { coordinator: coordinator.pubkey, node: NODE, nodeNonce, coordinatorNonce: nonce };
  const ready: ReadyFrame = {
    type: "ready",
    sig: signReady(nodeSecret, handshake),
    name: "n",
    device: { os: "", arch: "", cpu: "", cores: 1, memory_mib: 1, gpus: [] },
    backends: [],
    models: [],
    slots: 1,
    prices: { input: 0, output: 0 },
    attempts: [],
  };
  send(ready);
  await next("admitted");
  return { registry, send, next, closed: closed.promise };
}

test("a message that cannot be handled ends its own link, with a reason, and the node counts as lost", async () => {
  let lost = 0;
  const link = await joined({
    delta() {
      throw new RangeError("Maximum call stack size exceeded.");
    },
    lost: () => void lost++,
  });
  link.send({ type: "delta", attempt: ATTEMPT, offset: 0, deltas: [{ content: "x" }] });
  expect(await link.next("error")).toMatchObject({ code: "internal_error" });
  expect(await link.closed).toBe(CLOSE_PROTOCOL);
  expect(lost).toBe(1);
  expect(link.registry.nodes.get(NODE)?.channel).toBeNull();
});

// Links, the coordinator's end: from the signed upgrade over the handshake to the frames of a working node. Decides
// who may speak and in which order; what the frames mean for jobs is decided by the listener.
import type { Clock } from "../lib/clock.ts";
import { randomHex } from "../lib/hex.ts";
import type { Log } from "../lib/log.ts";
import type { Result } from "../lib/result.ts";
import {
  type AdmittedFrame,
  type CoordinatorFrame,
  type DeltaFrame,
  type EndFrame,
  HANDSHAKE_TIMEOUT_MS,
  type NodeFrame,
  parseNodeMessage,
  type ReadyFrame,
} from "../protocol/frames.ts";
import { type Handshake, signWelcome, verifyReady } from "../protocol/link-handshake.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import type { ReceiptKey } from "../protocol/receipt-frames.ts";
import {
  CLOSE_GOING_AWAY,
  CLOSE_NORMAL,
  CLOSE_PROTOCOL,
  CLOSE_TOO_BIG,
  outbox,
  type Transport,
  type TransportEvents,
} from "../protocol/transport.ts";
import type { CommandListener } from "./command-delivery.ts";
import { type Liveness, liveness } from "./liveness.ts";
import type { ReceiptListener } from "./receipt-delivery.ts";
import type { Node, Registry } from "./registry.ts";

/** What working nodes say about jobs. Called in the order of arrival. */
export type LinkListener = {
  /** Which of the attempts the node still keeps go on, and from which delta. */
  ready(node: Node, kept: ReadyFrame["attempts"]): AdmittedFrame["resume"];
  accepted(node: Node, attempt: string): void;
  /** What is wrong with the frame, if anything: the link is then closed. */
  delta(node: Node, frame: DeltaFrame): string | undefined;
  end(node: Node, frame: EndFrame): string | undefined;
  /** Capacity may have appeared: a new node, a changed offer, a pause that ended. */
  capacity(node: Node): void;
  /** The node has no link any more. */
  lost(node: Node): void;
};

export type Admission = { status: "approved" | "pending" };
export type AdmissionRefusal = { code: string; message: string };

/** Who signed the upgrade. */
export type LinkCaller = {
  pubkey: Pubkey;
  address: string;
  /** Called once the key is registered: the upgrade's nonce counts from then on. */
  known: () => Promise<void>;
};

export type LinkDeps = {
  clock: Clock;
  log: Log;
  registry: Registry;
  listener: LinkListener;
  commands: CommandListener;
  /** Where receipts are issued: with which key, and who delivers them. */
  receipts?: { key: ReceiptKey; listener: ReceiptListener };
  coordinator: { secretKey: Uint8Array; pubkey: Pubkey };
  /** Which one it is, where several share that key. */
  replica?: string | null;
  version: string;
  /** Decides about the node in the database: known, let in by its token, pending, refused. */
  admit(request: { pubkey: Pubkey; address: string; ready: ReadyFrame }): Promise<Result<Admission, AdmissionRefusal>>;
};

/** Acknowledgements wait for company so long, or until there are so many. */
const ACKNOWLEDGE_MS = 100;
const ACKNOWLEDGE_AT = 256;
/** A node that has not read this much of what it was sent gets no more work for now … */
const CONGESTED_BYTES = 4 * 1024 * 1024;
/** … until it has; looked at this often. */
const CONGESTED_LOOK_MS = 200;
/** One that is cut off: a largest request on top of what is waiting, and as much again. */
const MAX_BUFFERED_BYTES = 64 * 1024 * 1024;
/** A frame of this size leaves at once, so that what waits is known before the next is sent. */
const LARGE_FRAME_CHARS = 256 * 1024;
/** Anybody can send this: it is not parsed where it cannot be right. A right one has less than 200. */
const MAX_HELLO_CHARS = 4096;

type Open = { node: Node | null; close: (code: number, reason: string) => void };

export type Links = ReturnType<typeof createLinks>;

export function createLinks(deps: LinkDeps) {
  const links = new Map<Pubkey, Open>();
  const alive = liveness(deps);

  return {
    /** Takes on a transport whose upgrade request was signed by `pubkey`. */
    accept(caller: LinkCaller, connect: (events: TransportEvents) => Transport): void {
      acceptLink(deps, links, alive, caller, connect);
    },
    /** Approves a node that is held as pending: it reconnects and is then given work. Ejects likewise. */
    reset(pubkey: Pubkey, reason: string): void {
      links.get(pubkey)?.close(CLOSE_GOING_AWAY, reason);
    },
    close(): void {
      alive.stop();
      for (const link of links.values()) link.close(CLOSE_GOING_AWAY, "coordinator stops");
    },
  };
}

function acceptLink(
  deps: LinkDeps,
  links: Map<Pubkey, Open>,
  alive: Liveness,
  { pubkey, address, known }: LinkCaller,
  connect: (events: TransportEvents) => Transport,
): void {
  const { clock, log, registry, listener, commands, receipts, coordinator } = deps;
  let step: "hello" | "ready" | "admitting" | "pending" | "open" | "refused" | "closed" = "hello";
  let handshake: Handshake | undefined;
  let version: string | null = null;
  const self: Open = {
    node: null,
    close(code, reason) {
      // What was said in this turn, a cancellation say, is heard before the link is gone.
      out.flush();
      transport.close(code, reason);
    },
  };

  const events: TransportEvents = {
    message(text) {
      // What was under way when the link was refused is not heard.
      if (step === "closed" || step === "refused") return;
      try {
        hear(text);
      } catch (error) {
        // JSON too deep to be written again, say. What it left half done is over with the link.
        log.error("a message of a node could not be handled", { node: pubkey, err: error });
        refuse("internal_error", "the coordinator could not handle this message");
      }
    },
    closed(code, reason) {
      if (step === "closed") return;
      step = "closed";
      cancelTimeout();
      if (links.get(pubkey) === self) links.delete(pubkey);
      const node = self.node;
      if (!node || node.channel !== channel) return;
      registry.detach(node, code !== CLOSE_NORMAL && code !== CLOSE_GOING_AWAY);
      log.info("node lost", { node: pubkey, name: node.name, code, reason });
      listener.lost(node);
      commands.lost(node);
      receipts?.listener.lost(node);
    },
  };
  const transport = connect(events);
  const out = outbox(transport);
  const ended: string[] = [];
  let acknowledging = false;
  const sendAcknowledgements = () => {
    acknowledging = false;
    if (ended.length > 0) out.push(`{"type":"ack","attempts":${JSON.stringify(ended.splice(0))}}`);
  };
  const channel = {
    acknowledge(attempt: string) {
      // The node waits for nothing but to forget: no message of its own for each.
      if (ended.push(attempt) >= ACKNOWLEDGE_AT) return sendAcknowledgements();
      if (acknowledging) return;
      acknowledging = true;
      clock.after(ACKNOWLEDGE_MS, sendAcknowledgements);
    },
    send(frameJson: string) {
      if (ended.length > 0) sendAcknowledgements();
      out.push(frameJson);
      if (frameJson.length > LARGE_FRAME_CHARS) out.flush();
      const waiting = transport.bufferedBytes();
      if (waiting > MAX_BUFFERED_BYTES) transport.close(CLOSE_TOO_BIG, "node reads too slowly");
      else if (waiting > CONGESTED_BYTES && self.node && !self.node.congested) congested(self.node);
    },
    ping: (n: number) => channel.send(`{"type":"ping","n":${n}}`),
    close(code: number, reason: string) {
      self.close(code, reason);
      // A peer that is out of reach would never answer the close: this end does not wait for it.
      events.closed(code, reason);
    },
  };
  /** The node is slow to take what it was sent: others come first until it has caught up. */
  const congested = (node: Node) => {
    registry.congest(node, true);
    const look = () => {
      if (node.channel !== channel) return;
      if (transport.bufferedBytes() > CONGESTED_BYTES / 2) {
        clock.after(CONGESTED_LOOK_MS, look);
        return;
      }
      registry.congest(node, false);
      listener.capacity(node);
    };
    clock.after(CONGESTED_LOOK_MS, look);
  };
  const say = (frame: CoordinatorFrame) => channel.send(JSON.stringify(frame));
  const refuse = (code: string, message: string) => {
    if (step === "closed" || step === "refused") return;
    step = "refused";
    log.warn("link refused", { node: pubkey, address, code, message });
    say({ type: "error", code, message });
    out.flush();
    transport.close(CLOSE_PROTOCOL, code);
  };
  const cancelTimeout = clock.after(HANDSHAKE_TIMEOUT_MS, () => {
    if (step !== "open" && step !== "pending") refuse("handshake_timeout", "the handshake took too long");
  });

  const hear = (text: string): void => {
    if (step === "hello" && text.length > MAX_HELLO_CHARS) return refuse("bad_frame", "the hello is too long");
    const frames = parseNodeMessage(text);
    if (!frames.ok) return refuse("bad_frame", frames.error);
    for (const frame of frames.value) {
      const wrong = take(frame);
      if (wrong) return refuse("bad_frame", wrong);
    }
  };

  const take = (frame: NodeFrame): string | undefined => {
    if (step === "open" && self.node) return work(self.node, frame);
    if (step === "hello" && frame.type === "hello") {
      handshake = {
        coordinator: coordinator.pubkey,
        node: pubkey,
        nodeNonce: frame.nonce,
        coordinatorNonce: randomHex(16),
      };
      version = frame.version;
      step = "ready";
      const nonce = handshake.coordinatorNonce;
      const which = deps.replica ? { replica: deps.replica } : {};
      say({ type: "welcome", nonce, sig: signWelcome(coordinator.secretKey, handshake), ...which });
      return undefined;
    }
    if (step === "ready" && frame.type === "ready" && handshake) {
      if (!verifyReady(frame.sig, handshake)) return "the signature in ready does not verify";
      step = "admitting";
      admit(frame).catch((error: unknown) => {
        log.error("admission failed", { node: pubkey, error: String(error) });
        refuse("storage_failed", "the coordinator cannot store the registration now; try again");
      });
      return undefined;
    }
    if (step === "pending" && frame.type === "heartbeat") {
      say({ type: "alive" });
      return undefined;
    }
    return `${frame.type} is not expected here`;
  };

  const noticeOf = ({ notice }: Node) => (notice === null ? {} : { notice });
  let noticed: string | null = null;
  const logNotice = ({ name, notice }: Node) => {
    if (notice !== noticed && notice !== null) log.warn("a node is not used", { node: pubkey, name, reason: notice });
    noticed = notice;
  };

  const work = (node: Node, frame: NodeFrame): string | undefined => {
    node.lastSeenMs = clock.nowMs();
    switch (frame.type) {
      case "delta":
        return listener.delta(node, frame);
      case "end":
        return listener.end(node, frame);
      case "accepted":
        listener.accepted(node, frame.attempt);
        return undefined;
      case "heartbeat":
        registry.heartbeat(node, frame);
        logNotice(node);
        say({ type: "alive", ...noticeOf(node) });
        listener.capacity(node);
        return undefined;
      case "pong":
        alive.pong(node, frame.n);
        return undefined;
      case "command_progress":
        commands.progress(node, frame);
        return undefined;
      case "command_end":
        commands.end(node, frame);
        return undefined;
      case "receipt_head":
        receipts?.listener.head(node, frame);
        return undefined;
      case "receipt_dispute":
        receipts?.listener.dispute(node, frame);
        return undefined;
      default:
        return `${frame.type} is not expected after the handshake`;
    }
  };

  const admit = async (ready: ReadyFrame): Promise<void> => {
    const admission = await deps.admit({ pubkey, address, ready });
    if (admission.ok) await known();
    if (step !== "admitting") return;
    if (!admission.ok) return refuse(admission.error.code, admission.error.message);
    cancelTimeout();
    // A newer link of the same node takes over; what runs there goes on over it.
    const older = links.get(pubkey);
    links.set(pubkey, self);
    if (admission.value.status === "pending") {
      step = "pending";
      say({ type: "admitted", status: "pending", resume: [] });
      log.info("node waits for approval", { node: pubkey, name: ready.name, address });
    } else {
      step = "open";
      const node = registry.attach(pubkey, channel, ready);
      node.version = version;
      self.node = node;
      // Attempts that are lost are given out again at once, but nothing may go out here ahead of `admitted`.
      registry.hold(node, true);
      const resume = listener.ready(node, ready.attempts);
      const issues = receipts === undefined ? {} : { receipts: receipts.key };
      say({ type: "admitted", status: "approved", resume, ...noticeOf(node), ...issues });
      registry.hold(node, false);
      log.info("node joined", {
        node: pubkey,
        name: node.name,
        address,
        models: node.offers.length,
        slots: node.slots,
      });
      logNotice(node);
      listener.capacity(node);
      commands.opened(node);
    }
    older?.close(CLOSE_NORMAL, "replaced by a newer link");
  };
}

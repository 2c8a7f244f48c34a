// Link client: the node's end of a link to one coordinator. Dials, proves itself, checks that the coordinator is the
// pinned one, then takes jobs; dials again for as long as it is not stopped.
import type { Cancel, Clock } from "../lib/clock.ts";
import { randomHex } from "../lib/hex.ts";
import type { Log } from "../lib/log.ts";
import {
  ACCEPT_AFTER_MS,
  type AdmittedFrame,
  type CoordinatorFrame,
  type Device,
  type DispatchFrame,
  HANDSHAKE_TIMEOUT_MS,
  HEARTBEAT_MS,
  type MachineLoad,
  type NodeFrame,
  parseCoordinatorMessage,
  type WelcomeFrame,
} from "../protocol/frames.ts";
import { type Handshake, signReady, verifyWelcome } from "../protocol/link-handshake.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import type { NodeTerms } from "../protocol/terms.ts";
import {
  CLOSE_NORMAL,
  CLOSE_PROTOCOL,
  CLOSE_REFUSED,
  type Dial,
  type Outbox,
  outbox,
  type Transport,
  type TransportEvents,
} from "../protocol/transport.ts";
import { AVAILABLE, type Standing } from "./care/standing.ts";
import type { CommandLink } from "./commands/node-commands.ts";
import { execute, refused } from "./execute.ts";
import {
  type AttemptEnd,
  addCredit,
  type KeptAttempt,
  keptAttempt,
  rewind,
  sendKept,
  wakeIfRoom,
} from "./kept-attempts.ts";
import type { ReceiptLink } from "./receipts/receipt-book.ts";
import type { Serving } from "./serving.ts";
import type { Slots } from "./slots.ts";
import { isNotable } from "./telemetry.ts";

export type LinkClientDeps = {
  clock: Clock;
  log: Log;
  random: () => number;
  identity: { secretKey: Uint8Array; pubkey: Pubkey };
  coordinator: { pubkey: Pubkey; label: string };
  dial: Dial;
  version: string;
  name: string;
  /** Where it stands; left out: it does not say. */
  region?: string;
  /** As far as it is known now. */
  device: () => Device;
  serving: Serving;
  slots: Slots;
  /** What its operator has set; left out: it is not said. */
  terms?: () => NodeTerms;
  /** How busy the machine is; left out, or null: it is not said. */
  machine?: () => MachineLoad | null;
  /** Whether the node takes jobs, asked at each one; left out: always. */
  standing?: () => Standing;
  /** Does what the coordinator asks beside inference; left out: nothing of it. */
  commands?: CommandLink;
  /** Takes the receipts of what was done and vouches for them; left out: for none. */
  receipts?: ReceiptLink;
  /** Sent with `ready` until the node is known there. */
  joinToken?: string;
  /**
   * Called once it is known to which replica of the coordinator a link leads ("" where it is the only one); the result
   * is called at the link's end. Null: another link of this node leads there, and this one is given up.
   */
  reaches?: (replica: string) => Cancel | null;
  /** Called when the link's state changes; the detail says why it is not `approved`, or what is wrong all the same. */
  onStatus?: (status: LinkStatus, detail: string | null) => void;
  /** Called when an attempt has got its slot. */
  onStart?: (attempt: KeptAttempt, model: string) => void;
  /** Called when an attempt has ended here, however it ended. */
  onEnd?: (end: AttemptEnd, attempt: KeptAttempt) => void;
};
/** `refused`: the coordinator said why it does not take this node. It is dialled again all the same. */
export type LinkStatus = "approved" | "pending" | "refused" | "offline";

export type LinkClient = {
  /** Tells the coordinator that what this node serves, or its status, has changed. */
  announce(): void;
  /** The machine's load was looked at: where it changed notably, that is told now. */
  machineLooked(): void;
  /** Ends what runs here as refused, so that the coordinator moves it to another node. */
  handBack(reason: string): void;
  /** Takes no more jobs, lets those there are end within `limitMs`, and hangs up. */
  stop(limitMs: number): Promise<void>;
  readonly running: number;
};

const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 15_000;
/** A link that lasted so long starts again with short waits. */
const STABLE_MS = 10_000;
/** Without an answer to a heartbeat for so long the link counts as dead. */
const ANSWER_MS = HEARTBEAT_MS + 15_000;
/** Output that nobody came back for. */
const ORPHAN_MS = 90_000;

export function linkClient(deps: LinkClientDeps): LinkClient {
  const { clock, log, standing = () => AVAILABLE } = deps;
  const attempts = new Map<string, KeptAttempt>();
  const dirty = new Set<KeptAttempt>();
  let flushing = false;
  let link: OpenLink | null = null;
  let stopping = false;
  let retryMs = FIRST_RETRY_MS;
  let cancelRetry = () => {};
  let cancelOrphans: (() => void) | null = null;
  let idle: (() => void) | null = null;

  const flush = () => {
    flushing = false;
    if (!link?.ready) return;
    for (const attempt of dirty) {
      sendKept(attempt, link.out);
      wakeIfRoom(attempt);
    }
    dirty.clear();
    link.out.flush();
  };
  const changed = (attempt: KeptAttempt) => {
    dirty.add(attempt);
    if (flushing) return;
    flushing = true;
    setImmediate(flush);
  };
  const forget = (attempt: KeptAttempt) => {
    attempts.delete(attempt.id);
    dirty.delete(attempt);
    if (!attempt.end) attempt.abort.abort();
    attempt.room?.resolve();
    if (attempts.size === 0) idle?.();
  };

  const take = (frame: DispatchFrame) => {
    if (attempts.has(frame.attempt)) return;
    const attempt = keptAttempt(frame.attempt);
    attempts.set(attempt.id, attempt);
    const backend = deps.serving.backendOf(frame.model);
    const finish = (end: AttemptEnd) => endAttempt(attempt, end);
    if (stopping) return finish(refused("backend_busy", "this node is shutting down"));
    const { status, reason } = standing();
    if (status !== "available") return finish(refused("backend_busy", reason ?? `this node is ${status}`));
    if (!backend) return finish(refused("model_not_found", `this node does not serve ${frame.model} any more`));
    if (!deps.slots.take()) return finish(refused("backend_busy", "all slots of this node are taken"));
    attempt.takenMs = clock.nowMs();
    deps.onStart?.(attempt, frame.model);
    void execute(backend, frame, attempt, () => changed(attempt), deps.coordinator.pubkey).then((end) => {
      deps.slots.give();
      finish(end);
    });
  };
  /** Once: what was handed back may end a second time, when its backend has let go. */
  const endAttempt = (attempt: KeptAttempt, end: AttemptEnd) => {
    if (attempt.end) return;
    attempt.end = end;
    deps.receipts?.ended(attempt);
    deps.onEnd?.(end, attempt);
    changed(attempt);
  };
  /** Says of what takes its time that it was taken on. */
  const cancelAccepting = clock.every(ACCEPT_AFTER_MS / 2, () => {
    // In the middle of a handshake nothing else may be said.
    if (!link?.ready) return;
    const beforeMs = clock.nowMs() - ACCEPT_AFTER_MS / 2;
    for (const attempt of attempts.values()) {
      if (attempt.accepted || attempt.end || attempt.takenMs > beforeMs) continue;
      attempt.accepted = true;
      if (attempt.sent === 0) link.out.push(`{"type":"accepted","attempt":"${attempt.id}"}`);
    }
  });
  const obey = (frame: CoordinatorFrame, message: string): string | undefined => {
    if (frame.type === "dispatch") {
      if (!attempts.has(frame.attempt)) deps.receipts?.dispatched(frame, message);
      take(frame);
    } else if (frame.type === "ack") for (const id of frame.attempts) withAttempt(id, acknowledged);
    else if (frame.type === "cancel") withAttempt(frame.attempt, cancel);
    else if (frame.type === "credit") {
      withAttempt(frame.attempt, (attempt) => {
        addCredit(attempt, frame.bytes);
        changed(attempt);
      });
    } else if (frame.type === "ping") link?.out.push(`{"type":"pong","n":${frame.n}}`);
    else if (frame.type === "alive") notice(frame.notice ?? null);
    else if (frame.type === "command" || frame.type === "command_cancel" || frame.type === "command_ack")
      deps.commands?.obey(frame);
    else if (frame.type === "receipts") deps.receipts?.receipts(frame);
    else return `${frame.type} is not expected here`;
    return undefined;
  };
  const withAttempt = (id: string, act: (attempt: KeptAttempt) => void) => {
    const attempt = attempts.get(id);
    if (attempt) act(attempt);
  };
  const acknowledged = (attempt: KeptAttempt) => {
    deps.receipts?.acknowledged(attempt.id);
    forget(attempt);
  };
  /** The end goes out when the backend has let go. Output that is still here is of no use to anybody. */
  const cancel = (attempt: KeptAttempt) => {
    deps.receipts?.cancelled(attempt.id);
    attempt.abort.abort();
    dropUnsent(attempt);
  };
  const dropUnsent = (attempt: KeptAttempt) => {
    attempt.room?.resolve();
    attempt.room = null;
    attempt.deltas.length = attempt.sent;
    attempt.backlog = 0;
    // An end that waited for credit has nothing before it any more.
    changed(attempt);
  };

  const admitted = (frame: AdmittedFrame) => {
    admittedMs = clock.nowMs();
    cancelOrphans?.();
    cancelOrphans = null;
    noticed = frame.notice ?? null;
    if (frame.status === "approved") deps.onStatus?.("approved", noticed);
    else deps.onStatus?.("pending", "an admin of the coordinator has to approve this node");
    const resumed = new Map(frame.resume.map((entry) => [entry.attempt, entry.offset]));
    for (const attempt of [...attempts.values()]) {
      const offset = resumed.get(attempt.id);
      if (offset === undefined) forget(attempt);
      else {
        rewind(attempt, offset);
        changed(attempt);
      }
    }
    wasAdmitted = frame.status === "approved";
    if (wasAdmitted) {
      const say = (said: NodeFrame) => link?.out.push(JSON.stringify(said));
      deps.commands?.opened(say);
      deps.receipts?.opened(say, frame.receipts);
    }
    // `ready` does not say it.
    if (standing().status !== "available") link?.heartbeat();
  };
  /** What the coordinator wants this node's operator to know. */
  let noticed: string | null = null;
  const notice = (said: string | null) => {
    if (said === noticed) return;
    noticed = said;
    if (wasAdmitted) deps.onStatus?.("approved", said);
  };
  let wasAdmitted = false;
  /** When the present link was let in; null before. */
  let admittedMs: number | null = null;

  const dial = () => {
    admittedMs = null;
    const opened = openLink(deps, {
      joinToken: wasAdmitted ? undefined : deps.joinToken,
      standing: () => (stopping ? { status: "draining", reason: "this node is shutting down" } : standing()),
      kept: () => [...attempts.values()].map(({ id, deltas }) => ({ attempt: id, offset: deltas.length })),
      admitted,
      obey,
      closed(code, reason, wasRefused) {
        if (link === opened) link = null;
        deps.commands?.closed();
        deps.receipts?.closed();
        deps.onStatus?.(wasRefused ? "refused" : "offline", reason);
        if (stopping) return;
        if (admittedMs !== null && clock.nowMs() - admittedMs > STABLE_MS) retryMs = FIRST_RETRY_MS;
        const waitMs = Math.round(retryMs * (0.5 + deps.random()));
        log.warn("link lost; dialling again", { coordinator: deps.coordinator.label, code, reason, wait_ms: waitMs });
        retryMs = Math.min(LAST_RETRY_MS, retryMs * 2);
        cancelRetry = clock.after(waitMs, dial);
        // Counted from when the coordinator was last there, however often it is dialled in vain.
        cancelOrphans ??= clock.after(ORPHAN_MS, () => {
          cancelOrphans = null;
          for (const attempt of [...attempts.values()]) forget(attempt);
        });
      },
    });
    link = opened;
  };
  dial();

  return {
    get running() {
      return attempts.size;
    },
    announce: () => link?.heartbeat(),
    machineLooked: () => link?.machineLooked(),
    handBack(reason) {
      for (const attempt of attempts.values()) {
        if (attempt.end || attempt.abort.signal.aborted) continue;
        attempt.abort.abort();
        // What is here already is worth sending, as far as it may be sent now.
        if (link?.ready) sendKept(attempt, link.out);
        dropUnsent(attempt);
        endAttempt(attempt, refused("backend_busy", reason));
      }
    },
    async stop(limitMs) {
      stopping = true;
      cancelRetry();
      link?.heartbeat();
      if (attempts.size > 0 && link?.ready) {
        const { promise, resolve } = Promise.withResolvers<void>();
        idle = resolve;
        const cancelLimit = clock.after(limitMs, resolve);
        await promise;
        cancelLimit();
      }
      cancelAccepting();
      cancelOrphans?.();
      for (const attempt of [...attempts.values()]) forget(attempt);
      link?.transport.close(CLOSE_NORMAL, "node stops");
    },
  };
}

type OpenLink = {
  readonly transport: Transport;
  readonly out: Outbox;
  /** Past the handshake. */
  readonly ready: boolean;
  heartbeat(): void;
  machineLooked(): void;
};
type LinkEvents = {
  joinToken: string | undefined;
  standing: () => Standing;
  kept: () => { attempt: string; offset: number }[];
  admitted(frame: AdmittedFrame): void;
  /** `message`: the text that it came in. */
  obey(frame: CoordinatorFrame, message: string): string | undefined;
  closed(code: number, reason: string, refused: boolean): void;
};

/** One connection, from the dial to its end. */
function openLink(deps: LinkClientDeps, on: LinkEvents): OpenLink {
  const { clock, coordinator, identity } = deps;
  const nonce = randomHex(16);
  let step: "welcome" | "admitted" | "open" | "closed" = "welcome";
  let lastHeardMs = clock.nowMs();
  let told = "";
  let toldDevice = "";
  let toldTerms = "";
  let toldMachine: MachineLoad | null = null;

  const events: TransportEvents = {
    message(text) {
      if (step === "closed") return;
      lastHeardMs = clock.nowMs();
      const frames = parseCoordinatorMessage(text);
      if (!frames.ok) return hangUp(frames.error);
      for (const frame of frames.value) {
        const wrong = take(frame, text);
        if (wrong) return hangUp(wrong);
      }
    },
    closed(code, reason) {
      if (step === "closed") return;
      step = "closed";
      cancelTimeout();
      cancelBeat();
      leave?.();
      on.closed(code, because ?? reason, turnedAway || code === CLOSE_REFUSED);
    },
  };
  let because: string | undefined;
  let leave: Cancel | null = null;
  let turnedAway = false;
  const hangUp = (reason: string) => {
    because = reason;
    transport.close(CLOSE_PROTOCOL, reason.slice(0, 120));
    // A peer that is out of reach would never answer the close: this end does not wait for it.
    events.closed(CLOSE_PROTOCOL, reason);
  };
  const take = (frame: CoordinatorFrame, message: string): string | undefined => {
    if (frame.type === "error") {
      turnedAway = true;
      because = `${frame.code}: ${frame.message}`;
      return undefined;
    }
    if (step === "open") return on.obey(frame, message);
    if (step === "welcome" && frame.type === "welcome") return welcome(frame);
    if (step === "admitted" && frame.type === "admitted") {
      step = "open";
      cancelTimeout();
      on.admitted(frame);
      return undefined;
    }
    return `${frame.type} is not expected here`;
  };
  const welcome = (frame: WelcomeFrame): string | undefined => {
    const handshake: Handshake = {
      coordinator: coordinator.pubkey,
      node: identity.pubkey,
      nodeNonce: nonce,
      coordinatorNonce: frame.nonce,
    };
    if (!verifyWelcome(frame.sig, handshake)) {
      return `the coordinator does not hold the key that this node pins (${coordinator.pubkey.slice(0, 16)}…); check its address and key`;
    }
    leave = deps.reaches?.(frame.replica ?? "") ?? null;
    if (deps.reaches && leave === null) {
      return "another link of this node leads to this very coordinator; where several share a key, each needs its own address";
    }
    step = "admitted";
    const serves = deps.serving.now();
    told = JSON.stringify(serves);
    deps.receipts?.announced(serves);
    const device = deps.device();
    toldDevice = JSON.stringify(device);
    const terms = deps.terms?.();
    toldTerms = JSON.stringify(terms ?? null);
    say({
      type: "ready",
      sig: signReady(identity.secretKey, handshake),
      ...(on.joinToken === undefined ? {} : { join_token: on.joinToken }),
      name: deps.name,
      ...(deps.region === undefined ? {} : { region: deps.region }),
      device,
      ...serves,
      ...(terms === undefined ? {} : { terms }),
      attempts: on.kept(),
    });
    return undefined;
  };
  const heartbeat = () => {
    if (step !== "open") return;
    const serves = deps.serving.now();
    const json = JSON.stringify(serves);
    const { status, reason } = on.standing();
    const because = reason === null ? {} : { reason };
    const device = deps.device();
    const deviceJson = JSON.stringify(device);
    const terms = deps.terms?.();
    const termsJson = JSON.stringify(terms ?? null);
    const news = {
      ...(json === told ? {} : { serves }),
      ...(deviceJson === toldDevice ? {} : { device }),
      ...(terms === undefined || termsJson === toldTerms ? {} : { terms }),
    };
    const loads = deps.serving.loads();
    const load = loads.some((one) => one !== null) ? { loads: [...loads] } : {};
    toldMachine = deps.machine?.() ?? null;
    const machine = toldMachine === null ? {} : { machine: toldMachine };
    say({ type: "heartbeat", status, ...because, running: deps.slots.taken, ...load, ...machine, ...news });
    if (json !== told) deps.receipts?.announced(serves);
    told = json;
    toldDevice = deviceJson;
    toldTerms = termsJson;
  };

  const transport = deps.dial(events);
  const out = outbox(transport);
  const say = (frame: NodeFrame) => out.push(JSON.stringify(frame));
  const cancelTimeout = clock.after(HANDSHAKE_TIMEOUT_MS, () => hangUp("the handshake took too long"));
  const cancelBeat = clock.every(HEARTBEAT_MS, () => {
    if (clock.nowMs() - lastHeardMs > ANSWER_MS) hangUp("the coordinator does not answer");
    else heartbeat();
  });
  say({ type: "hello", version: deps.version, nonce });
  return {
    transport,
    out,
    get ready() {
      return step === "open";
    },
    heartbeat,
    machineLooked() {
      if (isNotable(toldMachine, deps.machine?.() ?? null)) heartbeat();
    },
  };
}

// Build the node side: backends, what they serve, and one link for each coordinator.
import { join } from "node:path";
import type { OwnCommands } from "../admin/own-commands.ts";
import type { OwnNode } from "../admin/own-node.ts";
import type { Backend } from "../backends/backend.ts";
import { createBackend } from "../backends/create.ts";
import type { EmbeddedOptions } from "../backends/embedded/embedded.ts";
import { probeBackends } from "../backends/probe.ts";
import type { Config } from "../config.ts";
import { ownCommands } from "../daemon/commands/own-commands.ts";
import { loadMeter } from "../daemon/device/load.ts";
import { deviceOf, freeDiskMib, knownAtOnce, lookAtMachine } from "../daemon/device/machine.ts";
import { type History, openHistory } from "../daemon/history.ts";
import type { AttemptEnd } from "../daemon/kept-attempts.ts";
import { type LinkClient, type LinkStatus, linkClient } from "../daemon/link-client.ts";
import { openPriceMemory } from "../daemon/receipts/price-memory.ts";
import { type ReceiptBook, type ReceiptLink, receiptBook } from "../daemon/receipts/receipt-book.ts";
import { openReceiptFile } from "../daemon/receipts/receipt-file.ts";
import { type Serves, serving } from "../daemon/serving.ts";
import { slots } from "../daemon/slots.ts";
import { telemetry } from "../daemon/telemetry.ts";
import type { Identity } from "../identity/keys.ts";
import { checkCoordinatorUrl } from "../identity/transport-rule.ts";
import type { Cancel, Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Device } from "../protocol/frames.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import type { Dial } from "../protocol/transport.ts";
import type { Settings } from "../settings/settings.ts";
import { versionText } from "../version.ts";
import { backendConfig } from "./backend-config.ts";
import { buildNodeCommands } from "./build-node-commands.ts";
import { modelsDirectory } from "./models-directory.ts";
import { careFor } from "./node-care.ts";
import { nodeTermsOf } from "./node-terms.ts";
import { peerNode } from "./peer-node.ts";
import { StartError, startValue } from "./start-error.ts";

/** One address of a coordinator: replicas have the same key. */
export type Target = { pubkey: Pubkey; label: string; dial: Dial; joinToken?: string };
export type TargetState = {
  label: string;
  state: "connected" | "pending" | "connecting" | "refused";
  /** Why it is not connected, or what the coordinator says is wrong all the same. */
  error: string | null;
};

export type NodeTotals = {
  /** Attempts that ended, by outcome. */
  ended: ReadonlyMap<string, number>;
  promptTokens: number;
  completionTokens: number;
};

export type NodeSide = {
  serves(): Serves;
  running(): number;
  states(): TargetState[];
  /** Since the start. */
  totals(): NodeTotals;
  /** What it did, restarts notwithstanding. */
  history: History;
  device(): Device;
  backends(): { kind: string; url: string | null; healthy: boolean }[];
  /** Held and let go by its operator. */
  own: OwnNode;
  /** What its operator asks of it. */
  commands: OwnCommands;
  /** The configuration was changed in place: what may change while it runs is taken over. */
  configChanged(): void;
  /** Resolves when every coordinator has answered once, well or badly. */
  settled: Promise<void>;
  stop(limitMs: number): Promise<void>;
};

export type NodeSideDeps = {
  config: Config;
  log: Log;
  clock: Clock;
  identity: Identity;
  targets: readonly Target[];
  /** What stands above the configuration. */
  settings: Pick<Settings, "find" | "changeAll">;
  /** The coordinator is this very process. */
  governed?: boolean;
  restart: (() => void) | undefined;
};

/** Asking for GPUs starts other programs, for which the first answer does not wait. */
const LOOK_AFTER_MS = 1_000;

export async function buildNodeSide(deps: NodeSideDeps): Promise<NodeSide> {
  const { config, log, clock, identity, settings, governed = false } = deps;
  const backends = await openBackends(deps);
  const links: LinkClient[] = [];
  const serve = serving(
    {
      clock,
      log,
      backends,
      terms: () => ({
        slots: config.node.slots,
        prices: { input: config.node.price_input, output: config.node.price_output },
        pricePatterns: config.node.prices,
      }),
    },
    () => {
      for (const link of links) link.announce();
    },
  );
  await serve.refresh();
  const taken = slots(() => serve.now().slots);
  let device = deviceOf(knownAtOnce(), null);
  const care = careFor({ config, log, clock, backends, links, running: () => taken.taken });
  const terms = nodeTermsOf({ config, settings, governed });
  const commands = await buildNodeCommands({ ...deps, backends, serving: serve, care, links, terms });
  const telling = telemetry({
    ...{ clock, log, read: loadMeter() },
    looked() {
      for (const link of links) link.machineLooked();
    },
  });
  const books = await openBooks(deps);
  const totals = counting();
  const reached = new Set<string>();
  const states = new Map<Target, TargetState>();
  const isOnline = () => [...states.values()].some(({ state }) => state === "connected");
  const history = openHistory({ clock, log, dataDirectory: config.data_dir, isOnline });
  const settling = deps.targets.map((target) => {
    const answered = Promise.withResolvers<void>();
    states.set(target, { label: target.label, state: "connecting", error: null });
    links.push(
      linkClient({
        clock,
        log,
        random: Math.random,
        identity,
        coordinator: target,
        dial: target.dial,
        version: versionText,
        name: config.node.name,
        ...(config.node.region === null ? {} : { region: config.node.region }),
        device: () => device,
        terms: terms.now,
        machine: telling.now,
        serving: serve,
        slots: taken,
        standing: care.standing,
        commands: commands.link(target.pubkey),
        ...receiptsOf(books, target),
        reaches: (replica) => entered(reached, `${target.pubkey}/${replica}`),
        onStart: (attempt, model) => history.started(attempt, model, target.label),
        onEnd(end, attempt) {
          totals.count(end);
          history.ended(attempt, end);
        },
        ...(target.joinToken === undefined ? {} : { joinToken: target.joinToken }),
        onStatus(status, detail) {
          if (status === "approved") {
            if (detail === null) log.info("linked to a coordinator", { coordinator: target.label });
            else log.warn("linked to a coordinator that has something to say", { coordinator: target.label, detail });
          }
          if (status === "pending") log.warn("held as pending", { coordinator: target.label, detail });
          states.set(target, stateOf(target, status, detail));
          answered.resolve();
        },
      }),
    );
    return answered.promise;
  });
  const look = async () => {
    const [machine, diskFreeMib] = await Promise.all([lookAtMachine(), freeDiskMib(modelsDirectory(config))]);
    if (machine.gpuTrouble !== null) log.warn("a GPU cannot be looked at", { reason: machine.gpuTrouble });
    device = deviceOf(machine, diskFreeMib);
    for (const link of links) link.announce();
  };
  const stopLooking = clock.after(LOOK_AFTER_MS, () => {
    look().catch((error: unknown) => log.warn("this machine's devices cannot be told", { err: error }));
  });
  return {
    serves: () => serve.now(),
    running: () => taken.taken,
    states: () => [...states.values()],
    totals: () => totals.now,
    history,
    device: () => device,
    own: {
      ...care,
      resume() {
        care.resume();
        void commands.undrain();
      },
    },
    commands: ownCommands({ clock, newId: () => Bun.randomUUIDv7(), commands }),
    backends: () =>
      serve.now().backends.map(({ kind, healthy }, i) => ({ kind, url: backends[i]?.url ?? null, healthy })),
    configChanged() {
      serve.termsChanged();
      care.configChanged();
      // Terms may be others though what is served is the same.
      for (const link of links) link.announce();
    },
    settled: Promise.all(settling).then(() => {}),
    async stop(limitMs) {
      stopLooking();
      telling.stop();
      serve.stop();
      care.stop();
      await commands.stop();
      await Promise.all(links.map((link) => link.stop(limitMs)));
      history.stop();
      await Promise.all([...books.values()].map((book) => book.idle()));
      await Promise.all(backends.map((backend) => backend.close()));
    },
  };
}

/** Null where it is in there already; else what takes it out again. */
function entered(all: Set<string>, one: string): Cancel | null {
  if (all.has(one)) return null;
  all.add(one);
  return () => void all.delete(one);
}

/** What is kept of the receipts of each coordinator; its replicas share one book. */
async function openBooks({ config, log, clock, identity, targets }: NodeSideDeps): Promise<Map<Pubkey, ReceiptBook>> {
  const books = new Map<Pubkey, ReceiptBook>();
  for (const target of targets) {
    if (books.has(target.pubkey)) continue;
    const file = await openReceiptFile(config.data_dir, target.pubkey, log);
    const prices = await openPriceMemory({ clock, log }, config.data_dir, target.pubkey);
    books.set(target.pubkey, receiptBook({ clock, log, node: identity, coordinator: target, file, prices }));
  }
  return books;
}

function receiptsOf(books: ReadonlyMap<Pubkey, ReceiptBook>, { pubkey }: Target): { receipts?: ReceiptLink } {
  const book = books.get(pubkey);
  return book ? { receipts: book.link() } : {};
}

function counting(): { now: NodeTotals; count(end: AttemptEnd): void } {
  const ended = new Map<string, number>();
  const now = { ended, promptTokens: 0, completionTokens: 0 };
  return {
    now,
    count({ outcome, usage }) {
      ended.set(outcome, (ended.get(outcome) ?? 0) + 1);
      now.promptTokens += usage?.prompt_tokens ?? 0;
      now.completionTokens += usage?.completion_tokens ?? 0;
    },
  };
}

const STATES = { approved: "connected", pending: "pending", refused: "refused", offline: "connecting" } as const;
const stateOf = ({ label }: Target, status: LinkStatus, error: string | null): TargetState => ({
  label,
  state: STATES[status],
  error,
});

/** The configured backends; else those found on this machine; else the embedded engine. */
async function openBackends({ config, log, clock, identity, targets }: NodeSideDeps): Promise<Backend[]> {
  const embedded: EmbeddedOptions = {
    models: config.engine.models,
    threads: config.engine.threads,
    slots: config.engine.slots,
    fallbackCacheDir: join(config.data_dir, "cache"),
    ...(config.engine.memory_mb === null ? {} : { memoryBytes: config.engine.memory_mb * 1024 * 1024 }),
    ...(config.engine.context_length === null ? {} : { contextLength: config.engine.context_length }),
    onCrash: (message) => log.warn("the embedded engine crashed and is started again", { message }),
  };
  const { backends, probe } = config.node;
  if (backends.length > 0) {
    const notice = (message: string) => log.warn("a backend has something to say", { kind: "infernet", message });
    const coordinators = targets.map(({ pubkey }) => pubkey);
    const peer = peerNode({ clock, identity, config, coordinators, registers: true, notice });
    return backends.map((entry) => {
      const known = backendConfig(entry);
      if (known.kind === "infernet" && known.url)
        startValue(checkCoordinatorUrl(known.url, { insecure: config.node.insecure }));
      const made = createBackend(known, { embedded, peer });
      if (made.ok) return made.value;
      throw new StartError({ code: "backend_invalid", message: made.error, hint: "mend it in [[node.backends]]" });
    });
  }
  // Own GGUF files are served whatever else runs on the machine.
  const found = probe ? (await probeBackends({ embedded })).map((entry) => entry.backend) : [];
  if (found.length > 0 && config.engine.models.length === 0) return found;
  const own = createBackend({ kind: "embedded" }, { embedded });
  if (!own.ok) {
    log.warn("no backend", { reason: own.error });
    return found;
  }
  return [...found.filter((backend) => backend.kind !== "embedded"), own.value];
}

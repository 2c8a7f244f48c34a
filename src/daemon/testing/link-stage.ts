// Link stage: a real node and a real coordinator's end with the real job engine behind it, over a wire that a test can
// watch, cut and mute. One manual clock for all.
import type {
  Backend,
  BackendError,
  BackendModel,
  Emit,
  GenerateEnd,
  GenerateRequest,
} from "../../backends/backend.ts";
import type { TestDatabase } from "../../db/test-database.ts";
import { type Identity, identityOf } from "../../identity/keys.ts";
import type { Job, JobSpec } from "../../jobs/job.ts";
import { NO_LOG, type Recorder, recorder, type Stage, spec, stage } from "../../jobs/testing/stage.ts";
import { fromHex } from "../../lib/hex.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { ReadyFrame } from "../../protocol/frames.ts";
import type { Delta } from "../../protocol/generation.ts";
import type { Prices } from "../../protocol/prices.ts";
import {
  CLOSE_GOING_AWAY,
  type Dial,
  memoryTransports,
  type Transport,
  type TransportEvents,
} from "../../protocol/transport.ts";
import { type CommandDelivery, commandDelivery } from "../../registry/command-delivery.ts";
import { type Admission, type AdmissionRefusal, createLinks, type Links } from "../../registry/links.ts";
import { type LinkClient, type LinkClientDeps, linkClient } from "../link-client.ts";
import { serving } from "../serving.ts";
import { slots } from "../slots.ts";

function identity(secret: string): Identity {
  const made = identityOf(fromHex(secret.padStart(64, "0")));
  if (!made.ok) throw new Error(made.error);
  return made.value;
}
export const COORDINATOR = identity("2");
export const NODE = identity("3");
export const STRANGER = identity("4");

/** One call of generate(), in the test's hands. */
export type Generation = {
  request: GenerateRequest;
  signal: AbortSignal;
  emit: Emit;
  /** Emits text, piece by piece, and gives the promise of the last. */
  say(...texts: string[]): Promise<void> | undefined;
  end(result?: Result<GenerateEnd, BackendError>): void;
};
export const STOPPED: GenerateEnd = {
  finish: [{ index: 0, reason: "stop" }],
  usage: { prompt_tokens: 1, completion_tokens: 1 },
};

/** A backend that answers when the test says so. An aborted generation ends by itself. */
export function scriptedBackend(models: string[] = ["m"]) {
  const generations: Generation[] = [];
  const backend: Backend = {
    kind: "openai",
    url: null,
    continues: false,
    slots: () => 4,
    models: async () => ok(models.map((name): BackendModel => ({ name, ...NO_DETAILS }))),
    generate(request, emit, signal) {
      const { promise, resolve } = Promise.withResolvers<Result<GenerateEnd, BackendError>>();
      signal.addEventListener("abort", () => resolve(err({ code: "aborted", message: "aborted" })));
      const say = (...texts: string[]) => texts.map((content) => emit({ content })).at(-1);
      generations.push({ request, signal, emit, say, end: (result = ok(STOPPED)) => resolve(result) });
      return promise;
    },
    close: async () => {},
  };
  return { backend, generations, models };
}
const NO_DETAILS = { contextLength: null, digest: null, loaded: null, quantization: null, demo: false };

/** The connection as it is now: what went over it, and ways to hurt it. */
export type Wire = {
  /** Every message from the node, in order. */
  fromNode: string[];
  fromCoordinator: string[];
  /** Changes or swallows (null) a message of the node before it arrives. */
  tamper: ((text: string) => string | null) | null;
  muteCoordinator: boolean;
  /** Sends as if it were the node. */
  inject(text: string): void;
  /** Breaks it. */
  cut(): void;
  /** Breaks it so that only the node notices, as after a change of networks. */
  vanish(): void;
  open: boolean;
};

export type LinkStage = Stage & {
  links: Links;
  delivery: CommandDelivery;
  wires: Wire[];
  /** The newest connection. */
  readonly wire: Wire;
  /** Turns of the event loop, with whatever they bring. */
  turns(count?: number): Promise<void>;
  admissions: ReadyFrame[];
  admission: Result<Admission, AdmissionRefusal>;
  /** While false, nobody answers the node's calls. */
  reachable: boolean;
  dials: number[];
  dial: Dial;
  submit(over?: Partial<JobSpec>, output?: Recorder): { job: Job; output: Recorder };
};

export type LinkStageOptions = {
  coordinator?: Identity;
  replica?: string;
  receipts?: NonNullable<Parameters<typeof createLinks>[0]["receipts"]>;
} & Pick<NonNullable<Parameters<typeof stage>[1]>, "clock" | "till" | "onEnd">;

export function linkStage(database: TestDatabase, options: LinkStageOptions = {}): LinkStage {
  const on = stage(database, options);
  const coordinator = options.coordinator ?? COORDINATOR;
  const delivery = commandDelivery({ db: database.db, clock: on.clock, log: NO_LOG });
  const links = createLinks({
    clock: on.clock,
    log: NO_LOG,
    registry: on.registry,
    listener: on.jobs.listener,
    commands: delivery,
    ...(options.receipts ? { receipts: options.receipts } : {}),
    coordinator,
    replica: options.replica ?? null,
    version: "test",
    admit: async ({ ready }) => {
      made.admissions.push(ready);
      return made.admission;
    },
  });
  const made: LinkStage = {
    ...on,
    links,
    delivery,
    wires: [],
    get wire() {
      const wire = this.wires.at(-1);
      if (!wire) throw new Error("nobody has dialled");
      return wire;
    },
    async turns(count = 6) {
      for (let i = 0; i < count; i++) await new Promise<void>((resolve) => setImmediate(resolve));
    },
    admissions: [],
    admission: ok({ status: "approved" }),
    reachable: true,
    dials: [],
    dial: (events) => connect(made, events),
    submit(over = {}, output = recorder()) {
      const submitted = on.jobs.submit(spec(over), output);
      if (!submitted.ok) throw new Error(submitted.error.code);
      return { job: submitted.value, output };
    },
  };
  return made;
}

function connect(on: LinkStage, nodeEvents: TransportEvents): Transport {
  on.dials.push(on.clock.nowMs());
  let coordinatorEvents: TransportEvents | null = null;
  const wire: Wire = {
    fromNode: [],
    fromCoordinator: [],
    tamper: null,
    muteCoordinator: false,
    inject: (text) => coordinatorEvents?.message(text),
    cut: () => nodeEnd.close(CLOSE_GOING_AWAY, "cut"),
    vanish() {
      wire.muteCoordinator = true;
      nodeEvents.closed(CLOSE_GOING_AWAY, "vanished");
    },
    open: true,
  };
  const [nodeEnd, coordinatorEnd] = memoryTransports(
    {
      message(text) {
        if (wire.muteCoordinator) return;
        wire.fromCoordinator.push(text);
        nodeEvents.message(text);
      },
      closed(code, reason) {
        wire.open = false;
        nodeEvents.closed(code, reason);
      },
    },
    {
      message(text) {
        wire.fromNode.push(text);
        const arrives = wire.tamper ? wire.tamper(text) : text;
        if (arrives !== null) coordinatorEvents?.message(arrives);
      },
      closed: (code, reason) => coordinatorEvents?.closed(code, reason),
    },
  );
  on.wires.push(wire);
  if (!on.reachable) queueMicrotask(wire.cut);
  else {
    const known = async () => {};
    on.links.accept({ pubkey: NODE.pubkey, address: "test", known }, (events) => {
      coordinatorEvents = events;
      return coordinatorEnd;
    });
  }
  return nodeEnd;
}

export type TestNode = ReturnType<typeof scriptedBackend> & {
  client: LinkClient;
  states: string[];
  announce(): Promise<void>;
};

/** A node that dials the stage's coordinator. */
export async function testNode(
  on: LinkStage,
  over: Partial<LinkClientDeps> & { slots?: never; limit?: number; prices?: Prices } = {},
): Promise<TestNode> {
  const scripted = scriptedBackend();
  const { limit = 2, prices = { input: 0, output: 0 }, ...deps } = over;
  const serve = serving(
    { clock: on.clock, log: NO_LOG, backends: [scripted.backend], terms: () => ({ slots: limit, prices }) },
    () => client.announce(),
  );
  await serve.refresh();
  const states: string[] = [];
  const client = linkClient({
    clock: on.clock,
    log: NO_LOG,
    random: () => 0.5,
    identity: NODE,
    coordinator: { pubkey: COORDINATOR.pubkey, label: "test" },
    dial: on.dial,
    version: "test",
    name: "node",
    device: () => ({ os: "", arch: "", cpu: "", cores: 1, memory_mib: 1, gpus: [] }),
    serving: serve,
    slots: slots(() => limit),
    onStatus: (status) => states.push(status),
    ...deps,
  });
  await on.turns();
  const announce = async () => {
    await serve.refresh();
    client.announce();
    await on.turns();
  };
  return { ...scripted, client, states, announce };
}

export const plain = (content: string): Delta => ({ content });
/** The frames of some messages, parsed. */
export const framesIn = (messages: readonly string[]): { type: string; attempt?: string; offset?: number }[] =>
  messages.flatMap((message) => JSON.parse(message));

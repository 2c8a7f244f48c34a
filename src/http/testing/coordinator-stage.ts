// Coordinator stage: the real routes on a real server and database, with the job engine on a manual clock and nodes that
// do what a test tells them.
import { createApiKey, type KeyDeps } from "../../accounts/api-keys.ts";
import { openKeyRing } from "../../accounts/key-ring.ts";
import { openOidc } from "../../accounts/oidc.ts";
import { accounts } from "../../accounts/schema.ts";
import { testPeople } from "../../accounts/testing/people.ts";
import { directAdmin } from "../../admin/direct.ts";
import type { DashboardDeps } from "../../dashboard/deps.ts";
import { createLive } from "../../dashboard/live.ts";
import { missingPage } from "../../dashboard/missing.ts";
import { failure } from "../../dashboard/people/entrance.ts";
import { dashboardRoutes } from "../../dashboard/routes.ts";
import { type TestDatabase, testDatabase } from "../../db/test-database.ts";
import { type Identity, identityOf } from "../../identity/keys.ts";
import { MemoryNonces } from "../../identity/nonces.ts";
import { signHeader } from "../../identity/signed-fetch.ts";
import type { KnownKey, VerifyDeps } from "../../identity/verify-request.ts";
import type { OutputLog } from "../../jobs/output-log.ts";
import { type JobRow, jobs as jobRows } from "../../jobs/schema.ts";
import { NO_LOG, SimNode, type Stage, stage, testSecrets } from "../../jobs/testing/stage.ts";
import { systemClock } from "../../lib/clock.ts";
import { fromHex } from "../../lib/hex.ts";
import type { JobId, Pubkey } from "../../protocol/primitives.ts";
import { type CommandDelivery, commandDelivery } from "../../registry/command-delivery.ts";
import { createLinks } from "../../registry/links.ts";
import { createPollers, type Pollers } from "../../registry/pollers.ts";
import { alone } from "../../registry/presence.ts";
import { testSettings } from "../../settings/testing/settings.ts";
import { testArchive } from "../../settlement/testing/test-archive.ts";
import { createStats } from "../../stats/create-stats.ts";
import { coordinatorRoutes } from "../coordinator-routes.ts";
import type { HumanDeps } from "../human/deps.ts";
import { localRoutes } from "../local.ts";
import { type Metrics, metrics } from "../metrics.ts";
import type { ChatStream } from "../openai/chat-output.ts";
import type { HttpRoute } from "../routes.ts";
import { type HttpServer, type ServerDeps, startServer } from "../server.ts";

function identity(secret: string): Identity {
  const made = identityOf(fromHex(secret.padStart(64, "0")));
  if (!made.ok) throw new Error(made.error);
  return made.value;
}
export const COORDINATOR = identity("2");
export const CLIENT = identity("3");
export const PROVIDER = identity("4");
export const STRANGER = identity("5");
const KNOWN = new Map<Pubkey, KnownKey>([
  [CLIENT.pubkey, { status: "approved", role: "client", authV2Seen: true, accountId: "other" }],
  [PROVIDER.pubkey, { status: "approved", role: "provider", authV2Seen: true, accountId: "local" }],
]);
const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));

export type CoordinatorStage = Stage & {
  database: TestDatabase;
  server: HttpServer;
  /** All of them, and those of them that are no pages. */
  routes: readonly HttpRoute[];
  apiRoutes: readonly HttpRoute[];
  dashboard: DashboardDeps;
  /** A key of the built-in account, and one of another account. */
  key: string;
  otherKey: string;
  /** A key of role operator. */
  operatorKey: string;
  /** For keys that may do less. */
  keyDeps: KeyDeps;
  pollers: Pollers;
  delivery: CommandDelivery;
  outputs: Map<JobId, OutputLog>;
  streams: Set<ChatStream>;
  unready: { why: string | null };
  human: HumanDeps;
  node(index: number, options?: ConstructorParameters<typeof SimNode>[2]): SimNode;
  /** A request with the key, unless another authorization is given. */
  call(
    path: string,
    init?: { method?: string; body?: unknown; headers?: Record<string, string>; signal?: AbortSignal },
  ): Promise<Response>;
  /** The header of a signed request. */
  sign(as: Identity, method: string, path: string, body?: string): Record<string, string>;
  [Symbol.asyncDispose](): Promise<void>;
};

export async function coordinatorStage(
  over: Partial<ServerDeps> & {
    requireApiKey?: boolean;
    aliases?: Record<string, string[]>;
    dashboard?: Partial<DashboardDeps>;
  } = {},
): Promise<CoordinatorStage> {
  const database = await testDatabase();
  const { db } = database;
  const outputs = new Map<JobId, OutputLog>();
  const on = stage(database, {
    answerOf: (job) => outputs.get(job.id)?.stored(job) ?? null,
    onEnd(job) {
      stats.jobEnded(job);
      outputs.delete(job.id);
    },
    aliases: over.aliases ?? {},
  });
  const { clock, registry, jobs } = on;
  const stats = createStats({ db, clock, log: NO_LOG, registry, live: () => jobs.live, replica: null });
  const ring = await openKeyRing({ db, clock, hashKey: new Uint8Array(32).fill(1) });
  const other = { id: "other", kind: "user", name: "other", createdMs: 0 } as const;
  await db.writer.transact((tx) => tx.insert(accounts).values(other));
  const keyDeps = { db, ring, clock, random };
  const { token: key } = await createApiKey(keyDeps, { name: "test" });
  const { token: operatorKey } = await createApiKey(keyDeps, { name: "worker", scopes: ["operator"] });
  const { token: otherKey } = await createApiKey(keyDeps, { name: "other", accountId: other.id });
  /** Keys that registered here. */
  const joined = new Map<string, KnownKey>();
  const delivery = commandDelivery({ db, clock, log: NO_LOG });
  const pollers = createPollers({ clock, log: NO_LOG, registry, listener: jobs.listener, commands: delivery });
  const verify: VerifyDeps = {
    clock: systemClock,
    recipient: COORDINATOR.pubkey,
    ownKeys: [COORDINATOR.pubkey],
    keys: { lookup: (pubkey) => KNOWN.get(pubkey) ?? joined.get(pubkey), markV2Seen() {} },
    nonces: new MemoryNonces(systemClock),
    acceptV1: true,
    listeningSinceMs: 0,
  };
  const streams = new Set<ChatStream>();
  const unready: { why: string | null } = { why: null };
  const measured: Metrics = metrics(() => ({
    registry,
    jobs: () => ({ live: jobs.live.size, queued: jobs.queued() }),
    writer: () => db.writer.stats(),
    version: "test",
    nowMs: clock.nowMs,
  }));
  const defaults = { maxTokens: 4096, strategy: "balanced", tokensPerImage: 4096 } as const;
  const webhookKey = (accountId: string) => new Uint8Array(32).fill(accountId.length);
  const people = testPeople({ db, clock });
  const archive = testArchive(db);
  const { settings } = await testSettings({
    db,
    clock,
    written: {
      aliases: over.aliases ?? {},
      coordinator: { require_api_key: over.requireApiKey ?? true, registration: "open" },
    },
  });
  const admin = directAdmin({
    db,
    ring,
    clock,
    random,
    mode: "coordinator",
    version: "test",
    pubkey: COORDINATOR.pubkey,
    joinUrl: "http://127.0.0.1:1",
    webhookKey,
    live: null,
    people,
    archive,
    settings,
  });
  const human: HumanDeps = {
    people,
    oidc: openOidc([]),
    cookies: { tls: false, publicUrl: null },
    sealKey: new Uint8Array(32).fill(4),
    admin,
    coordinator: COORDINATOR.pubkey,
    reloadNode: async () => undefined,
    log: NO_LOG,
    failurePage: (call, words) => failure({ billing: "off" }, call, words),
    onSetUp: () => undefined,
  };
  const chat = { clock, jobs, defaults, streams };
  const jobsHttp = {
    ...{ db, secrets: testSecrets, jobs, defaults, outputs },
    ...{ keepAliveMs: 60_000, webhooks: { allowPrivate: false } },
  };
  const apiRoutes = coordinatorRoutes({
    registry,
    version: "test",
    publicUrl: () => "http://example.test",
    chat,
    jobs: jobsHttp,
    webhookKey,
    metrics: measured,
    unready: () => unready.why,
    polling: {
      db,
      clock,
      pollers,
      delivery,
      nodes: registry.nodes,
      keys: {
        lookup: (pubkey) => KNOWN.get(pubkey) ?? joined.get(pubkey),
        set: (row) => void joined.set(row.pubkey, row),
        reload: async (pubkey) => void joined.delete(pubkey),
      },
      coordinator: COORDINATOR.pubkey,
      registration: "open",
      endLink: (pubkey, reason) => links.reset(pubkey, reason),
      prices: { input: 0, output: 0 },
    },
    human,
    archive,
    payouts: {
      ...{ db, clock, random, payouts: null, coordinator: COORDINATOR.pubkey },
      ...{ receiptKey: archive.key, billing: "off" },
    },
    funding: null,
    local: localRoutes(admin),
  });
  const live = createLive({ clock: systemClock, log: NO_LOG });
  const dashboard: DashboardDeps = {
    ...{ db, clock, log: NO_LOG, people, human, admin, registry, jobs, delivery, stats, live, chat, jobsHttp, archive },
    presence: alone(),
    ...{ funding: null, billing: "off", feeBps: 1_200, mode: "coordinator", version: "test" },
    ...{
      coordinator: COORDINATOR.pubkey,
      publicUrl: () => "http://example.test",
      queueLimit: () => 8,
      isPublic: () => true,
    },
    ...{ startedMs: clock.nowMs(), registration: "token", apiRoutes: () => apiRoutes },
    ...over.dashboard,
  };
  const routes = [...apiRoutes, ...dashboardRoutes(dashboard)];
  const links = createLinks({
    clock,
    log: NO_LOG,
    registry,
    listener: jobs.listener,
    commands: delivery,
    coordinator: COORDINATOR,
    version: "test",
    admit: async () => ({ ok: true, value: { status: "approved" } }),
  });
  const { requireApiKey = true, aliases: _aliases, dashboard: _dashboard, ...serverOver } = over;
  const server = startServer({
    log: NO_LOG,
    host: "127.0.0.1",
    port: 0,
    tls: null,
    hosts: { allowedHosts: [], publicUrl: null },
    corsOrigins: ["https://app.example"],
    maxBodyBytes: 2 * 1024 * 1024,
    idleTimeoutS: 30,
    routes,
    clientAuth: { ring, verify, requireApiKey, maxHops: 3, fairByAccount: false },
    humanAuth: human,
    verify,
    links,
    missing: missingPage(dashboard),
    ...serverOver,
  });
  return {
    ...on,
    database,
    server,
    routes,
    apiRoutes,
    dashboard,
    key,
    otherKey,
    operatorKey,
    keyDeps,
    pollers,
    delivery,
    outputs,
    streams,
    unready,
    human,
    node: (index, options) => new SimNode(on, index, options).join(),
    call(path, { method, body, headers = {}, signal } = {}) {
      const text = body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body);
      return fetch(server.url + path, {
        method: method ?? (text === null ? "GET" : "POST"),
        body: text,
        headers: { authorization: `Bearer ${key}`, ...headers },
        ...(signal ? { signal } : {}),
      });
    },
    sign: (as, method, path, body = "") => ({
      "x-infernet-auth": signHeader(
        { identity: as, aud: COORDINATOR.pubkey, clock: systemClock, random },
        method,
        path,
        body,
      ),
    }),
    async [Symbol.asyncDispose]() {
      live.close();
      await stats.stop();
      links.close();
      pollers.close();
      await server.stop();
      await ring.close();
      await database[Symbol.asyncDispose]();
    },
  };
}

/** Resolves when `holds` does, after as many turns of the event loop as that takes. */
export async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 100_000; i++) {
    if (holds()) return;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  throw new Error("it never came to that");
}

/** The events of a stream, up to its end: `id` and `data` (parsed, or as it is where it is no JSON). */
export async function eventsOf(response: Response): Promise<{ id: string | null; data: unknown }[]> {
  return eventsIn(await response.text());
}
export function eventsIn(text: string): { id: string | null; data: unknown }[] {
  return text.split("\n\n").flatMap((event) => {
    const lines = event.split("\n");
    const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? null;
    const data = field("data");
    if (data === null) return [];
    return [{ id: field("id"), data: data.startsWith("{") ? JSON.parse(data) : data }];
  });
}

/** A job that ended long ago, in the database only. */
export async function storedJob({ database: { db } }: CoordinatorStage, over: Partial<JobRow> = {}): Promise<string> {
  const row = {
    id: Bun.randomUUIDv7(),
    accountId: "local",
    kind: "async",
    model: "m",
    state: "completed",
    stream: false,
    createdMs: 1,
    endedMs: 2,
    ...over,
  } as const;
  await db.writer.transact((tx) => tx.insert(jobRows).values(row));
  return row.id;
}

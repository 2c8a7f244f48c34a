// Build the coordinator: makes every dependency once, takes up what an earlier process left, and listens.
import { findApiKey } from "../accounts/api-keys.ts";
import { modelRule } from "../accounts/key-rights.ts";
import { directAdmin } from "../admin/direct.ts";
import type { OwnNode } from "../admin/own-node.ts";
import { type Config, configGround, type Source } from "../config.ts";
import type { Caller } from "../http/client-auth.ts";
import { coordinatorRoutes } from "../http/coordinator-routes.ts";
import { localRoutes } from "../http/local.ts";
import { type Metrics, metrics } from "../http/metrics.ts";
import type { ChatStream } from "../http/openai/chat-output.ts";
import { chatRequestSchema, check, parseJson } from "../http/openai/chat-request.ts";
import { jobSpec } from "../http/openai/job-spec.ts";
import { type HttpServer, startServer } from "../http/server.ts";
import { MemoryNonces } from "../identity/nonces.ts";
import type { VerifyDeps } from "../identity/verify-request.ts";
import { affinityIndex } from "../jobs/affinity.ts";
import type { Job } from "../jobs/job.ts";
import { createJobs, type Jobs } from "../jobs/jobs.ts";
import { type OutputLog, outputLog } from "../jobs/output-log.ts";
import { failInterruptedChats, failUnreadable, jobRecords, unfinishedJobs } from "../jobs/records.ts";
import type { JobRow } from "../jobs/schema.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log, LogLevel } from "../lib/log.ts";
import { type JobId, type Pubkey, pubkeySchema } from "../protocol/primitives.ts";
import { markOf } from "../protocol/trail.ts";
import { commandDelivery } from "../registry/command-delivery.ts";
import { createLinks, type Links } from "../registry/links.ts";
import { createPollers } from "../registry/pollers.ts";
import { alone, createPresence, type Presence } from "../registry/presence.ts";
import { regionName } from "../registry/region.ts";
import { createRegistry, type Registry } from "../registry/registry.ts";
import { databaseStore } from "../settings/database-store.ts";
import { openSettings, type Settings } from "../settings/settings.ts";
import type { Funding } from "../settlement/funding.ts";
import { createStats } from "../stats/create-stats.ts";
import { type Figures, readFigures } from "../stats/now.ts";
import { versionText } from "../version.ts";
import { joinUrl } from "./addresses.ts";
import { admitNode } from "./admission.ts";
import { openBilling, receiptArchive } from "./billing.ts";
import { type CoordinatorData, localApiKey, openCoordinatorData } from "./coordinator-data.ts";
import { buildDashboard } from "./dashboard.ts";
import { followChanges } from "./follow-changes.ts";
import { buildFunding } from "./funding.ts";
import { keepHouse } from "./housekeeping.ts";
import { type LiveKeys, loadKeys } from "./key-directory.ts";
import { defaultsOf, followSettings, leastPrices, limitsOf, priceBounds } from "./live-rules.ts";
import { onChainOf, openChain } from "./open-chain.ts";
import { type Instance, randomBytes } from "./open-instance.ts";
import { startPayouts } from "./payouts.ts";
import { buildPeople, forgetWhatIsOver, humanDeps, setupLinkAtStart } from "./people.ts";
import { serverConfig } from "./server-config.ts";
import { buildUpdates } from "./updates.ts";
import { startWebhooks, webhookRule } from "./webhooks.ts";

export type Coordinator = {
  /** What is in effect, settings included. */
  config: Config;
  settings: Settings;
  pubkey: Pubkey;
  data: CoordinatorData;
  keys: LiveKeys;
  links: Links;
  registry: Registry;
  server: HttpServer;
  verify: VerifyDeps;
  apiKey: string | null;
  /** Makes the first admin; null where there is one. */
  setupLink: string | null;
  /** Resolves once the instance can not go on. */
  failed: Promise<Error>;
  /** Takes no new jobs and lets those there are end, for so long. */
  drain(limitMs: number): Promise<void>;
  /** Drains, and lets everything go. */
  stop(): Promise<void>;
};

export type CoordinatorInput = {
  config: Config;
  /** Where its values come from. */
  sources: Readonly<Record<string, Source>>;
  log: Log;
  /** Logs from this level on. */
  setLogLevel?: ((level: LogLevel) => void) | undefined;
  clock: Clock;
  instance: Instance;
  mode: "both" | "coordinator";
  /** The node in this process, once it is there. */
  ownNode?: () => OwnNode | null;
  /** Its key. */
  ownPubkey?: Pubkey;
};

export async function buildCoordinator(input: CoordinatorInput): Promise<Coordinator> {
  const { log, clock, instance, mode } = input;
  const { dir } = instance;
  // Settings change it in place: what may change is read anew wherever it is used.
  const { config, ground } = configGround(input.config, input.sources);
  const data = await openCoordinatorData({
    config,
    dir,
    clock,
    onFault: (fault) => log.error("writing behind failed", { err: fault }),
  });
  if (data.migrated.backup) log.info("database migrated", { backup: data.migrated.backup });
  const { db, ring, identity } = data;
  const settings = await openSettings({ store: databaseStore(db), clock, log, ground });
  const registry = createRegistry({
    clock,
    prices: priceBounds(config),
    peers: { self: markOf(identity.pubkey), maxHops: config.coordinator.max_hops },
    region: regionName(config.coordinator.region ?? ""),
    aliases: () => config.aliases,
  });
  const { keys, rows } = await loadKeys(db, (row) => {
    const node = registry.place(pubkeySchema.parse(row.pubkey), { ...row, account: row.accountId });
    // One that may work again, or for more, is given what waits.
    if (node) jobs.listener.capacity(node);
  });
  for (const row of rows) for (const model of modelsOf(row.specs)) registry.expect(model, row.pool);

  const opened = await openChain(config, { db, clock, settlementSeed: data.settlementSeed });
  const billing = openBilling(config, data, { clock, log, onChain: opened && onChainOf(opened) });
  const archive = receiptArchive(data);
  const payouts = await startPayouts(config, opened, { db, clock, log, markerKey: data.markerKey });
  const till = billing?.till ?? null;
  const outputs = new Map<JobId, OutputLog>();
  const measured: Metrics = metrics(() => ({
    registry,
    jobs: () => ({ live: jobs.live.size, queued: jobs.queued() }),
    writer: () => db.writer.stats(),
    version: versionText,
    nowMs: clock.nowMs,
  }));
  const records = jobRecords({
    db,
    secrets: data.secrets,
    clock,
    log,
    answerOf: (job) => outputs.get(job.id)?.stored(job) ?? null,
    get retainContentMs() {
      return config.privacy.retain_content_hours * 3_600_000;
    },
    till,
    owner: data.sharedAs,
  });
  const webhooks = startWebhooks(data, { config, clock, log });
  const stats = createStats({
    ...{ db, clock, log, registry, live: () => jobs.live, replica: data.sharedAs },
    others: () => presence.others().flatMap(({ isSilent, figures }) => (isSilent || !figures ? [] : [figures])),
  });
  const presence: Presence<Figures> =
    data.sharedAs === null
      ? alone()
      : createPresence({
          ...{ db, clock, log, registry, id: data.sharedAs, version: versionText, startedMs: instance.startedMs },
          ...{ figures: stats.figures, readFigures },
        });
  const jobs: Jobs = createJobs({
    clock,
    log,
    random: Math.random,
    newId: () => Bun.randomUUIDv7() as JobId,
    limits: limitsOf(config),
    registry,
    records,
    affinity: affinityIndex({
      get ttlMs() {
        return config.scheduler.affinity_ttl_s * 1000;
      },
    }),
    till,
    replenish: async (accountId) => (await funding?.replenish(accountId)) ?? false,
    onEnd(job: Job) {
      measured.jobEnded(job);
      stats.jobEnded(job);
      outputs.delete(job.id);
      if (job.kind === "async") webhooks.nudge();
      for (const { record } of job.deliveries) billing?.receipts.settled(record.node);
    },
  });
  const delivery = commandDelivery({ db, clock, log });
  const links = createLinks({
    clock,
    log,
    registry,
    listener: jobs.listener,
    commands: delivery,
    ...(billing ? { receipts: { key: archive.key, listener: billing.receipts } } : {}),
    coordinator: identity,
    replica: data.sharedAs,
    version: versionText,
    admit: (request) =>
      admitNode(
        { db, clock, keys, coordinator: identity.pubkey, registration: config.coordinator.registration },
        request,
      ),
  });
  const pollers = createPollers({ clock, log, registry, listener: jobs.listener, commands: delivery });
  const nodes = {
    reset(pubkey: Pubkey, reason: string) {
      links.reset(pubkey, reason);
      pollers.reset(pubkey, reason);
    },
  };
  const defaults = defaultsOf(config);
  await recover({ data, jobs, outputs, clock, log, defaults });
  const ownKey = () => localApiKey(data, { dir, clock, random: randomBytes });
  const apiKey = config.coordinator.require_api_key ? await ownKey() : null;

  const streams = new Set<ChatStream>();
  const keepAliveMs = config.server.keep_alive_s * 1000;
  const stopFollowing =
    db.path === null ? followChanges({ db, clock, log, ring, keys, settings, links: nodes }) : () => {};
  const stopHousekeeping = keepHouse({
    clock,
    log,
    db,
    registry,
    streams,
    keepAliveMs,
    delivery,
    receipts: billing?.receipts ?? null,
  });
  let draining = false;
  const verify: VerifyDeps = {
    clock,
    recipient: identity.pubkey,
    ownKeys: [identity.pubkey],
    keys,
    nonces: new MemoryNonces(clock),
    get acceptV1() {
      return config.coordinator.accept_auth_v1;
    },
    listeningSinceMs: clock.nowMs(),
  };
  const url = (): string => config.server.public_url ?? server.url;
  const onFault = (fault: unknown) => log.error("a mail could not be sent", { err: fault });
  const funding: Funding | null = await buildFunding(config, opened, {
    ...{ db, clock, log, registry, ownNode: input.ownPubkey ?? null, markerKey: data.markerKey },
    hasRoom: (node) => jobs.listener.capacity(node),
  });
  const people = buildPeople({ config, data, clock, random: randomBytes, url, onFault });
  const stopForgetting = forgetWhatIsOver(people, { clock, log });
  const updates = buildUpdates({ config, dir, clock, log });
  const admin = directAdmin({
    db,
    ring,
    clock,
    random: randomBytes,
    mode,
    version: versionText,
    pubkey: identity.pubkey,
    get joinUrl() {
      return joinUrl(config, server.port);
    },
    webhookKey: data.webhookKey,
    people,
    archive,
    settings,
    updates,
    live: {
      registry,
      delivery,
      async resetLink(pubkey, reason) {
        await keys.reload(pubkey);
        nodes.reset(pubkey, reason);
      },
      reload: keys.reload,
      payouts,
      get url() {
        return server.url;
      },
      pid: process.pid,
      startedMs: instance.startedMs,
      jobs: () => ({ queued: jobs.queued(), running: jobs.live.size - jobs.queued() }),
      ownNode: input.ownNode ?? (() => null),
      stakes: funding && { ...funding, minimum: config.stake.minimum },
    },
  });
  const human = humanDeps({ config, people, data, dir, log, admin, reloadNode: keys.reload });
  const chat = { clock, jobs, defaults, streams };
  const jobsHttp = { db, secrets: data.secrets, jobs, defaults, outputs, keepAliveMs, webhooks: webhookRule(config) };
  const dashboard = buildDashboard({
    ...{
      config,
      db,
      clock,
      log,
      people,
      human,
      admin,
      registry,
      jobs,
      delivery,
      stats,
      presence,
      chat,
      jobsHttp,
      archive,
      funding,
    },
    ...{ mode, version: versionText, coordinator: identity.pubkey, publicUrl: url, startedMs: instance.startedMs },
    apiRoutes: () => routes,
  });
  const routes = coordinatorRoutes({
    registry,
    version: versionText,
    publicUrl: url,
    chat,
    jobs: jobsHttp,
    webhookKey: data.webhookKey,
    metrics: measured,
    unready() {
      if (draining) return "draining";
      const trouble = db.writer.trouble();
      return trouble === null ? null : `the database cannot be written (${trouble})`;
    },
    polling: {
      db,
      clock,
      pollers,
      delivery,
      nodes: registry.nodes,
      keys,
      coordinator: identity.pubkey,
      get registration() {
        return config.coordinator.registration;
      },
      endLink: links.reset,
      prices: leastPrices(config),
    },
    human,
    archive,
    payouts: {
      ...{ db, clock, payouts, random: randomBytes, coordinator: identity.pubkey },
      ...{ receiptKey: archive.key, billing: config.billing.mode },
    },
    funding: funding && { funding, clock, coordinator: identity.pubkey },
    local: localRoutes(admin),
  });
  const server = startServer({
    ...serverConfig(config, log),
    routes: [...routes, ...dashboard.routes],
    clientAuth: {
      ring,
      verify,
      get requireApiKey() {
        return config.coordinator.require_api_key;
      },
      maxHops: config.coordinator.max_hops,
      fairByAccount: till !== null,
    },
    humanAuth: { ...human, refusalPage: dashboard.refusalPage },
    verify,
    links,
    missing: dashboard.missing,
  });
  instance.answersAt(server.url);
  followSettings(settings, config, {
    ...{ log, registry, ownKey, setLogLevel: input.setLogLevel ?? (() => undefined) },
    hasRoom: (node) => jobs.listener.capacity(node),
  });
  const setupLink = await setupLinkAtStart(people, dir);
  let drained: Promise<void> | null = null;
  const drain = (limitMs: number): Promise<void> => {
    draining = true;
    drained ??= jobs.drain(limitMs);
    return drained;
  };
  return {
    config,
    settings,
    pubkey: identity.pubkey,
    data,
    keys,
    links,
    registry,
    server,
    verify,
    apiKey,
    setupLink,
    failed: new Promise<Error>(() => {}),
    drain,
    async stop() {
      await drain(config.coordinator.drain_timeout_s * 1000);
      stopHousekeeping();
      stopForgetting();
      await webhooks.stop();
      stopFollowing();
      dashboard.stop();
      updates.stop();
      await stats.stop();
      await presence.stop();
      links.close();
      pollers.close();
      await delivery.settled();
      await billing?.receipts.idle();
      await payouts?.stop();
      await funding?.stop();
      await server.stop();
      await people.mail?.settled();
      await records.close();
      await data.close();
      instance.release();
    },
  };
}

const modelsOf = (specs: Record<string, unknown>): string[] =>
  Array.isArray(specs.models) ? specs.models.filter((model) => typeof model === "string") : [];

type Recovery = {
  data: CoordinatorData;
  jobs: Jobs;
  outputs: Map<JobId, OutputLog>;
  clock: Clock;
  log: Log;
  defaults: Parameters<typeof jobSpec>[4];
};

/** Who asked for a stored job. Private nodes are not for who holds a key that was revoked since. */
async function askerOf({ db }: CoordinatorData, { accountId, keyId }: JobRow): Promise<Caller> {
  const key = keyId === null ? undefined : await findApiKey({ db }, keyId);
  const pools = key?.revokedMs === null ? key.pools : [];
  return { accountId, keyId, fairKey: key?.lineage ?? accountId, pools, models: modelRule(key?.models ?? []) };
}

/** Chats of an earlier process failed with it; its asynchronous jobs go on. */
async function recover({ data, jobs, outputs, clock, log, defaults }: Recovery): Promise<void> {
  const failed = await failInterruptedChats(data.db, clock.nowMs(), data.replica);
  const unfinished = await unfinishedJobs(data.db, data.replica);
  for (const { job: row, content, hold } of unfinished) {
    const json = parseJson(content.request);
    const request = json.ok ? check(chatRequestSchema, json.value) : json;
    if (!request.ok) {
      log.error("a stored job cannot be read and fails", { job: row.id, reason: request.error.message });
      await failUnreadable(data.db, row.id, clock.nowMs());
      continue;
    }
    const caller = await askerOf(data, row);
    const output = outputLog();
    outputs.set(row.id as JobId, output);
    jobs.recover(row, jobSpec("async", request.value, content.request, caller, defaults), output, hold);
  }
  if (failed > 0 || unfinished.length > 0) {
    log.info("taken up after a restart", { chats_failed: failed, jobs_going_on: unfinished.length });
  }
}

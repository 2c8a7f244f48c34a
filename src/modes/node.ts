// Mode `node`: fronts this machine's inference servers and dials its coordinators. Opens no database and no port that
// others need to reach; the port it has is for its own commands and for health checks.
import { nodeOnlyAdmin } from "../admin/node-only.ts";
import type { ModelRow, Status } from "../admin/operations.ts";
import { type Config, configGround } from "../config.ts";
import { dialWebSocket } from "../daemon/dial-websocket.ts";
import type { Serves } from "../daemon/serving.ts";
import { createLive, type Live } from "../dashboard/live.ts";
import { ownNodeRoutes } from "../dashboard/node/routes.ts";
import { localRoutes } from "../http/local.ts";
import { localHttpRoutes } from "../http/local-http.ts";
import { nodeMetrics } from "../http/node-metrics.ts";
import { opsRoutes } from "../http/ops-routes.ts";
import { createDoor, type Door } from "../http/owner/door.ts";
import { OPEN_PATH } from "../http/owner/guard.ts";
import { type HttpServer, startServer } from "../http/server.ts";
import type { DataDirectory } from "../identity/data-dir.ts";
import { type Identity, loadIdentity } from "../identity/keys.ts";
import { MemoryNonces } from "../identity/nonces.ts";
import { signHeader } from "../identity/signed-fetch.ts";
import { checkCoordinatorUrl } from "../identity/transport-rule.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { LogTail } from "../lib/log-tail.ts";
import { decodeJoinToken } from "../protocol/join-token.ts";
import { priceOf } from "../protocol/prices.ts";
import { fileStore } from "../settings/file-store.ts";
import { openSettings, type Settings } from "../settings/settings.ts";
import type { UpdateWatch } from "../update/watch.ts";
import { versionText } from "../version.ts";
import { buildNodeSide, type NodeSide, type Target } from "./build-node.ts";
import { coordinatorsOf } from "./coordinators.ts";
import { askEarnings } from "./node-earnings.ts";
import { openInstance, randomBytes } from "./open-instance.ts";
import { ownPayouts } from "./own-payouts.ts";
import type { Running, StartInput } from "./running.ts";
import { serverConfig } from "./server-config.ts";
import { StartError, startValue } from "./start-error.ts";
import { buildUpdates } from "./updates.ts";

/** Running jobs may go on for so long after SIGTERM. */
const DRAIN_MS = 30_000;
const DEFAULT_PORT = 46_337;

export async function start({
  config: loaded,
  sources,
  log,
  setLogLevel,
  tail,
  restart,
}: StartInput): Promise<Running> {
  const clock = systemClock;
  // Settings change it in place: what may change is read anew wherever it is used.
  const { config, ground } = configGround(loaded, sources);
  const instance = openInstance(config, clock);
  try {
    const identity = startValue(loadIdentity(instance.dir, "node"));
    const settings = await openSettings({ store: fileStore(config.data_dir, log), clock, log, ground });
    const targets = targetsOf(config, identity, clock);
    const node = await buildNodeSide({ config, log, clock, identity, targets, settings, restart });
    setLogLevel?.(config.log.level);
    settings.onChange(() => {
      setLogLevel?.(config.log.level);
      node.configChanged();
    });
    const status = (): Status => statusOf(identity, node, server, instance.startedMs);
    const door = createDoor({ clock, random: randomBytes });
    const live = createLive({ clock, log });
    const updates = buildUpdates({ config, dir: instance.dir, clock, log });
    const { dir } = instance;
    const server = listen({ config, settings, log, clock, identity, node, status, door, live, tail, updates, dir });
    instance.answersAt(server.url);
    return {
      mode: "node",
      url: server.url,
      pubkey: identity.pubkey,
      model: null,
      apiKey: null,
      setupLink: null,
      dashboardLink: linkThrough(door, server.url).link,
      failed: new Promise<Error>(() => {}),
      async stop() {
        live.close();
        updates.stop();
        await node.stop(DRAIN_MS);
        await server.stop();
        instance.release();
      },
    };
  } catch (error) {
    instance.release();
    throw error;
  }
}

/** An address each: replicas of one coordinator have the same key, and a token of it lets this node in at any of them. */
function targetsOf(config: Config, identity: Identity, clock: Clock): Target[] {
  const { join_token: joinToken, insecure } = config.node;
  const token = joinToken === null ? null : decodeJoinToken(joinToken);
  if (token && !token.ok) throw new StartError({ ...token.error, hint: "ask for a new join token" });
  return coordinatorsOf(config).map(({ url, pubkey }) => {
    startValue(checkCoordinatorUrl(url, { insecure }));
    const header = (path: string) => signHeader({ identity, aud: pubkey, clock, random: randomBytes }, "GET", path);
    const target = { pubkey, label: url, dial: dialWebSocket(url, header) };
    return joinToken !== null && token?.value.coordinator === pubkey ? { ...target, joinToken } : target;
  });
}

type ListenInput = {
  config: Config;
  settings: Settings;
  log: Log;
  clock: Clock;
  identity: Identity;
  node: NodeSide;
  status: () => Status;
  door: Door;
  live: Live;
  tail: LogTail;
  updates: UpdateWatch;
  dir: DataDirectory;
};

/** A link that opens the node's own dashboard. The secret is in the fragment, which no server and no log sees. */
function linkThrough(door: Door, url: string): { link: string; expires_ms: number } {
  const { secret, expiresMs } = door.newLink();
  return { link: `${url}${OPEN_PATH}#${secret}`, expires_ms: expiresMs };
}

function listen(input: ListenInput): HttpServer {
  const { config, settings, log, clock, identity, node, status, door, live, tail, updates, dir } = input;
  const unready = () => (node.states().some(({ state }) => state === "connected") ? null : "no link to a coordinator");
  const metrics = nodeMetrics(() => {
    const { slots, models } = node.serves();
    return {
      ...node.totals(),
      running: node.running(),
      slots,
      models: models.length,
      backends: node.backends(),
      coordinators: node.states(),
      version: versionText,
    };
  });
  const admin = nodeOnlyAdmin({
    status,
    node: node.own,
    commands: node.commands,
    name: config.node.name,
    settings,
    updates,
    dashboardLink: () => linkThrough(door, status().url ?? ""),
  });
  const owner = { door, cookies: { tls: config.server.tls_cert !== null, publicUrl: config.server.public_url } };
  const ownerAuth = { ...owner, node: identity.pubkey };
  const routes = [
    ...opsRoutes({ metrics, unready }),
    ...localHttpRoutes(localRoutes(admin)),
    ...ownNodeRoutes({
      ...{ admin, clock, live, tail, settings, updates, auth: ownerAuth, name: config.node.name, version: versionText },
      ...{
        node: identity.pubkey,
        side: node,
        startedMs: clock.nowMs(),
        earnings: askEarnings(config, identity, clock),
        payouts: ownPayouts({ config, identity, dir, clock, log }),
      },
    }),
  ];
  const verify = {
    clock,
    recipient: identity.pubkey,
    ownKeys: [identity.pubkey],
    keys: { lookup: () => undefined, markV2Seen: () => undefined },
    nonces: new MemoryNonces(clock),
    acceptV1: false,
    listeningSinceMs: clock.nowMs(),
  };
  const server = {
    ...serverConfig(config, log),
    routes,
    clientAuth: null,
    humanAuth: null,
    ownerAuth,
    verify,
    links: null,
  };
  try {
    return startServer(server);
  } catch (error) {
    // A coordinator on the same machine has the usual port; nobody needs to find a node by its port.
    const taken = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
    if (!taken || config.server.port !== DEFAULT_PORT) throw error;
    log.info("the usual port is taken; using a free one", { port: DEFAULT_PORT });
    return startServer({ ...server, port: 0 });
  }
}

function statusOf(identity: Identity, node: NodeSide, server: HttpServer, startedMs: number): Status {
  const serves = node.serves();
  const states = node.states();
  const models = serves.models.map((model) => modelRow(model, serves, node.running()));
  return {
    running: true,
    mode: "node",
    version: versionText,
    pubkey: identity.pubkey,
    url: server.url,
    pid: process.pid,
    started_ms: startedMs,
    nodes: { online: 0, known: 0, pending: 0 },
    models,
    jobs: { queued: 0, running: node.running() },
    node: node.own.standing(),
    coordinators: states.map(({ label, state, error }) => ({ url: label, state, error })),
  };
}

function modelRow(model: Serves["models"][number], serves: Serves, running: number): ModelRow {
  const { input, output } = priceOf(serves, model.name);
  return {
    name: model.name,
    nodes: 1,
    slots: serves.slots,
    running,
    context_length: model.context_length,
    price_input: input,
    price_input_max: input,
    price_output: output,
    price_output_max: output,
    demo: model.demo,
  };
}

// Mode `both`: coordinator and node in one process, with a key each. The node is approved beforehand and otherwise goes
// through the same signed upgrade and the same handshake as any other, over a transport in memory.

import { LINK_ROUTE } from "../http/server.ts";
import { loadIdentity } from "../identity/keys.ts";
import { signHeader } from "../identity/signed-fetch.ts";
import { rememberRegistered, verifyMachineRequest } from "../identity/verify-request.ts";
import { systemClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import {
  CLOSE_PROTOCOL,
  type Dial,
  memoryTransports,
  type Transport,
  type TransportEvents,
} from "../protocol/transport.ts";
import { allowNode } from "../registry/nodes.ts";
import { buildCoordinator, type Coordinator } from "./build-coordinator.ts";
import { buildNodeSide, type NodeSide } from "./build-node.ts";
import { openInstance, randomBytes } from "./open-instance.ts";
import type { Running, StartInput } from "./running.ts";
import { startValue } from "./start-error.ts";

/** The banner names a model where the node has joined by then. */
const SETTLE_MS = 3_000;

export async function start({ config, sources, log, setLogLevel, restart }: StartInput): Promise<Running> {
  const clock = systemClock;
  const instance = openInstance(config, clock);
  try {
    const identity = startValue(loadIdentity(instance.dir, "node"));
    let ownNode: NodeSide | null = null;
    const coordinator = await buildCoordinator({
      config,
      sources,
      log,
      setLogLevel,
      clock,
      instance,
      mode: "both",
      ownNode: () => ownNode?.own ?? null,
      ownPubkey: identity.pubkey,
    });
    const { db } = coordinator.data;
    if (coordinator.keys.lookup(identity.pubkey)?.status !== "approved") {
      const row = await allowNode({ db, clock }, identity.pubkey, { name: config.node.name, admittedBy: "local" });
      coordinator.keys.set(row);
    }
    const header = () =>
      signHeader({ identity, aud: coordinator.pubkey, clock, random: randomBytes }, "GET", LINK_ROUTE);
    const dial = dialInMemory(coordinator, header, log);
    const node = await buildNodeSide({
      config: coordinator.config,
      log,
      clock,
      identity,
      targets: [{ pubkey: coordinator.pubkey, label: "this instance", dial }],
      settings: coordinator.settings,
      governed: true,
      restart,
    });
    ownNode = node;
    coordinator.settings.onChange(node.configChanged);
    const late = Promise.withResolvers<void>();
    const cancelLate = clock.after(SETTLE_MS, late.resolve);
    await Promise.race([node.settled, late.promise]);
    cancelLate();
    const [model] = node.serves().models;
    return {
      mode: "both",
      url: coordinator.server.url,
      pubkey: coordinator.pubkey,
      model: model ? { name: model.name, demo: model.demo } : null,
      apiKey: coordinator.apiKey,
      setupLink: coordinator.setupLink,
      dashboardLink: null,
      failed: coordinator.failed,
      async stop() {
        // The coordinator first: it lets running jobs end, and they end on the node.
        const limitMs = config.coordinator.drain_timeout_s * 1000;
        await coordinator.drain(limitMs);
        await node.stop(limitMs);
        await coordinator.stop();
      },
    };
  } catch (error) {
    instance.release();
    throw error;
  }
}

/** The upgrade is signed and verified as over HTTP; only the socket is missing. */
function dialInMemory(coordinator: Coordinator, header: () => string, log: Log): Dial {
  return (nodeEvents) => {
    let coordinatorEvents: TransportEvents | null = null;
    const forCoordinator: TransportEvents = {
      message: (text) => coordinatorEvents?.message(text),
      closed: (code, reason) => coordinatorEvents?.closed(code, reason),
    };
    const [nodeEnd, coordinatorEnd] = memoryTransports(nodeEvents, forCoordinator);
    const early: string[] = [];
    let accepted = false;
    const accept = async () => {
      const request = { method: "GET", pathWithQuery: LINK_ROUTE, header: header(), body: new Uint8Array(0) };
      const verified = await verifyMachineRequest(coordinator.verify, request, "link");
      if (!verified.ok) {
        log.error("the own node was refused", { code: verified.error.code });
        nodeEnd.close(CLOSE_PROTOCOL, verified.error.code);
        return;
      }
      const { pubkey } = verified.value;
      const known = () => rememberRegistered(coordinator.verify, verified.value);
      coordinator.links.accept({ pubkey, address: "in memory", known }, (events) => {
        coordinatorEvents = events;
        return coordinatorEnd;
      });
      accepted = true;
      for (const text of early) nodeEnd.send(text);
    };
    accept().catch((error: unknown) => {
      log.error("the own node could not be linked", { err: error });
      nodeEnd.close(CLOSE_PROTOCOL, "storage_failed");
    });
    const end: Transport = {
      ...nodeEnd,
      send: (text) => {
        if (accepted) nodeEnd.send(text);
        else early.push(text);
      },
    };
    return end;
  };
}

// Registration of polling nodes: register, heartbeat, the node's own row, and leaving.
import type { Db } from "../../db/open.ts";
import type { KnownKey } from "../../identity/verify-request.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Pubkey } from "../../protocol/primitives.ts";
import { joinSecretOf, REGISTRATION_MESSAGES } from "../../registry/admission.ts";
import type { CommandDelivery } from "../../registry/command-delivery.ts";
import { type AdmissionRule, getNode, noteSeen, noteSpecs, registerNode, removeNode } from "../../registry/nodes.ts";
import {
  isWorthKeeping,
  machineOf,
  readSpecs,
  type StoredSpecs,
  servedBy,
  storedSpecs,
} from "../../registry/poller-specs.ts";
import type { Pollers } from "../../registry/pollers.ts";
import type { Node } from "../../registry/registry.ts";
import type { NodeRow } from "../../registry/schema.ts";
import type { MachineCall } from "../routes.ts";
import { bodyOf, data, type PollingCode, refuse } from "./answers.ts";
import { heartbeatSchema, registerSchema } from "./shapes.ts";

export type PollingDeps = {
  db: Db;
  clock: Clock;
  pollers: Pollers;
  delivery: Pick<CommandDelivery, "polled">;
  /** The nodes there are now. */
  nodes: ReadonlyMap<Pubkey, Node>;
  /** Takes over how a key stands now. */
  keys: {
    set(row: NodeRow): void;
    reload(pubkey: Pubkey): Promise<void>;
    lookup(pubkey: Pubkey): KnownKey | undefined;
  };
  coordinator: Pubkey;
  registration: AdmissionRule["registration"];
  /** Ends the link of a key that is not known any more. */
  endLink(pubkey: Pubkey, reason: string): void;
  /** What a node is taken to ask for that has no word for a price. */
  prices: { input: number; output: number };
};

const CODES: Partial<Record<string, PollingCode>> = {
  node_id_taken: "node_id_taken",
  pending_full: "pending_full",
  pending_address_full: "pending_full",
};

export async function register(deps: PollingDeps, call: MachineCall): Promise<Response> {
  const body = await bodyOf(call, registerSchema);
  if (!body.ok) return refuse(body.error);
  const { role, node_id: nodeId, name, specs, join_token, ...said } = body.value;
  const secret = joinSecretOf(deps.coordinator, join_token);
  if (!secret.ok) return refuse({ code: "registration_refused", message: secret.error.message }, secret.error.code);
  const { pubkey, version } = call.signed;
  const known = await getNode(deps, pubkey);
  const stored = storedSpecs(specs, said, known && readSpecs(known));
  const registered = await registerNode(
    deps,
    {
      pubkey,
      role,
      name: name || nodeId,
      address: call.address,
      nodeId,
      specs: stored,
      slots: 0,
      authV2: version === 2,
      transport: "polling",
    },
    { registration: deps.registration, ...(secret.value === null ? {} : { secret: secret.value }) },
  );
  if (!registered.ok) {
    const message = REGISTRATION_MESSAGES[registered.error];
    return refuse({ code: CODES[registered.error] ?? "registration_refused", message }, registered.error);
  }
  const row = registered.value;
  deps.keys.set(row);
  await call.registered();
  takeUp(deps, row, stored);
  return data({ id: row.pubkey, node_id: row.nodeId, status: row.status });
}

/** Has the node's models on offer, where it may work and holds no link. */
function takeUp(
  { pollers, nodes, prices }: PollingDeps,
  row: NodeRow,
  specs: StoredSpecs,
  said: Record<string, unknown> = {},
): void {
  const pubkey = row.pubkey as Pubkey;
  if (row.status !== "approved" || row.role !== "provider") return;
  if (!pollers.has(pubkey) && nodes.get(pubkey)?.channel) return;
  pollers.serve(pubkey, servedBy(pubkey, row.name, specs, prices));
  const node = nodes.get(pubkey);
  if (node) node.machine = machineOf(said);
}

export async function heartbeat(deps: PollingDeps, call: MachineCall): Promise<Response> {
  const body = await bodyOf(call, heartbeatSchema);
  if (!body.ok) return refuse(body.error);
  const { role, status, specs, ...said } = body.value;
  const { pubkey } = call.signed;
  const row = await getNode(deps, pubkey);
  if (!row || row.role !== role) {
    return refuse({ code: "not_registered", message: `this key is not registered as ${role}; register first` });
  }
  const before = readSpecs(row);
  const now = storedSpecs(specs, said, before);
  const nowMs = deps.clock.nowMs();
  if (isWorthKeeping(now, before)) await noteSpecs(deps, pubkey, now, nowMs);
  else if (!deps.nodes.has(pubkey)) await noteSeen(deps, [[pubkey, nowMs]]);
  if (status?.toLowerCase() === "offline") deps.pollers.leave(pubkey);
  else takeUp(deps, row, now, specs);
  return data({ id: pubkey });
}

/** Takes the node up from what is stored of it: it polls after a restart, or after a silence. */
export async function takeUpStored(deps: PollingDeps, pubkey: Pubkey): Promise<void> {
  const row = await getNode(deps, pubkey);
  if (row?.status !== "approved" || row.role !== "provider") return;
  deps.pollers.serve(pubkey, servedBy(pubkey, row.name, readSpecs(row), deps.prices));
}

export async function me(deps: PollingDeps, { signed: { pubkey } }: MachineCall): Promise<Response> {
  const row = await getNode(deps, pubkey);
  if (!row) return refuse({ code: "not_registered", message: "this key is not registered here" });
  const shown = ownRow(row, deps.nodes.get(pubkey));
  // Existing daemons look for the fields in both places.
  return data({ ...shown, row: shown });
}

const isoTime = (ms: number): string => new Date(ms).toISOString();

function ownRow(row: NodeRow, node: Node | undefined): Record<string, unknown> {
  const { said, specs, models } = readSpecs(row);
  const online = node?.channel ? "available" : "offline";
  const seenMs = Math.max(row.lastSeenMs ?? 0, node?.lastSeenMs ?? 0);
  return {
    id: row.pubkey,
    node_id: row.nodeId,
    public_key: row.pubkey,
    role: row.role,
    name: row.name,
    status: row.status === "approved" ? online : row.status,
    admission: row.status,
    address: said.address ?? null,
    port: said.port ?? null,
    gpu_model: said.gpu_model ?? null,
    price: said.price ?? null,
    specs: { ...specs, served_models: models },
    last_seen: seenMs === 0 ? null : isoTime(seenMs),
    created_at: isoTime(row.firstSeenMs),
  };
}

export async function remove(deps: PollingDeps, { signed: { pubkey } }: MachineCall): Promise<Response> {
  deps.pollers.reset(pubkey, "the node left");
  const deleted = await removeNode(deps, pubkey);
  await deps.keys.reload(pubkey);
  deps.endLink(pubkey, "the node left");
  return data({ id: pubkey, deleted });
}

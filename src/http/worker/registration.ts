// Registration of external workers: who a worker is, what it serves, and how it is found again after a restart.
import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { LOCAL_ACCOUNT_ID } from "../../accounts/schema.ts";
import type { Db } from "../../db/open.ts";
import type { Clock } from "../../lib/clock.ts";
import { toHex } from "../../lib/hex.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import { type Pubkey, pubkeySchema } from "../../protocol/primitives.ts";
import { REGISTRATION_MESSAGES } from "../../registry/admission.ts";
import { getNode, registerNode } from "../../registry/nodes.ts";
import type { Served } from "../../registry/poll-session.ts";
import type { Pollers } from "../../registry/pollers.ts";
import type { NodeRow } from "../../registry/schema.ts";
import { errorResponse } from "../errors.ts";
import type { ClientCall } from "../routes.ts";
import { type RegisterBody, registerSchema } from "./shapes.ts";

export type WorkerDeps = {
  db: Db;
  clock: Clock;
  pollers: Pollers;
  /** Takes over how a node stands now. */
  keys: { set(row: NodeRow): void };
  /** Asked for by a worker that names no price. */
  prices: Served["prices"];
};

/** Workers of one API key. */
const MAX_WORKERS = 256;

/** A worker has no key of its own: it is one of an API key's, by name. */
export const workerId = (keyId: string, name: string): Pubkey =>
  pubkeySchema.parse(toHex(sha256(utf8ToBytes(`infernet-worker-v1\n${keyId}\n${name}`))));

/** What is stored of a worker; `models` is read by other rooms. */
const storedOf = (keyId: string, said: RegisterBody) => ({
  models: said.models.map(({ name }) => name),
  key_id: keyId,
  worker: said,
});

function servedBy(keyId: string, said: RegisterBody, prices: Served["prices"]): Served {
  return {
    holder: keyId,
    name: said.name,
    device: { os: "", arch: "", cpu: "", cores: 0, memory_mib: 0, gpus: [] },
    backends: [{ kind: "openai", continues: said.continues, healthy: true }],
    models: said.models.map(({ name, context_length = null, tasks, features, quantization = null }) => ({
      name,
      context_length,
      digest: null,
      loaded: null,
      quantization,
      demo: false,
      tasks,
      ...(features ? { features } : {}),
      backend: 0,
    })),
    prices: said.prices ?? prices,
    ...(said.model_prices === undefined ? {} : { model_prices: said.model_prices }),
  };
}

export async function register(
  deps: WorkerDeps,
  call: ClientCall,
  keyId: string,
  said: RegisterBody,
): Promise<Response> {
  const id = workerId(keyId, said.name);
  if (!deps.pollers.has(id) && deps.pollers.count(keyId) >= MAX_WORKERS) {
    return errorResponse("too_many_requests", `one key has at most ${MAX_WORKERS} workers at a time`);
  }
  const registered = await registerNode(
    deps,
    {
      pubkey: id,
      role: "provider",
      name: said.name,
      address: call.address,
      nodeId: null,
      specs: storedOf(keyId, said),
      slots: said.slots,
      authV2: false,
      transport: "worker",
      accountId: call.caller.accountId || LOCAL_ACCOUNT_ID,
    },
    { registration: "token", byKey: true },
  );
  if (!registered.ok) return errorResponse("worker_refused", REGISTRATION_MESSAGES[registered.error]);
  deps.keys.set(registered.value);
  // It starts afresh: whatever it had is given to others at once, not when its lease lapses.
  deps.pollers.leave(id);
  deps.pollers.serve(id, servedBy(keyId, said, deps.prices));
  return Response.json({ worker: id, slots: said.slots, lease_s: 90 });
}

export type Worker = { id: Pubkey; slots: number };

/** The worker, taken up again where this instance, or the worker's lease, has ended meanwhile. */
export async function workerOf(deps: WorkerDeps, keyId: string, id: Pubkey): Promise<Result<Worker, Response>> {
  const row = await getNode(deps, id);
  const said = row ? registerSchema.safeParse(row.specs.worker) : undefined;
  if (row?.transport !== "worker" || row.specs.key_id !== keyId || !said?.success) {
    return err(
      errorResponse("worker_not_found", "this key has no such worker; register it first", { param: "worker" }),
    );
  }
  if (row.status !== "approved") return err(errorResponse("worker_refused", REGISTRATION_MESSAGES.node_ejected));
  if (!deps.pollers.seen(id)) deps.pollers.serve(id, servedBy(keyId, said.data, deps.prices));
  return ok({ id, slots: said.data.slots });
}

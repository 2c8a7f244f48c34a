// Admission: whether a node that finished its handshake may work, as the database says and the configuration rules.
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { ReadyFrame } from "../protocol/frames.ts";
import { decodeJoinToken, type JoinSecret } from "../protocol/join-token.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import type { Admission, AdmissionRefusal } from "../registry/links.ts";
import { type RegistrationRefusal, registerNode } from "../registry/nodes.ts";
import type { LiveKeys } from "./key-directory.ts";

const MESSAGES: Record<RegistrationRefusal, string> = {
  join_token_unknown: "this join token is not of this coordinator; make one with `infernet join-token create`",
  join_token_expired: "the join token has expired; make a new one with `infernet join-token create`",
  join_token_used: "the join token was used by another node; each admits one",
  join_token_revoked: "the join token was revoked",
  join_token_role: "the join token admits another role",
  node_id_taken: "that node id belongs to another key",
  node_ejected: "this node was ejected; ask the operator of the coordinator",
  node_role: "this key is registered in another role",
  pending_full: "too many nodes wait for approval here; try again tomorrow or ask for a join token",
  pending_address_full: "too many nodes from this address wait for approval; ask for a join token",
};

export type AdmissionDeps = {
  db: Db;
  clock: Clock;
  keys: LiveKeys;
  coordinator: Pubkey;
  registration: "token" | "approval" | "open";
};

export async function admitNode(
  deps: AdmissionDeps,
  { pubkey, address, ready }: { pubkey: Pubkey; address: string; ready: ReadyFrame },
): Promise<Result<Admission, AdmissionRefusal>> {
  const secret = secretOf(deps.coordinator, ready.join_token);
  if (!secret.ok) return secret;
  const registered = await registerNode(
    deps,
    {
      pubkey,
      role: "provider",
      name: ready.name,
      address,
      nodeId: null,
      specs: { models: ready.models.map((model) => model.name), device: ready.device },
      slots: ready.slots,
      authV2: true,
    },
    { registration: deps.registration, ...(secret.value === null ? {} : { secret: secret.value }) },
  );
  if (!registered.ok) return err({ code: registered.error, message: MESSAGES[registered.error] });
  const { status } = registered.value;
  deps.keys.set(registered.value);
  if (status === "ejected") return err({ code: "node_ejected", message: MESSAGES.node_ejected });
  return ok({ status });
}

function secretOf(coordinator: Pubkey, joinToken: string | undefined): Result<JoinSecret | null, AdmissionRefusal> {
  if (joinToken === undefined) return ok(null);
  const token = decodeJoinToken(joinToken);
  if (!token.ok) return err(token.error);
  if (token.value.coordinator === coordinator) return ok(token.value.secret);
  return err({ code: "join_token_unknown", message: "the join token is of another coordinator" });
}

// Admission: whether a node that finished its handshake may work, as the database says and the configuration rules.
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { ReadyFrame } from "../protocol/frames.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { joinSecretOf, REGISTRATION_MESSAGES } from "../registry/admission.ts";
import type { Admission, AdmissionRefusal } from "../registry/links.ts";
import { registerNode } from "../registry/nodes.ts";
import type { LiveKeys } from "./key-directory.ts";

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
  const secret = joinSecretOf(deps.coordinator, ready.join_token);
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
  if (!registered.ok) return err({ code: registered.error, message: REGISTRATION_MESSAGES[registered.error] });
  const { status } = registered.value;
  deps.keys.set(registered.value);
  if (status === "ejected") return err({ code: "node_ejected", message: REGISTRATION_MESSAGES.node_ejected });
  return ok({ status });
}

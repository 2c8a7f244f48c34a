// To which account a node belongs: it signs the account's challenge, or gives it up.
import { decodeLinkCode } from "../../protocol/account-link.ts";
import { type LinkRefusal, linkNode, unlinkNode } from "../../registry/account-link.ts";
import type { MachineCall } from "../routes.ts";
import { bodyOf, data, type PollingCode, refuse } from "./answers.ts";
import type { PollingDeps } from "./registration.ts";
import { accountLinkSchema } from "./shapes.ts";

const MESSAGES: Record<LinkRefusal, [PollingCode, string]> = {
  link_code_invalid: ["link_code_invalid", "this code was used already, is too old, or is no code of this coordinator"],
  bad_signature: ["invalid_value", "the signature is not the node's over this challenge"],
  node_unknown: ["not_registered", "this node has not been let in here"],
  role_not_allowed: ["role_not_allowed", "only nodes that serve models belong to accounts"],
  linked_elsewhere: ["linked_elsewhere", "this node belongs to another account; unlink it first"],
};

export async function linkAccount(deps: PollingDeps, call: MachineCall): Promise<Response> {
  const body = await bodyOf(call, accountLinkSchema);
  if (!body.ok) return refuse(body.error);
  const challenge = decodeLinkCode(body.value.code);
  const { pubkey } = call.signed;
  const linked = challenge.ok
    ? await linkNode(deps, { pubkey, challenge: challenge.value, sig: body.value.sig, from: call.address })
    : challenge;
  if (!linked.ok) {
    const [code, message] = MESSAGES[linked.error];
    return refuse({ code, message });
  }
  await deps.keys.reload(pubkey);
  return data({ account: linked.value.account });
}

export async function unlinkAccount(
  deps: PollingDeps,
  { signed: { pubkey }, address }: MachineCall,
): Promise<Response> {
  const unlinked = await unlinkNode(deps, { pubkey }, { actor: `node/${pubkey}`, from: address });
  if (unlinked.ok) await deps.keys.reload(pubkey);
  return data({ unlinked: unlinked.ok });
}

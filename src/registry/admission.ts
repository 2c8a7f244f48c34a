// Admission: what the ways in have in common: the secret in a join token, and the words for every refusal.
import { err, ok, type Result } from "../lib/result.ts";
import { decodeJoinToken, type JoinSecret } from "../protocol/join-token.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import type { RegistrationRefusal } from "./nodes.ts";

/** For the people behind the node. */
export const REGISTRATION_MESSAGES: Record<RegistrationRefusal, string> = {
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

/** The secret of a join token that was made by this coordinator; null where none came along. */
export function joinSecretOf(
  coordinator: Pubkey,
  joinToken: string | undefined,
): Result<JoinSecret | null, { code: string; message: string }> {
  if (joinToken === undefined) return ok(null);
  const token = decodeJoinToken(joinToken);
  if (!token.ok) return err(token.error);
  if (token.value.coordinator === coordinator) return ok(token.value.secret);
  return err({ code: "join_token_unknown", message: "the join token is of another coordinator" });
}

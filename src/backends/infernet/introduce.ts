// Introduce: a node that an upstream coordinator does not know registers there as a client: with a join token it is let
// in at once, else it waits for that coordinator's operator to approve it.
import { ok, type Result } from "../../lib/result.ts";
import type { Pubkey } from "../../protocol/primitives.ts";
import { markOf } from "../../protocol/trail.ts";
import { endpoint, type Fetch, requestJson } from "../http.ts";
import { isRecord } from "../record.ts";

export type Introduction = {
  pubkey: Pubkey;
  /** What the upstream's operator sees. */
  name: string;
  joinToken: string | null;
};

/** How the key stands afterwards; the error is the upstream's reason. */
export async function introduce(
  signed: Fetch,
  base: string,
  { pubkey, name, joinToken }: Introduction,
  signal: AbortSignal,
): Promise<Result<"approved" | "pending", string>> {
  const body = {
    role: "client",
    node_id: `client-${markOf(pubkey)}`,
    name,
    ...(joinToken === null ? {} : { join_token: joinToken }),
  };
  const answer = await requestJson(endpoint(signed, base, null), "/api/v1/node/register", JSON.stringify(body), signal);
  if (!answer.ok) return { ok: false, error: answer.error.message };
  const data = isRecord(answer.value) ? answer.value.data : null;
  return ok(isRecord(data) && data.status === "approved" ? "approved" : "pending");
}

// Coordinators: the addresses that a node dials, each with the key that it pins there.
import type { Config } from "../config.ts";
import { decodeJoinToken } from "../protocol/join-token.ts";
import type { Pubkey } from "../protocol/primitives.ts";

/**
 * The configured ones in their order, and the one of the join token where its key is not among them. Replicas of a
 * coordinator have one key and an address each.
 */
export function coordinatorsOf({ node }: Pick<Config, "node">): { url: string; pubkey: Pubkey }[] {
  const token = node.join_token === null ? null : decodeJoinToken(node.join_token);
  const known = new Map(node.coordinators.map(({ url, pubkey }) => [`${pubkey} ${url}`, { url, pubkey }]));
  if (token?.ok && !node.coordinators.some(({ pubkey }) => pubkey === token.value.coordinator)) {
    const { url, coordinator } = token.value;
    known.set(coordinator, { url, pubkey: coordinator });
  }
  return [...known.values()];
}

// Account link: what a node signs so that an account is known to be its operator's. The account asks for a code; the
// node's operator gives it to `infernet link-account`, which signs it with the node's key (BIP-340 over sha256).
import { z } from "zod";
import { err, ok, type Result } from "../lib/result.ts";
import { hex64Schema, type Pubkey, pubkeySchema } from "./primitives.ts";
import { signText, verifyText } from "./schnorr.ts";

const DOMAIN = "infernet-account-link-v1";
const CODE_PREFIX = "inflink_";
/** Characters of a code; ours have about 330. */
const MAX_CODE_CHARS = 1_024;

const challengeSchema = z.strictObject({
  /** The coordinator where the account is. */
  coordinator: pubkeySchema,
  /** The account's id. */
  account: z.string().regex(/^[A-Za-z0-9:_-]{1,128}$/, "must be an account's id"),
  /** 64 hex digits; good for one node. */
  nonce: hex64Schema,
  /** Unix seconds. */
  expires: z.int().min(0),
});
export type LinkChallenge = z.output<typeof challengeSchema>;

/** The text whose sha256 the node signs. */
export const accountLinkMessage = (node: Pubkey, { coordinator, account, nonce, expires }: LinkChallenge): string =>
  [DOMAIN, coordinator, node, account, nonce, expires].join("\n");

/** 128 hex digits. `auxRand`: to reproduce a vector. */
export const signAccountLink = (
  nodeSecret: Uint8Array,
  node: Pubkey,
  challenge: LinkChallenge,
  auxRand?: Uint8Array,
): string => signText(nodeSecret, accountLinkMessage(node, challenge), auxRand);

export const verifyAccountLink = (sig: string, node: Pubkey, challenge: LinkChallenge): boolean =>
  verifyText(sig, accountLinkMessage(node, challenge), node);

/** The challenge as people carry it: `inflink_` and base64url of its JSON. */
export const encodeLinkCode = ({ coordinator, account, nonce, expires }: LinkChallenge): string =>
  CODE_PREFIX + Buffer.from(JSON.stringify({ coordinator, account, nonce, expires })).toString("base64url");

/** Refuses what no `encodeLinkCode` makes. */
export function decodeLinkCode(code: string): Result<LinkChallenge, "link_code_invalid"> {
  const text = code.trim();
  if (!text.startsWith(CODE_PREFIX) || text.length > MAX_CODE_CHARS) return err("link_code_invalid");
  try {
    const bytes = Buffer.from(text.slice(CODE_PREFIX.length), "base64url");
    const parsed = challengeSchema.safeParse(JSON.parse(bytes.toString("utf8")));
    return parsed.success && encodeLinkCode(parsed.data) === text ? ok(parsed.data) : err("link_code_invalid");
  } catch {
    // No JSON.
    return err("link_code_invalid");
  }
}

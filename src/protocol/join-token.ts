// The join token: one line that an operator copies from a coordinator to a new node. It carries where the coordinator
// is, the key to pin and a secret that admits once. `infjoin_` + base64url of
//   version (1 byte, 1) · coordinator key (32) · secret (32) · address (UTF-8) · first 4 bytes of sha256 of all before
// so that a token cut short or mistyped is told apart from one that is used up.
import { sha256 } from "@noble/hashes/sha2.js";
import { concatBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { fromHex, toHex } from "../lib/hex.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { type Pubkey, pubkeySchema } from "./primitives.ts";

export const JOIN_TOKEN_PREFIX = "infjoin_";
const VERSION = 1;
const SECRET_BYTES = 32;
const HEAD_BYTES = 1 + 32 + SECRET_BYTES;
const CHECKSUM_BYTES = 4;
/** Longest coordinator address, in bytes; keeps a token below the 512 characters that `ready` takes. */
export const MAX_JOIN_URL_BYTES = 256;

/** A secret that shows itself only when asked: printing or serialising it gives a placeholder. */
export class JoinSecret {
  readonly #hex: string;
  /** `hex`: 64 hex digits. */
  constructor(hex: string) {
    this.#hex = hex;
  }
  /** 64 hex digits. */
  reveal(): string {
    return this.#hex;
  }
  toString(): string {
    return "[join secret]";
  }
  toJSON(): string {
    return this.toString();
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

export type JoinToken = {
  /** The coordinator's base address, `http` or `https`, without a slash at its end. */
  url: string;
  coordinator: Pubkey;
  secret: JoinSecret;
};
export type JoinTokenError = { code: "join_token_invalid"; message: string };

const invalid = (message: string): Result<never, JoinTokenError> =>
  err({ code: "join_token_invalid", message: `not a join token: ${message}` });

/** What a coordinator stores instead of the secret: 64 hex digits. The secret has 256 random bits, so no salt. */
export const hashJoinSecret = (secret: JoinSecret): string =>
  toHex(sha256(utf8ToBytes(`infernet-join-secret-v1\n${secret.reveal()}`)));

/** Random secret of a new token; `random` gives that many random bytes. */
export const newJoinSecret = (random: (bytes: number) => Uint8Array): JoinSecret =>
  new JoinSecret(toHex(random(SECRET_BYTES)));

/** Refuses addresses that are not plain `http`/`https` bases or too long. */
export function encodeJoinToken(token: JoinToken): Result<string, JoinTokenError> {
  const url = baseUrl(token.url);
  if (url === null) return invalid("the address must be http:// or https:// without user, query or fragment");
  const urlBytes = utf8ToBytes(url);
  if (urlBytes.length > MAX_JOIN_URL_BYTES) return invalid(`the address is longer than ${MAX_JOIN_URL_BYTES} bytes`);
  const secret = fromHex(token.secret.reveal());
  const content = concatBytes(Uint8Array.of(VERSION), fromHex(token.coordinator), secret, urlBytes);
  const bytes = concatBytes(content, sha256(content).subarray(0, CHECKSUM_BYTES));
  return ok(JOIN_TOKEN_PREFIX + Buffer.from(bytes).toString("base64url"));
}

/** Reads a token as pasted; white space around it does no harm. No message ever repeats the token. */
export function decodeJoinToken(text: string): Result<JoinToken, JoinTokenError> {
  const token = text.trim();
  if (!token.startsWith(JOIN_TOKEN_PREFIX)) return invalid(`it must begin with ${JOIN_TOKEN_PREFIX}`);
  const encoded = token.slice(JOIN_TOKEN_PREFIX.length);
  if (!/^[A-Za-z0-9_-]*$/.test(encoded)) return invalid("it has characters that no token has; copy it as one line");
  const bytes = new Uint8Array(Buffer.from(encoded, "base64url"));
  if (bytes.length <= HEAD_BYTES + CHECKSUM_BYTES) return invalid("it is too short; copy the whole line");
  if (bytes.length > HEAD_BYTES + MAX_JOIN_URL_BYTES + CHECKSUM_BYTES) return invalid("it is too long");
  const content = bytes.subarray(0, -CHECKSUM_BYTES);
  const checksum = toHex(bytes.subarray(-CHECKSUM_BYTES));
  if (checksum !== toHex(sha256(content).subarray(0, CHECKSUM_BYTES)) || !isCanonical(bytes, encoded)) {
    return invalid("its checksum does not fit; a part is missing or was changed, copy it again");
  }
  if (content[0] !== VERSION) return invalid("it was made by a newer version; update this node");
  const address = Buffer.from(content.subarray(HEAD_BYTES)).toString("utf8");
  if (baseUrl(address) !== address) return invalid("its address is not a coordinator's");
  const secret = new JoinSecret(toHex(content.subarray(33, HEAD_BYTES)));
  return ok({ url: address, coordinator: pubkeySchema.parse(toHex(content.subarray(1, 33))), secret });
}

/** `text` with every join token in it made unreadable; for logs and errors that quote what a user gave. */
export const hideJoinTokens = (text: string): string => text.replaceAll(/infjoin_[A-Za-z0-9_-]+/g, "infjoin_…");

const isCanonical = (bytes: Uint8Array, encoded: string): boolean =>
  Buffer.from(bytes).toString("base64url") === encoded;

/** The address in one spelling, or null where it cannot be a coordinator's. */
function baseUrl(text: string): string | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") return null;
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") return null;
  return url.href.replace(/\/+$/, "");
}

// The envelope of `X-Infernet-Auth`: unpadded base64url of a small JSON object. Parsing is strict and bounded, since
// anybody can send one; signing and verifying are in auth-v1.ts and auth-v2.ts.
import { z } from "zod";
import { err, ok, type Result } from "../lib/result.ts";
import { hex128Schema, pubkeySchema } from "./primitives.ts";

export const AUTH_HEADER = "x-infernet-auth";
/** Longest header looked at. A v2 envelope with the longest nonce needs about 650. */
export const MAX_AUTH_HEADER_CHARS = 1024;
/** A request is good for this long on either side of its `created_at`. */
export const AUTH_WINDOW_S = 60;

const base = {
  pubkey: pubkeySchema,
  /** Unix seconds. */
  created_at: z.int().min(0),
  /** Any printable ASCII without spaces: a line break would let one field pose as another in the canonical string. */
  nonce: z.string().regex(/^[\x21-\x7e]{1,128}$/, "must be 1 to 128 printable ASCII characters"),
  sig: hex128Schema,
};
/** Version 1, of the existing daemons. Fields it does not know are ignored: they are not signed and mean nothing. */
export const authV1Schema = z.object({ v: z.literal(1), ...base });
/** Version 2, ours. A field it does not know is refused: what is not signed does not travel. */
export const authV2Schema = z.strictObject({ v: z.literal(2), ...base, aud: pubkeySchema });
export type AuthV1 = z.infer<typeof authV1Schema>;
export type AuthV2 = z.infer<typeof authV2Schema>;
export type AuthEnvelope = AuthV1 | AuthV2;

export type EnvelopeError = {
  code: "header_missing" | "header_malformed" | "version_unsupported";
  /** What is wrong, in words for the sender. */
  message: string;
};

const malformed = (message: string): Result<never, EnvelopeError> =>
  err({ code: "header_malformed", message: `${AUTH_HEADER}: ${message}` });

/** What is signed of a request, whatever the version. */
export type SignedRequest = {
  /** Any case; signed in upper case. */
  method: string;
  /** As received: path and query, without scheme and host. */
  path: string;
  createdAtS: number;
  nonce: string;
  /** Lower-case hex of sha256 over the raw body; of nothing where there is none. */
  bodySha256: string;
};

/** The lines that both versions sign. */
export const requestLines = (request: SignedRequest): string[] => [
  request.method.toUpperCase(),
  request.path,
  String(request.createdAtS),
  request.nonce,
  request.bodySha256,
];

/** Unpadded base64url (RFC 4648 §5) of the envelope's JSON. */
export const encodeAuthHeader = (envelope: AuthEnvelope): string =>
  Buffer.from(JSON.stringify(envelope)).toString("base64url");

/** Reads a header. Says nothing about the signature. */
export function parseAuthHeader(header: string | null): Result<AuthEnvelope, EnvelopeError> {
  if (header === null || header === "") return err({ code: "header_missing", message: `${AUTH_HEADER} is missing` });
  if (header.length > MAX_AUTH_HEADER_CHARS) return malformed(`longer than ${MAX_AUTH_HEADER_CHARS} characters`);
  const text = decodeBase64Url(header);
  if (text === null) return malformed("not unpadded base64url of UTF-8");
  const json = parseJson(text);
  if (!json.ok || typeof json.value !== "object" || json.value === null || Array.isArray(json.value)) {
    return malformed("not a JSON object");
  }
  return parseEnvelope(json.value);
}

function parseEnvelope(json: object): Result<AuthEnvelope, EnvelopeError> {
  const v = "v" in json ? json.v : undefined;
  if (typeof v !== "number") return malformed("v: must be a number");
  if (v !== 1 && v !== 2) {
    return err({ code: "version_unsupported", message: `${AUTH_HEADER}: version ${v} is not supported, use 2` });
  }
  const parsed = v === 1 ? authV1Schema.safeParse(json) : authV2Schema.safeParse(json);
  if (parsed.success) return ok(parsed.data);
  const issue = parsed.error.issues[0];
  return malformed(issue ? `${issue.path.join(".") || "envelope"}: ${issue.message}` : "does not fit");
}

/** Null for padding, other alphabets, bits left over in the last character and bytes that are not UTF-8. */
function decodeBase64Url(text: string): string | null {
  if (!/^[A-Za-z0-9_-]+$/.test(text)) return null;
  const bytes = Buffer.from(text, "base64url");
  if (bytes.toString("base64url") !== text) return null;
  const decoded = bytes.toString("utf8");
  return Buffer.from(decoded, "utf8").equals(bytes) ? decoded : null;
}

function parseJson(text: string): Result<unknown, "not_json"> {
  try {
    return ok(JSON.parse(text));
  } catch {
    return err("not_json");
  }
}

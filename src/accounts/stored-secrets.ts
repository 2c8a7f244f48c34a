// Stored secrets: what is kept in the database and has to be read back, encrypted under a key that is not in it. What only
// has to be recognised (API keys, tokens, passwords) is hashed instead. As stored: `sealed.v1.` and base64url (encrypted.ts).
import { err, ok, type Result } from "../lib/result.ts";
import { decrypt, encrypt } from "./encrypted.ts";
import type { Random } from "./secrets.ts";

/** Where it stands: what it is, and the id of its row. In another place it is not read. */
export type SecretPlace = { purpose: "webhook"; id: string };
export type StoredSecrets = {
  seal(place: SecretPlace, secret: string): string;
  /** `sealed_otherwise`: under another key, in another place, or changed since. */
  open(place: SecretPlace, stored: string): Result<string, "sealed_otherwise">;
};

const PREFIX = "sealed.v1.";
/** False of what was stored before such things were sealed. */
export const isSealed = (stored: string): boolean => stored.startsWith("sealed.");

/** `key`: 32 bytes. */
export function storedSecrets(key: Uint8Array, random: Random): StoredSecrets {
  const nameOf = ({ purpose, id }: SecretPlace) => `infernet-stored-v1\n${purpose}\n${id}`;
  return {
    seal: (place, secret) => PREFIX + encrypt({ key, random }, nameOf(place), secret).toString("base64url"),
    open(place, stored) {
      const bytes = Buffer.from(stored.slice(PREFIX.length), "base64url");
      const isWhole = stored === PREFIX + bytes.toString("base64url");
      const secret = isWhole ? decrypt(key, nameOf(place), bytes) : null;
      return secret === null ? err("sealed_otherwise") : ok(secret);
    },
  };
}

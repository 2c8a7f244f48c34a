// Door: who may look at a node's own dashboard: whoever opened it with a link that a command on its machine gave. Links
// and sessions are in memory only: a restart ends them.
import { hashSecret, isSameText, isSecret, newSecret, type Random } from "../../accounts/secrets.ts";
import type { Clock } from "../../lib/clock.ts";

/** A link is good for one opening within this time. */
export const LINK_MS = 10 * 60_000;
const SESSION_MS = 7 * 24 * 3_600_000;
/** The oldest goes where one more is made. */
const MAX_LINKS = 16;
const MAX_SESSIONS = 32;

export type Door = {
  /** A secret that opens it once. */
  newLink(): { secret: string; expiresMs: number };
  /** The token of a new session; null where the secret opens nothing. */
  open(secret: string): string | null;
  /** What the session's pages prove themselves with; null where there is no such session. */
  find(token: string | null): { csrf: string } | null;
  close(token: string): void;
};
export const SESSION_S = SESSION_MS / 1000;

export function createDoor({ clock, random }: { clock: Pick<Clock, "nowMs">; random: Random }): Door {
  /** Hashes of secrets and tokens, and when they end. */
  const links = new Map<string, number>();
  const sessions = new Map<string, number>();
  const remember = (among: Map<string, number>, hash: string, endsMs: number, most: number) => {
    among.set(hash, endsMs);
    for (const oldest of among.keys()) {
      if (among.size <= most) return;
      among.delete(oldest);
    }
  };
  const isOpen = (endsMs: number | undefined) => endsMs !== undefined && clock.nowMs() < endsMs;
  return {
    newLink() {
      const secret = newSecret(random);
      const expiresMs = clock.nowMs() + LINK_MS;
      remember(links, hashSecret("link", secret), expiresMs, MAX_LINKS);
      return { secret, expiresMs };
    },
    open(secret) {
      if (!isSecret(secret)) return null;
      const hash = hashSecret("link", secret);
      const endsMs = links.get(hash);
      links.delete(hash);
      if (!isOpen(endsMs)) return null;
      const token = newSecret(random);
      remember(sessions, hashSecret("session", token), clock.nowMs() + SESSION_MS, MAX_SESSIONS);
      return token;
    },
    find(token) {
      if (token === null || !isSecret(token) || !isOpen(sessions.get(hashSecret("session", token)))) return null;
      return { csrf: csrfOf(token) };
    },
    close: (token) => void sessions.delete(hashSecret("session", token)),
  };
}

const csrfOf = (token: string): string =>
  new Bun.CryptoHasher("sha256", token).update("infernet-csrf-v1").digest("base64url");

export const isProof = (given: unknown, csrf: string): boolean => typeof given === "string" && isSameText(given, csrf);

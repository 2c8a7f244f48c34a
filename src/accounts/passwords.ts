// Passwords: hashed with argon2id by the runtime, a few at a time, since each takes tens of MiB and a core.
import { z } from "zod";
import { err, ok, type Result } from "../lib/result.ts";

/** Length is all that is asked for: composition rules only make passwords worse (NIST SP 800-63B §3.1.1.2). */
export const passwordSchema = z.string().min(10, "must have 10 characters or more").max(256, "may have 256 characters");
/** A password that somebody tries: what could never be one is tried all the same, so that nothing is told apart. */
export const triedPasswordSchema = z.string().max(1024);

export type Passwords = {
  /** A PHC string. `busy`: too many wait already. */
  hash(password: string): Promise<Result<string, "busy">>;
  /** Whether it is this hash's password. Takes as long where there is no hash, and is false then. */
  verify(password: string, hash: string | null): Promise<Result<boolean, "busy">>;
};

export type PasswordCost = {
  /** KiB. */
  memory: number;
  passes: number;
};
/** OWASP's first choice for argon2id (Password Storage Cheat Sheet): m=47104 (46 MiB), t=1, p=1. */
const COST: PasswordCost = { memory: 46 * 1024, passes: 1 };
const AT_ONCE = 2;
const MAX_WAITING = 64;

export function createPasswords(cost: PasswordCost = COST): Passwords {
  const options = { algorithm: "argon2id", memoryCost: cost.memory, timeCost: cost.passes } as const;
  const turn = turns();
  // Of a password that nobody can type: verified where there is none, for the time that it takes.
  let nobodys: Promise<string> | null = null;
  const plain = (password: string) => password.normalize("NFKC");
  return {
    hash: (password) => turn(() => Bun.password.hash(plain(password), options)),
    async verify(password, hash) {
      nobodys ??= Bun.password.hash(crypto.randomUUID(), options);
      const against = hash ?? (await nobodys);
      const fits = await turn(() => Bun.password.verify(plain(password), against));
      return fits.ok ? ok(fits.value && hash !== null) : fits;
    },
  };
}

/** Runs so many at once; as many may wait as are allowed to. */
function turns(): <T>(act: () => Promise<T>) => Promise<Result<T, "busy">> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (act) => {
    if (running >= AT_ONCE) {
      if (waiting.length >= MAX_WAITING) return err("busy");
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else running += 1;
    try {
      return ok(await act());
    } finally {
      // Whoever is next has this place.
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}

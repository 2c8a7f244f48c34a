// People for tests: everything that users and sessions work with, over a test's database, with passwords that are cheap
// to hash and mail that goes nowhere.
import type { Db } from "../../db/open.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Mail, Mailer } from "../mail.ts";
import { createPasswords } from "../passwords.ts";
import type { People, PeopleSettings } from "../people.ts";

/** One set for all tests of a process: its hash of nobody's password is made once. */
const passwords = createPasswords({ memory: 8, passes: 1 });

let drawn = 0;
/**
 * Bytes that never came before in this process, and the same in every run: what is counted of two people falls into one
 * row (attempts.ts) always or never.
 */
function random(bytes: number): Uint8Array {
  const all = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 32) {
    const digest = new Bun.CryptoHasher("sha256").update(`${drawn++}`).digest();
    all.set(digest.subarray(0, bytes - at), at);
  }
  return all;
}

export const testPeople = (
  { db, clock }: { db: Db; clock: Pick<Clock, "nowMs"> },
  { mail = null, ...settings }: Partial<PeopleSettings> & { mail?: Mailer | null } = {},
): People => ({
  db,
  clock,
  random,
  passwords,
  settings: { signUp: "open", sessionIdleMs: 3_600_000, sessionLifeMs: 86_400_000, ...settings },
  mail,
  attemptsKey: new Uint8Array(32).fill(3),
  url: () => "https://infer.example",
});

/** Keeps what it is given. */
export function testMailer(): Mailer & { sent: Mail[] } {
  const sent: Mail[] = [];
  return { sent, send: (mail) => void sent.push(mail), settled: async () => undefined };
}

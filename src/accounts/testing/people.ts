// People for tests: everything that users and sessions work with, over a test's database, with passwords that are cheap
// to hash and mail that goes nowhere.
import type { Db } from "../../db/open.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Mail, Mailer } from "../mail.ts";
import { createPasswords } from "../passwords.ts";
import type { People, PeopleSettings } from "../people.ts";

/** One set for all tests of a process: its hash of nobody's password is made once. */
const passwords = createPasswords({ memory: 8, passes: 1 });

export const testPeople = (
  { db, clock }: { db: Db; clock: Pick<Clock, "nowMs"> },
  { mail = null, ...settings }: Partial<PeopleSettings> & { mail?: Mailer | null } = {},
): People => ({
  db,
  clock,
  random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
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

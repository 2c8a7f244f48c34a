// Sign-in: an address and a password become a session. Wrong tries are counted for the address of the person, for the
// network address and for both together; an address that nobody has costs the same time and gets the same answer.
import { eq } from "drizzle-orm";
import ipaddr from "ipaddr.js";
import type { Drizzle } from "../db/executor.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { type Allowance, countAttempt, giveBack } from "./attempts.ts";
import { audit } from "./audit.ts";
import { deviceOf, newDevice } from "./devices.ts";
import { revokeLinks } from "./one-time-links.ts";
import type { Origin, People } from "./people.ts";
import { sessions, type UserRow, users } from "./schema.ts";
import { endSession, openSession, type SignedIn } from "./sessions.ts";
import { findUser } from "./users.ts";

export type TooMany = { code: "too_many_attempts"; retryAfterS: number };
export type SignInRefusal = TooMany | { code: "wrong_credentials" } | { code: "busy" };

const MINUTE_MS = 60_000;
/** Each has an entry in the audit log, which only grows. */
const SESSIONS_PER_HOUR = 300;

export type Credentials = {
  /** Normalised. */
  email: string;
  password: string;
  /** What this browser kept from an earlier sign-in. */
  device?: string | null;
};

/** A new session and what the browser is to keep. The session that it had before ends. */
export type Admitted = { token: string; userId: string; device: string };

export async function signIn(
  people: People,
  credentials: Credentials,
  origin: Origin,
  /** The token of the session that the browser has now. */
  before: string | null = null,
): Promise<Result<Admitted, SignInRefusal>> {
  const proved = await proveUser(people, credentials, origin);
  if (!proved.ok) return proved;
  const allowed = await allow(people, [
    { name: `session/${proved.value.id}`, limit: SESSIONS_PER_HOUR, perMs: 60 * MINUTE_MS },
  ]);
  if (!allowed.ok) return allowed;
  const token = await people.db.writer.transact(async (tx) => {
    const user = await stillProved(tx, proved.value);
    if (user === null) return null;
    if (before !== null) await endSession(tx, before);
    return await openSession(tx, people, user, origin);
  });
  if (token === null) return err({ code: "wrong_credentials" });
  return ok({ token, userId: proved.value.id, device: keptDevice(people, credentials) });
}

/** Whose password was proved, as they are now; null where it was changed or they were shut out while it was looked at. */
async function stillProved(tx: Drizzle, { id, passwordHash }: UserRow): Promise<UserRow | null> {
  const user = await findUser(tx, id);
  return user?.disabledMs === null && user.passwordHash === passwordHash ? user : null;
}

const keptDevice = ({ attemptsKey, random }: People, { email, device = null }: Credentials): string =>
  device !== null && deviceOf(attemptsKey, email, device) !== null ? device : newDevice(attemptsKey, email, random);

/** The user whose password this is. Refused alike where there is no such user, they have none, or are shut out. */
export async function proveUser(
  people: People,
  { email, password, device = null }: Credentials,
  { address }: Origin,
): Promise<Result<UserRow, SignInRefusal>> {
  const { db, passwords, attemptsKey: key } = people;
  const allowances = allowancesOf(email, address, deviceOf(key, email, device));
  const counted = await count(people, allowances, address);
  if (!counted.ok) return counted;
  const user = await findUser(db.read, email);
  const fits = await passwords.verify(password, user?.disabledMs === null ? user.passwordHash : null);
  // What was right or not looked at is no wrong try.
  if (!fits.ok || fits.value) await db.writer.transact((tx) => giveBack(tx, key, allowances), { durable: false });
  if (!fits.ok) return err({ code: "busy" });
  return fits.value && user !== undefined ? ok(user) : err({ code: "wrong_credentials" });
}

function allowancesOf(email: string, address: string, device: string | null): Allowance[] {
  if (device !== null) return [{ name: `sign-in/device/${device}`, limit: 10, perMs: 15 * MINUTE_MS }];
  const network = networkOf(address);
  return [
    { name: `sign-in/both/${email}/${network}`, limit: 10, perMs: 15 * MINUTE_MS },
    { name: `sign-in/email/${email}`, limit: 50, perMs: 60 * MINUTE_MS },
    fromNetwork("sign-in/address", address, 100, 15 * MINUTE_MS),
  ];
}

/** Who is taken for one: an IPv4 address, or the /64 that one subscriber has. */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  return parsed instanceof ipaddr.IPv6 ? parsed.parts.slice(0, 4).join(":") : parsed.toString();
}

/** Whether an address is a private one: that of a proxy perhaps, with many behind it. */
export const isNear = (address: string): boolean =>
  !ipaddr.isValid(address) || ipaddr.process(address).range() !== "unicast";

/** What one network may do so often; ten times that from a private address. */
export function fromNetwork(name: string, address: string, limit: number, perMs: number): Allowance {
  return { name: `${name}/${networkOf(address)}`, limit: isNear(address) ? limit * 10 : limit, perMs };
}

/** Counts a try, and notes it where it was the last that is allowed for now. */
async function count(people: People, allowances: Allowance[], address: string): Promise<Result<void, TooMany>> {
  const { db, clock, attemptsKey: key } = people;
  const nowMs = clock.nowMs();
  return await db.writer.transact(
    async (tx): Promise<Result<void, TooMany>> => {
      const counted = await countAttempt(tx, { key, nowMs }, allowances);
      if (!counted.allowed) return err(tooMany(counted.retryAfterMs));
      if (counted.wasLast) {
        const entry = { action: "login.failed_throttled", subject: address, from: address } as const;
        await audit(tx, { atMs: nowMs, actor: "system", ...entry });
      }
      return ok(undefined);
    },
    { durable: false },
  );
}

const tooMany = (retryAfterMs: number): TooMany => ({
  code: "too_many_attempts",
  retryAfterS: Math.max(1, Math.ceil(retryAfterMs / 1000)),
});

/** Counts what is allowed so often: mails, sign-ups, changes. */
export async function allow(
  { db, clock, attemptsKey: key }: Pick<People, "db" | "clock" | "attemptsKey">,
  allowances: readonly Allowance[],
): Promise<Result<void, TooMany>> {
  const counted = await db.writer.transact((tx) => countAttempt(tx, { key, nowMs: clock.nowMs() }, allowances), {
    durable: false,
  });
  return counted.allowed ? ok(undefined) : err(tooMany(counted.retryAfterMs));
}

/**
 * Changes the password of whoever is signed in and knows the present one. All their sessions end; `token` is of a new
 * one. `password_not_set`: they have none, and set one by a link.
 */
export async function changePassword(
  people: People,
  { user }: SignedIn,
  { current, next, device = null }: { current: string; next: string; device?: string | null },
  origin: Origin,
): Promise<Result<{ token: string }, SignInRefusal | { code: "password_not_set" }>> {
  if (!user.hasPassword) return err({ code: "password_not_set" });
  const proved = await proveUser(people, { email: user.email, password: current, device }, origin);
  if (!proved.ok) return proved;
  const hash = await people.passwords.hash(next);
  if (!hash.ok) return err({ code: "busy" });
  const token = await people.db.writer.transact(async (tx) => {
    const row = await stillProved(tx, proved.value);
    if (row === null) return null;
    const nowMs = people.clock.nowMs();
    await tx.update(users).set({ passwordHash: hash.value }).where(eq(users.id, user.id));
    await tx.delete(sessions).where(eq(sessions.userId, user.id));
    await revokeLinks(tx, nowMs, { kind: "password", userId: user.id });
    const actor = `user/${user.id}` as const;
    const entry = { actor, from: origin.address, action: "user.password_changed", subject: user.id } as const;
    await audit(tx, { atMs: nowMs, ...entry });
    return await openSession(tx, people, row, origin);
  });
  return token === null ? err({ code: "wrong_credentials" }) : ok({ token });
}

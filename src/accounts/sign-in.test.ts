import { expect, test } from "bun:test";
import { testDatabase } from "../db/test-database.ts";
import { manualClock } from "../lib/clock.ts";
import { err } from "../lib/result.ts";
import { listAudit } from "./audit-list.ts";
import { LOCAL_CALLER } from "./caller.ts";
import { createPasswordLink, requestPasswordMail, setPasswordByLink } from "./password-links.ts";
import { findSession, listSessions, revokeSessions } from "./sessions.ts";
import { changePassword, fromNetwork, networkOf, signIn } from "./sign-in.ts";
import { testMailer, testPeople } from "./testing/people.ts";
import { insertUser, setUserDisabled, setUserRoles } from "./users.ts";

const PASSWORD = "correct horse";
const HERE = { address: "198.51.100.4", userAgent: "a browser" };

async function house(mail = testMailer()) {
  const database = await testDatabase();
  const clock = manualClock();
  const people = testPeople({ db: database.db, clock }, { mail });
  const hash = await people.passwords.hash(PASSWORD);
  const passwordHash = hash.ok ? hash.value : null;
  const add = async (email: string, hashed = passwordHash) => {
    const user = { email, name: email, passwordHash: hashed, roles: ["client"] as const };
    const made = await database.db.writer.transact((tx) => insertUser(tx, people, user, LOCAL_CALLER));
    if (!made.ok) throw new Error(made.error);
    return made.value;
  };
  const enter = async (email: string, password = PASSWORD, more: { device?: string; from?: string } = {}) =>
    await signIn(
      people,
      { email, password, device: more.device ?? null },
      { ...HERE, address: more.from ?? HERE.address },
    );
  const token = async (email: string) => {
    const admitted = await enter(email);
    if (!admitted.ok) throw new Error(admitted.error.code);
    return admitted.value.token;
  };
  return { people, clock, mail, add, enter, token, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() };
}

test("a session stands for its user, for its idle time and its whole time, and is stored as a hash only", async () => {
  await using on = await house();
  const anna = await on.add("anna@example.org");
  const token = await on.token("anna@example.org");
  expect(await findSession(on.people, token)).toMatchObject({
    user: { id: anna.id, roles: ["client"] },
    account: { id: anna.accountId, kind: "user" },
    memberRole: "owner",
  });
  expect(JSON.stringify(await on.people.db.query("SELECT * FROM sessions"))).not.toContain(token);
  const { sessionIdleMs, sessionLifeMs } = on.people.settings;
  on.clock.advance(sessionIdleMs - 1);
  expect(await findSession(on.people, token)).toBeDefined();
  // Used, so that its idle time begins anew.
  on.clock.advance(sessionIdleMs - 1);
  expect(await findSession(on.people, token)).toBeDefined();
  on.clock.advance(sessionIdleMs);
  expect(await findSession(on.people, token)).toBeUndefined();
  const other = await on.token("anna@example.org");
  for (let usedMs = 0; usedMs < sessionLifeMs - 1_800_000; usedMs += 1_800_000) {
    expect(await findSession(on.people, other)).toBeDefined();
    on.clock.advance(1_800_000);
  }
  on.clock.advance(1_800_000);
  expect(await findSession(on.people, other)).toBeUndefined();
});

test("what is no session's token is none, whatever it looks like", async () => {
  await using on = await house();
  await on.add("anna@example.org");
  const token = await on.token("anna@example.org");
  for (const wrong of ["", "x", token.slice(1), `${token}x`, token.toLowerCase(), "%".repeat(43), "' OR 1=1 --"]) {
    expect(await findSession(on.people, wrong)).toBeUndefined();
  }
});

test("a wrong password, an unknown address, a user without password and one who is shut out get one answer", async () => {
  await using on = await house();
  await on.add("anna@example.org");
  await on.add("none@example.org", null);
  const gone = await on.add("gone@example.org");
  expect((await setUserDisabled(on.people, gone.id, true, LOCAL_CALLER)).ok).toBe(true);
  const refused = { ok: false, error: { code: "wrong_credentials" } } as const;
  expect(await on.enter("anna@example.org", "wrong password")).toEqual(refused);
  for (const email of ["nobody@example.org", "none@example.org", "gone@example.org"]) {
    expect(await on.enter(email)).toEqual(refused);
  }
  expect((await on.enter("anna@example.org")).ok).toBe(true);
});

test("wrong tries are slowed down, for addresses that nobody has too, and never for good", async () => {
  await using on = await house();
  await on.add("anna@example.org");
  for (const email of ["anna@example.org", "nobody@example.org"]) {
    for (let i = 0; i < 10; i += 1)
      expect(await on.enter(email, "wrong password")).toMatchObject({ error: { code: "wrong_credentials" } });
    expect(await on.enter(email)).toEqual({ ok: false, error: { code: "too_many_attempts", retryAfterS: 900 } });
  }
  on.clock.advance(900_000);
  expect((await on.enter("anna@example.org")).ok).toBe(true);
  const noted = await listAudit({ db: on.people.db }, 100, { action: "login.failed_throttled" });
  expect(noted.map(({ subject }) => subject)).toEqual([HERE.address, HERE.address]);
});

test("an address that nobody has costs a password's verification, as every other does", async () => {
  await using on = await house();
  await on.add("anna@example.org");
  await on.add("none@example.org", null);
  await on.add("gone@example.org");
  await setUserDisabled(on.people, "gone@example.org", true, LOCAL_CALLER);
  const hashes: (string | null)[] = [];
  const { passwords } = on.people;
  const counting = {
    ...on.people,
    passwords: {
      ...passwords,
      verify(password: string, hash: string | null) {
        hashes.push(hash);
        return passwords.verify(password, hash);
      },
    },
  };
  for (const email of ["anna@example.org", "nobody@example.org", "none@example.org", "gone@example.org"]) {
    await signIn(counting, { email, password: "wrong password" }, HERE);
  }
  expect(hashes).toEqual([expect.stringContaining("$argon2id$"), null, null, null]);
});

test("good sign-ins are not counted", async () => {
  await using on = await house();
  await on.add("anna@example.org");
  for (let i = 0; i < 30; i += 1) expect((await on.enter("anna@example.org")).ok).toBe(true);
});

test("whoever knows the password opens so many sessions and no more: each is in the audit log for good", async () => {
  await using on = await house();
  await on.add("anna@example.org");
  expect((await on.enter("anna@example.org")).ok).toBe(true);
  await on.people.db.writer.batch("UPDATE attempts SET n = n + ? WHERE n > 0", [[299]]);
  expect(await on.enter("anna@example.org")).toMatchObject({ error: { code: "too_many_attempts" } });
  on.clock.advance(3_600_000);
  expect((await on.enter("anna@example.org")).ok).toBe(true);
});

test("strangers from everywhere slow an address down, but not the browser that its owner used before", async () => {
  await using on = await house();
  await on.add("anna@example.org");
  const first = await on.enter("anna@example.org");
  if (!first.ok) throw new Error("refused");
  const { device } = first.value;
  const strangers = Array.from({ length: 60 }, (_, i) => `203.0.113.${i}`);
  for (const from of strangers) await on.enter("anna@example.org", "wrong password", { from });
  const throttled = { error: { code: "too_many_attempts" } };
  expect(await on.enter("anna@example.org", PASSWORD, { from: "192.0.2.1" })).toMatchObject(throttled);
  expect((await on.enter("anna@example.org", PASSWORD, { device })).ok).toBe(true);
  // It is hers alone, and is slowed down by itself.
  await on.add("bert@example.org");
  for (let i = 0; i < 10; i += 1) await on.enter("anna@example.org", "wrong password", { device });
  expect(await on.enter("anna@example.org", PASSWORD, { device })).toMatchObject(throttled);
  for (let i = 0; i < 10; i += 1) await on.enter("bert@example.org", "wrong password", { device });
  expect(await on.enter("bert@example.org", PASSWORD, { device })).toMatchObject(throttled);
});

test("a browser keeps its mark, and a mark of another address or made up is none", async () => {
  await using on = await house();
  await on.add("anna@example.org");
  await on.add("bert@example.org");
  const deviceAfter = async (email: string, device: string) => {
    const admitted = await on.enter(email, PASSWORD, { device });
    return admitted.ok ? admitted.value.device : null;
  };
  const own = await deviceAfter("anna@example.org", "");
  expect(own).toMatch(/^[0-9a-f]{32}\.[0-9a-f]{64}$/);
  expect(await deviceAfter("anna@example.org", `${own}`)).toBe(own);
  expect(await deviceAfter("bert@example.org", `${own}`)).not.toBe(own);
  for (const digit of ["0", "é"]) {
    const made = `${"0".repeat(32)}.${digit.repeat(64)}`;
    expect(await deviceAfter("anna@example.org", made)).toMatch(/^[0-9a-f]{32}\.[0-9a-f]{64}$/);
    expect(await deviceAfter("anna@example.org", made)).not.toBe(made);
  }
});

test("a private address, perhaps a proxy's, is given more than one of a stranger", () => {
  const limitOf = (address: string) => fromNetwork("a", address, 100, 1).limit;
  expect(["203.0.113.9", "2600::1"].map(limitOf)).toEqual([1_000, 100]);
  expect(["8.8.8.8", "127.0.0.1", "10.1.2.3", "fd00::1", "unknown"].map(limitOf)).toEqual([
    100, 1_000, 1_000, 1_000, 1_000,
  ]);
});

test("a subscriber is one network, however many IPv6 addresses it has", () => {
  expect(networkOf("2001:db8:1:2::1")).toBe(networkOf("2001:db8:1:2:ffff::9"));
  expect(networkOf("2001:db8:1:2::1")).not.toBe(networkOf("2001:db8:1:3::1"));
  expect(networkOf("::ffff:192.0.2.1")).toBe("192.0.2.1");
});

test("whoever signs in again has a new session, and the one that the browser had is over", async () => {
  await using on = await house();
  await on.add("anna@example.org");
  const before = await on.token("anna@example.org");
  const again = await signIn(on.people, { email: "anna@example.org", password: PASSWORD }, HERE, before);
  expect(again.ok && again.value.token !== before).toBe(true);
  expect(await findSession(on.people, before)).toBeUndefined();
});

test("a token that the browser had beforehand never becomes a session", async () => {
  await using on = await house();
  await on.add("anna@example.org");
  const planted = "P".repeat(43);
  const admitted = await signIn(on.people, { email: "anna@example.org", password: PASSWORD }, HERE, planted);
  expect(admitted.ok && admitted.value.token !== planted).toBe(true);
  expect(await findSession(on.people, planted)).toBeUndefined();
});

test("a new password ends every session, and takes the old one to be set", async () => {
  await using on = await house();
  await on.add("anna@example.org");
  const [one, two] = [await on.token("anna@example.org"), await on.token("anna@example.org")];
  const signedIn = await findSession(on.people, one);
  if (!signedIn) throw new Error("not signed in");
  const wrong = await changePassword(on.people, signedIn, { current: "wrong password", next: "a new password" }, HERE);
  expect(wrong).toMatchObject({ error: { code: "wrong_credentials" } });
  const changed = await changePassword(on.people, signedIn, { current: PASSWORD, next: "a new password" }, HERE);
  if (!changed.ok) throw new Error(changed.error.code);
  for (const token of [one, two]) expect(await findSession(on.people, token)).toBeUndefined();
  expect(await findSession(on.people, changed.value.token)).toBeDefined();
  expect((await on.enter("anna@example.org")).ok).toBe(false);
  expect((await on.enter("anna@example.org", "a new password")).ok).toBe(true);
});

test("whoever was signing in with the old password while a new one was set is not in", async () => {
  await using on = await house();
  await on.add("anna@example.org");
  const link = await createPasswordLink(on.people, "anna@example.org", LOCAL_CALLER);
  const secret = link.ok ? (link.value.link.split("#")[1] ?? "") : "";
  const { passwords } = on.people;
  const verify: typeof passwords.verify = async (password, hash) => {
    await setPasswordByLink(on.people, { secret, password: "a new password" }, HERE);
    return await passwords.verify(password, hash);
  };
  const slow = { ...on.people, passwords: { ...passwords, verify } };
  const entered = await signIn(slow, { email: "anna@example.org", password: PASSWORD }, HERE);
  expect(entered).toEqual({ ok: false, error: { code: "wrong_credentials" } });
});

test("a try that nobody had time to look at is not counted", async () => {
  await using on = await house();
  await on.add("anna@example.org");
  const { passwords } = on.people;
  const busy = { ...on.people, passwords: { ...passwords, verify: async () => err("busy" as const) } };
  for (let i = 0; i < 30; i += 1) {
    const entered = await signIn(busy, { email: "anna@example.org", password: PASSWORD }, HERE);
    expect(entered).toEqual({ ok: false, error: { code: "busy" } });
  }
  expect((await on.enter("anna@example.org")).ok).toBe(true);
});

test("what an admin decides about a user ends their sessions at once", async () => {
  await using on = await house();
  await on.add("anna@example.org");
  const one = await on.token("anna@example.org");
  expect((await setUserRoles(on.people, "anna@example.org", ["client", "operator"], LOCAL_CALLER)).ok).toBe(true);
  expect(await findSession(on.people, one)).toBeUndefined();
  const two = await on.token("anna@example.org");
  expect((await findSession(on.people, two))?.user.roles).toEqual(["operator", "client"]);
  await setUserDisabled(on.people, "anna@example.org", true, LOCAL_CALLER);
  expect(await findSession(on.people, two)).toBeUndefined();
});

test("one's own sessions are listed and ended, and nobody else's", async () => {
  await using on = await house();
  const anna = await on.add("anna@example.org");
  await on.add("bert@example.org");
  const [one, two] = [await on.token("anna@example.org"), await on.token("anna@example.org")];
  const berts = await on.token("bert@example.org");
  const bert = await findSession(on.people, berts);
  const sessions = await listSessions(on.people, anna.id);
  expect(sessions.map(({ address, userAgent }) => [address, userAgent])).toEqual([
    [HERE.address, HERE.userAgent],
    [HERE.address, HERE.userAgent],
  ]);
  const by = { actor: `user/${anna.id}`, from: "" } as const;
  expect(await revokeSessions(on.people, anna.id, { id: bert?.session.id ?? "" }, by)).toBe(0);
  const mine = (await findSession(on.people, two))?.session.id ?? "";
  expect(await revokeSessions(on.people, anna.id, { allBut: mine }, by)).toBe(1);
  expect(await findSession(on.people, one)).toBeUndefined();
  expect(await findSession(on.people, two)).toBeDefined();
  expect(await findSession(on.people, berts)).toBeDefined();
});

test("a user has a bounded number of sessions; the one used longest ago makes room", async () => {
  await using on = await house();
  const anna = await on.add("anna@example.org");
  const first = await on.token("anna@example.org");
  for (let i = 0; i < 50; i += 1) {
    on.clock.advance(1_000);
    await on.token("anna@example.org");
  }
  expect(await findSession(on.people, first)).toBeUndefined();
  expect((await listSessions(on.people, anna.id)).length).toBe(50);
});

const secretOf = (link: string) => link.split("#")[1] ?? "";

test("a password link sets a password once, and ends every session", async () => {
  await using on = await house();
  await on.add("anna@example.org");
  const token = await on.token("anna@example.org");
  const made = await createPasswordLink(on.people, "anna@example.org", LOCAL_CALLER);
  if (!made.ok) throw new Error(made.error);
  expect(made.value.link).toMatch(/^https:\/\/infer\.example\/password#[A-Za-z0-9_-]{43}$/);
  expect(JSON.stringify(await on.people.db.query("SELECT * FROM one_time_links"))).not.toContain(
    secretOf(made.value.link),
  );
  const use = () =>
    setPasswordByLink(on.people, { secret: secretOf(made.value.link), password: "a new password" }, HERE);
  const tries = await Promise.all([use(), use(), use()]);
  expect(tries.filter(({ ok }) => ok).length).toBe(1);
  expect(await use()).toEqual({ ok: false, error: { code: "link_not_valid" } });
  expect(await findSession(on.people, token)).toBeUndefined();
  expect((await on.enter("anna@example.org", "a new password")).ok).toBe(true);
});

test("a password link is good for an hour, until there is another, and while its user is let in", async () => {
  await using on = await house();
  await on.add("anna@example.org");
  const make = async () => {
    const made = await createPasswordLink(on.people, "anna@example.org", LOCAL_CALLER);
    return made.ok ? secretOf(made.value.link) : "";
  };
  const use = async (secret: string) =>
    (await setPasswordByLink(on.people, { secret, password: "a new password" }, HERE)).ok;
  const late = await make();
  on.clock.advance(3_600_000);
  expect(await use(late)).toBe(false);
  const replaced = await make();
  const latest = await make();
  expect(await use(replaced)).toBe(false);
  await setUserDisabled(on.people, "anna@example.org", true, LOCAL_CALLER);
  await setUserDisabled(on.people, "anna@example.org", false, LOCAL_CALLER);
  expect(await use(latest)).toBe(false);
  expect(await use(await make())).toBe(true);
});

test("a mail that strangers ask for ends no link, and the first link that is used ends the others", async () => {
  await using on = await house();
  await on.add("anna@example.org");
  const given = await createPasswordLink(on.people, "anna@example.org", LOCAL_CALLER);
  for (let i = 0; i < 2; i += 1) {
    const asked = await requestPasswordMail(on.people, "anna@example.org", HERE);
    if (asked.ok) await asked.value.done;
  }
  const links = [given.ok ? given.value.link : "", ...on.mail.sent.map(({ text }) => text)];
  const [admins = "", first = "", second = ""] = links.map((text) => /#([A-Za-z0-9_-]{43})/.exec(text)?.[1] ?? "");
  const set = (secret: string) => setPasswordByLink(on.people, { secret, password: "a new password" }, HERE);
  expect((await set(admins)).ok).toBe(true);
  for (const secret of [first, second]) expect(await set(secret)).toMatchObject({ error: { code: "link_not_valid" } });
});

test("a forgotten password's mail goes to users only, and whoever asks cannot tell", async () => {
  await using on = await house();
  await on.add("anna@example.org");
  for (const email of ["anna@example.org", "nobody@example.org"]) {
    const asked = await requestPasswordMail(on.people, email, HERE);
    if (!asked.ok) throw new Error(asked.error.code);
    await asked.value.done;
  }
  expect(on.mail.sent.map(({ to }) => to)).toEqual(["anna@example.org"]);
  const link = /https:\/\/infer\.example\/password#(\S+)/.exec(on.mail.sent[0]?.text ?? "")?.[1] ?? "";
  expect((await setPasswordByLink(on.people, { secret: link, password: "a new password" }, HERE)).ok).toBe(true);
  for (const email of ["anna@example.org", "nobody@example.org"]) {
    for (let i = 0; i < 2; i += 1) expect((await requestPasswordMail(on.people, email, HERE)).ok).toBe(true);
    expect(await requestPasswordMail(on.people, email, HERE)).toMatchObject({ error: { code: "too_many_attempts" } });
  }
});

test("the last admin who can sign in stays one", async () => {
  await using on = await house();
  await on.add("anna@example.org");
  await on.add("bert@example.org");
  const set = async (email: string, roles: ("admin" | "client")[]) =>
    (await setUserRoles(on.people, email, roles, LOCAL_CALLER)).ok;
  expect(await set("anna@example.org", ["admin"])).toBe(true);
  expect(await set("anna@example.org", ["client"])).toBe(false);
  expect((await setUserDisabled(on.people, "anna@example.org", true, LOCAL_CALLER)).ok).toBe(false);
  expect(await set("bert@example.org", ["admin"])).toBe(true);
  expect((await setUserDisabled(on.people, "bert@example.org", true, LOCAL_CALLER)).ok).toBe(true);
  expect(await set("anna@example.org", ["client"])).toBe(false);
});

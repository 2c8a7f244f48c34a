import { expect, test } from "bun:test";
import { testDatabase } from "../db/test-database.ts";
import { manualClock } from "../lib/clock.ts";
import { listAudit } from "./audit-list.ts";
import { type Caller, LOCAL_CALLER } from "./caller.ts";
import { createSetupLink, setUp } from "./first-admin.ts";
import {
  acceptInvitation,
  createInvitation,
  listInvitations,
  type NewInvitation,
  revokeInvitation,
} from "./invitations.ts";
import {
  createOrganisation,
  listAccounts,
  listMembers,
  memberRole,
  renameOrganisation,
  setMember,
} from "./organisations.ts";
import { createPasswordLink, setPasswordByLink } from "./password-links.ts";
import type { People, PeopleSettings } from "./people.ts";
import { findSession, switchAccount } from "./sessions.ts";
import { signIn } from "./sign-in.ts";
import { finishSignUp, signUp, signUpByInvitation } from "./sign-up.ts";
import { testMailer, testPeople } from "./testing/people.ts";
import { findUser, listUsers, setUserDisabled, setUserRoles } from "./users.ts";

const PASSWORD = "correct horse";
const HERE = { address: "198.51.100.4", userAgent: "a browser" };
const DAY_MS = 86_400_000;
const secretOf = (link: string) => link.split("#")[1] ?? "";

async function house({
  mail = null,
  ...settings
}: Partial<PeopleSettings> & { mail?: ReturnType<typeof testMailer> | null } = {}) {
  const database = await testDatabase();
  const clock = manualClock();
  const people = testPeople({ db: database.db, clock }, { mail, ...settings });
  return { people, clock, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() };
}
const person = (email: string, secret = "") => ({ secret, email, name: email, password: PASSWORD });
const idOf = async (people: People, email: string) => (await findUser(people.db.read, email))?.id ?? "";
const enter = async (people: People, email: string) => {
  const admitted = await signIn(people, { email, password: PASSWORD }, HERE);
  const signedIn = admitted.ok ? await findSession(people, admitted.value.token) : undefined;
  if (!signedIn) throw new Error("not signed in");
  return signedIn;
};

test("the set-up link makes the first admin, who owns what was there before, and nobody after", async () => {
  await using on = await house({ signUp: "closed" });
  const { people } = on;
  const made = await createSetupLink(people);
  if (!made.ok) throw new Error(made.error);
  expect(made.value.link).toMatch(/^https:\/\/infer\.example\/setup#[A-Za-z0-9_-]{43}$/);
  const secret = secretOf(made.value.link);
  const all = await Promise.all(
    ["anna", "bert", "carl"].map((name) => setUp(people, person(`${name}@example.org`, secret), HERE)),
  );
  const admitted = all.filter(({ ok }) => ok);
  expect(admitted.length).toBe(1);
  const [user, ...others] = await listUsers(people);
  expect(others).toEqual([]);
  expect(user?.roles).toEqual(["admin", "operator", "client"]);
  const token = admitted[0]?.ok ? admitted[0].value.token : "";
  expect(await findSession(people, token)).toMatchObject({ account: { id: "local" }, memberRole: "owner" });
  expect(await setUp(people, person("dora@example.org", secret), HERE)).toMatchObject({
    error: { code: "link_not_valid" },
  });
  expect(await createSetupLink(people)).toEqual({ ok: false, error: "admin_exists" });
});

test("a set-up link is good for an hour, and until there is another", async () => {
  await using on = await house();
  const make = async () => {
    const made = await createSetupLink(on.people);
    return made.ok ? secretOf(made.value.link) : "";
  };
  const refused = { error: { code: "link_not_valid" } };
  const late = await make();
  on.clock.advance(3_600_000);
  expect(await setUp(on.people, person("anna@example.org", late), HERE)).toMatchObject(refused);
  const replaced = await make();
  const latest = await make();
  expect(await setUp(on.people, person("anna@example.org", replaced), HERE)).toMatchObject(refused);
  for (const wrong of ["", "x".repeat(43), latest.toLowerCase()]) {
    expect(await setUp(on.people, person("anna@example.org", wrong), HERE)).toMatchObject(refused);
  }
  expect((await setUp(on.people, person("anna@example.org", latest), HERE)).ok).toBe(true);
});

test("secrets that open nothing are not counted: they could fill the counts that people depend on", async () => {
  await using on = await house({ signUp: "invite" });
  for (let i = 0; i < 100; i += 1) {
    const eve = person("eve@example.org", `${i}`.padStart(43, "x"));
    for (const tried of [await setUp(on.people, eve, HERE), await signUpByInvitation(on.people, eve, HERE)])
      expect(tried).toEqual({ ok: false, error: { code: "link_not_valid" } });
  }
  expect(await on.people.db.query("SELECT count(*) FROM attempts")).toEqual([[0]]);
});

test("a set-up link that was made before an admin came another way is dead", async () => {
  await using on = await house();
  const made = await createSetupLink(on.people);
  await signUp(on.people, person("anna@example.org"), HERE);
  const invitation = await createInvitation(on.people, { roles: ["admin"], ttlMs: DAY_MS }, LOCAL_CALLER);
  if (!made.ok || !invitation.ok) throw new Error("refused");
  const anna = await enter(on.people, "anna@example.org");
  expect((await acceptInvitation(on.people, anna, secretOf(invitation.value.link), HERE)).ok).toBe(true);
  const late = await setUp(on.people, person("eve@example.org", secretOf(made.value.link)), HERE);
  expect(late).toMatchObject({ error: { code: "link_not_valid" } });
});

test("open sign-up answers alike for free and taken addresses, and a user who is there stays as they are", async () => {
  await using on = await house({ signUp: "open" });
  const first = await signUp(on.people, person("anna@example.org"), HERE);
  const again = await signUp(
    on.people,
    { ...person("anna@example.org"), name: "Eve", password: "eves password" },
    HERE,
  );
  expect(again.ok && again.value.next).toBe(first.ok && first.value.next);
  expect(await listUsers(on.people)).toMatchObject([
    { email: "anna@example.org", name: "anna@example.org", roles: ["client"] },
  ]);
  expect((await signIn(on.people, { email: "anna@example.org", password: "eves password" }, HERE)).ok).toBe(false);
  expect((await enter(on.people, "anna@example.org")).user.roles).toEqual(["client"]);
});

test("with mail, an address is proved before there is a user, and whoever has its mailbox chooses the password", async () => {
  const mail = testMailer();
  await using on = await house({ signUp: "open", mail });
  const ask = async () => {
    const step = await signUp(on.people, { ...person("anna@example.org"), password: "an attackers choice" }, HERE);
    if (!step.ok) throw new Error(step.error.code);
    await step.value.done;
    expect(step.value.next).toBe("mail");
    return /sign-up\/finish#(\S+)/.exec(mail.sent.at(-1)?.text ?? "")?.[1] ?? "";
  };
  const replaced = await ask();
  const secret = await ask();
  expect(await listUsers(on.people)).toEqual([]);
  const finish = (which: string) => finishSignUp(on.people, { secret: which, name: "Anna", password: PASSWORD }, HERE);
  expect(await finish(replaced)).toMatchObject({ error: { code: "link_not_valid" } });
  expect((await finish(secret)).ok).toBe(true);
  expect(await finish(secret)).toMatchObject({ error: { code: "link_not_valid" } });
  expect((await enter(on.people, "anna@example.org")).user.name).toBe("Anna");
  // The next one says so to the mailbox, and to nobody else.
  expect(await ask()).toBe("");
  expect(mail.sent.at(-1)).toMatchObject({ to: "anna@example.org", subject: "You have signed up already" });
});

test("closed is closed, and by invitation takes one", async () => {
  await using on = await house({ signUp: "invite" });
  const { people } = on;
  expect(await signUp(people, person("anna@example.org"), HERE)).toMatchObject({
    error: { code: "invitation_needed" },
  });
  const invitation = await createInvitation(people, { roles: ["operator"], ttlMs: DAY_MS }, LOCAL_CALLER);
  if (!invitation.ok) throw new Error(invitation.error);
  const secret = secretOf(invitation.value.link);
  const closed = { ...people, settings: { ...people.settings, signUp: "closed" as const } };
  for (const refused of [
    signUp(closed, person("a@example.org"), HERE),
    signUpByInvitation(closed, person("a@example.org", secret), HERE),
  ]) {
    expect(await refused).toMatchObject({ error: { code: "sign_up_closed" } });
  }
  const all = await Promise.all(
    ["anna", "bert", "carl"].map((name) => signUpByInvitation(people, person(`${name}@example.org`, secret), HERE)),
  );
  expect(all.filter(({ ok }) => ok).length).toBe(1);
  // Whoever came too late left nothing behind.
  expect((await listUsers(people)).map(({ roles }) => roles)).toEqual([["operator"]]);
  expect((await people.db.query("SELECT count(*) FROM accounts WHERE kind = 'user'"))[0]).toEqual([1]);
  expect(await listInvitations(people)).toMatchObject([{ usedMs: on.clock.nowMs() }]);
});

test("an invitation is for its time, its address, and until it is ended", async () => {
  await using on = await house({ signUp: "invite" });
  const { people } = on;
  const make = async (more: Partial<NewInvitation> = {}) => {
    const made = await createInvitation(people, { roles: ["client"], ttlMs: DAY_MS, ...more }, LOCAL_CALLER);
    if (!made.ok) throw new Error(made.error);
    return { id: made.value.invitation.id, secret: secretOf(made.value.link) };
  };
  const refused = { error: { code: "link_not_valid" } };
  const ended = await make();
  expect((await revokeInvitation(people, { id: ended.id }, LOCAL_CALLER)).ok).toBe(true);
  expect(await signUpByInvitation(people, person("a@example.org", ended.secret), HERE)).toMatchObject(refused);
  const annas = await make({ email: "anna@example.org" });
  expect(await signUpByInvitation(people, person("eve@example.org", annas.secret), HERE)).toMatchObject(refused);
  expect((await signUpByInvitation(people, person("anna@example.org", annas.secret), HERE)).ok).toBe(true);
  expect((await revokeInvitation(people, { id: annas.id }, LOCAL_CALLER)).ok).toBe(false);
  const late = await make();
  on.clock.advance(DAY_MS);
  expect(await signUpByInvitation(people, person("b@example.org", late.secret), HERE)).toMatchObject(refused);
});

test("an invitation tells of few addresses whether they are taken", async () => {
  await using on = await house({ signUp: "open" });
  await signUp(on.people, person("anna@example.org"), HERE);
  const made = await createInvitation(on.people, { roles: ["client"], ttlMs: DAY_MS }, LOCAL_CALLER);
  const secret = made.ok ? secretOf(made.value.link) : "";
  const codes: string[] = [];
  for (let i = 0; i < 6; i += 1) {
    const answer = await signUpByInvitation(on.people, person("anna@example.org", secret), {
      ...HERE,
      address: `192.0.2.${i}`,
    });
    codes.push(answer.ok ? "ok" : answer.error.code);
  }
  expect(codes).toEqual([...Array<string>(5).fill("email_taken"), "too_many_attempts"]);
});

test("an organisation has members by invitation, one owner at least, and nobody from outside acts for it", async () => {
  await using on = await house({ signUp: "open" });
  const { people } = on;
  for (const name of ["anna", "bert", "eve"]) await signUp(people, person(`${name}@example.org`), HERE);
  const [anna, bert, eve] = await Promise.all(
    ["anna", "bert", "eve"].map((name) => idOf(people, `${name}@example.org`)),
  );
  const by = { actor: `user/${anna}`, from: "" } as const;
  const made = await createOrganisation(people, { userId: `${anna}`, name: "Acme" }, by);
  if (!made.ok) throw new Error(made.error);
  const { id } = made.value;
  const invitation = await createInvitation(people, { roles: null, accountId: id, ttlMs: DAY_MS }, by);
  if (!invitation.ok) throw new Error(invitation.error);
  on.clock.advance(1);
  const berts = await enter(people, "bert@example.org");
  expect(await switchAccount(people, berts, id)).toEqual({ ok: false, error: "account_unknown" });
  expect(await acceptInvitation(people, berts, secretOf(invitation.value.link), HERE)).toMatchObject({
    value: { accountId: id, token: null },
  });
  expect(
    (await acceptInvitation(people, await enter(people, "eve@example.org"), secretOf(invitation.value.link), HERE)).ok,
  ).toBe(false);
  expect(await memberRole(people.db.read, id, `${eve}`)).toBeNull();
  expect((await switchAccount(people, berts, id)).ok).toBe(true);
  expect((await listMembers(people, id)).map(({ userId, role }) => [userId, role])).toEqual([
    [`${anna}`, "owner"],
    [`${bert}`, "member"],
  ]);
  const set = (userId: string | undefined, role: "owner" | "member" | null) =>
    setMember(people, { accountId: id, userId: `${userId}`, role }, by);
  expect(await set(anna, null)).toEqual({ ok: false, error: "last_owner" });
  expect(await set(anna, "member")).toEqual({ ok: false, error: "last_owner" });
  expect(await set(eve, "owner")).toEqual({ ok: false, error: "member_unknown" });
  expect((await set(bert, "owner")).ok).toBe(true);
  await setUserDisabled(people, `${bert}`, true, LOCAL_CALLER);
  expect(await set(anna, null)).toEqual({ ok: false, error: "last_owner" });
  await setUserDisabled(people, `${bert}`, false, LOCAL_CALLER);
  expect((await set(anna, null)).ok).toBe(true);
  expect((await listAccounts(people, `${anna}`)).map(({ kind }) => kind)).toEqual(["user"]);
  expect((await renameOrganisation(people, { accountId: id, name: "Acme 2" }, by)).ok).toBe(true);
  expect((await renameOrganisation(people, { accountId: "local", name: "mine" }, by)).ok).toBe(false);
});

test("whoever is taken out of an organisation acts for their own account again, in the same session", async () => {
  await using on = await house({ signUp: "open" });
  const { people } = on;
  for (const name of ["anna", "bert"]) await signUp(people, person(`${name}@example.org`), HERE);
  const anna = await idOf(people, "anna@example.org");
  const made = await createOrganisation(people, { userId: anna, name: "Acme" }, LOCAL_CALLER);
  const accountId = made.ok ? made.value.id : "";
  const invitation = await createInvitation(people, { roles: null, accountId, ttlMs: DAY_MS }, LOCAL_CALLER);
  const admitted = await signIn(people, { email: "bert@example.org", password: PASSWORD }, HERE);
  const token = admitted.ok ? admitted.value.token : "";
  const bert = await findSession(people, token);
  if (!bert || !invitation.ok) throw new Error("not signed in");
  await acceptInvitation(people, bert, secretOf(invitation.value.link), HERE);
  await switchAccount(people, bert, accountId);
  expect((await findSession(people, token))?.account.id).toBe(accountId);
  await setMember(people, { accountId, userId: bert.user.id, role: null }, LOCAL_CALLER);
  expect((await findSession(people, token))?.account.id).toBe(bert.user.accountId);
});

test("nobody is invited into a person's own account", async () => {
  await using on = await house({ signUp: "open" });
  await signUp(on.people, person("anna@example.org"), HERE);
  const { user } = await enter(on.people, "anna@example.org");
  for (const accountId of [user.accountId, "nowhere"]) {
    const made = await createInvitation(on.people, { roles: null, accountId, ttlMs: DAY_MS }, LOCAL_CALLER);
    expect(made).toEqual({ ok: false, error: "organisation_unknown" });
  }
  const out = await setMember(on.people, { accountId: user.accountId, userId: user.id, role: null }, LOCAL_CALLER);
  expect(out).toEqual({ ok: false, error: "personal_account" });
});

test("an organisation's owner brings nobody in where that takes an admin", async () => {
  await using on = await house({ signUp: "open" });
  const { people } = on;
  await signUp(people, person("anna@example.org"), HERE);
  const made = await createOrganisation(
    people,
    { userId: await idOf(people, "anna@example.org"), name: "Acme" },
    LOCAL_CALLER,
  );
  const accountId = made.ok ? made.value.id : "";
  const invitation = await createInvitation(people, { roles: null, accountId, ttlMs: DAY_MS }, LOCAL_CALLER);
  const secret = invitation.ok ? secretOf(invitation.value.link) : "";
  const invite = { ...people, settings: { ...people.settings, signUp: "invite" as const } };
  expect(await signUpByInvitation(invite, person("eve@example.org", secret), HERE)).toMatchObject({
    error: { code: "invitation_needed" },
  });
  const joined = await signUpByInvitation(people, person("bert@example.org", secret), HERE);
  expect(joined.ok && (await memberRole(people.db.read, accountId, joined.value.userId))).toBe("member");
});

test("a request that was under way while rights were taken does not undo that", async () => {
  await using on = await house({ signUp: "open" });
  const { people } = on;
  for (const name of ["anna", "eve"]) await signUp(people, person(`${name}@example.org`), HERE);
  const [anna, eve] = [await idOf(people, "anna@example.org"), await idOf(people, "eve@example.org")];
  const byEve = { actor: `user/${eve}`, from: "" } as const;
  const made = await createOrganisation(people, { userId: anna, name: "Acme" }, LOCAL_CALLER);
  const accountId = made.ok ? made.value.id : "";
  const refused = { ok: false, error: "rights_ended" } as const;
  expect(await createInvitation(people, { roles: ["admin"], ttlMs: DAY_MS }, byEve)).toEqual(refused);
  expect(await createInvitation(people, { roles: null, accountId, ttlMs: DAY_MS }, byEve)).toEqual(refused);
  expect(await createPasswordLink(people, anna, byEve)).toEqual(refused);
  expect(await setUserRoles(people, eve, ["admin"], byEve)).toEqual(refused);
  expect(await setUserDisabled(people, anna, true, byEve)).toEqual(refused);
  expect(await setMember(people, { accountId, userId: anna, role: "member" }, byEve)).toEqual(refused);
  // While they have them, they may.
  await setUserRoles(people, anna, ["admin"], LOCAL_CALLER);
  const byAnna = { actor: `user/${anna}`, from: "" } as const;
  expect((await createInvitation(people, { roles: ["admin"], ttlMs: DAY_MS }, byAnna)).ok).toBe(true);
  expect((await createInvitation(people, { roles: null, accountId, ttlMs: DAY_MS }, byAnna)).ok).toBe(true);
});

test("links end with the rights of whoever made them: nobody comes back by their own invitation", async () => {
  await using on = await house({ signUp: "open" });
  const { people } = on;
  for (const name of ["anna", "bert", "eve"]) await signUp(people, person(`${name}@example.org`), HERE);
  const eve = await idOf(people, "eve@example.org");
  const byEve = { actor: `user/${eve}`, from: "" } as const;
  const invite = async (wanted: Omit<NewInvitation, "ttlMs">, by: Caller = byEve) => {
    const made = await createInvitation(people, { ...wanted, ttlMs: DAY_MS }, by);
    return made.ok ? secretOf(made.value.link) : "";
  };
  const accept = async (secret: string) =>
    (await acceptInvitation(people, await enter(people, "eve@example.org"), secret, HERE)).ok;
  const own = { userId: await idOf(people, "anna@example.org"), name: "Acme" };
  const made = await createOrganisation(people, own, LOCAL_CALLER);
  const accountId = made.ok ? made.value.id : "";
  const set = (role: "owner" | null) => setMember(people, { accountId, userId: eve, role }, LOCAL_CALLER);

  expect(await accept(await invite({ roles: null, accountId }, LOCAL_CALLER))).toBe(true);
  await set("owner");
  const [back, others] = [
    await invite({ roles: null, accountId }),
    await invite({ roles: null, accountId }, LOCAL_CALLER),
  ];
  await set(null);
  expect([await accept(back), await accept(others)]).toEqual([false, true]);

  await setUserRoles(people, "bert@example.org", ["admin"], LOCAL_CALLER);
  await setUserRoles(people, eve, ["admin"], LOCAL_CALLER);
  const admins = await invite({ roles: ["admin"] });
  const taken = await createPasswordLink(people, "anna@example.org", byEve, DAY_MS);
  await setUserRoles(people, eve, ["client"], LOCAL_CALLER);
  expect(await accept(admins)).toBe(false);
  const wanted = { secret: taken.ok ? secretOf(taken.value.link) : "", password: "eves password" };
  expect(await setPasswordByLink(people, wanted, HERE)).toMatchObject({ error: { code: "link_not_valid" } });

  await setUserRoles(people, eve, ["admin"], LOCAL_CALLER);
  const late = await invite({ roles: ["admin"] });
  await setUserDisabled(people, eve, true, LOCAL_CALLER);
  const again = await signUpByInvitation(people, person("eve2@example.org", late), HERE);
  expect(again).toMatchObject({ error: { code: "link_not_valid" } });
  expect((await listAudit(people, 100, { action: "invitation.revoked" })).length).toBe(3);
});

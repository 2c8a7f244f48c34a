// Users, as operations of a coordinator: who may come in, and what they may do.
import type { Caller } from "../accounts/caller.ts";
import { createSetupLink } from "../accounts/first-admin.ts";
import { createInvitation, type Invitation, listInvitations, revokeInvitation } from "../accounts/invitations.ts";
import { asName } from "../accounts/names.ts";
import { listAccounts } from "../accounts/organisations.ts";
import { createPasswordLink } from "../accounts/password-links.ts";
import type { People } from "../accounts/people.ts";
import type { UserRole } from "../accounts/roles.ts";
import { listSessions, revokeSessions } from "../accounts/sessions.ts";
import {
  findUser,
  governs,
  insertUser,
  listUsers,
  searchUsers,
  setUserDisabled,
  setUserRoles,
  type User,
  type UserRefusal,
  withoutHash,
} from "../accounts/users.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { listed } from "./listing.ts";
import { type Answer, operation } from "./operation.ts";
import type { Admin, AdminError } from "./operations.ts";
import { organisationAdmin } from "./organisations.ts";
import { type InvitationView, USER_OPERATIONS, type UserView } from "./user-operations.ts";

export type UserAdmin = Pick<Admin, keyof typeof USER_OPERATIONS>;

export function userAdmin(people: People): UserAdmin {
  const { clock } = people;
  return {
    listUsers: operation(USER_OPERATIONS.listUsers, async ({ search = "", ...wanted }) => {
      if (search !== "") {
        const found = await searchUsers(people, search, wanted.limit ?? MAX_FOUND);
        return ok({ users: found.map(userView), newer: null, older: null });
      }
      const { rows, ...cursors } = await listed(wanted, (span) => listUsers(people, span));
      return ok({ users: rows.map(userView), ...cursors });
    }),
    showUser: operation(USER_OPERATIONS.showUser, ({ user }) => showUser(people, user)),
    endSessions: operation(USER_OPERATIONS.endSessions, async ({ user, session }, by) => {
      const row = await findUser(people.db.read, user);
      if (row === undefined) return err(unknownUser(user));
      const which = session === undefined ? ("all" as const) : { id: session };
      return ok({ ended: await revokeSessions(people, row.id, which, by) });
    }),
    createUser: operation(USER_OPERATIONS.createUser, ({ email, name = email, roles, expires_in_s }, by) =>
      createUser(people, { email, name, roles, ttlMs: expires_in_s * 1000 }, by),
    ),
    resetPassword: operation(USER_OPERATIONS.resetPassword, ({ user, expires_in_s }, by) =>
      passwordLink(people, user, expires_in_s * 1000, by),
    ),
    setUserRoles: operation(USER_OPERATIONS.setUserRoles, async ({ user, roles }, by) =>
      changed(await setUserRoles(people, user, roles, by), user),
    ),
    setUserDisabled: operation(USER_OPERATIONS.setUserDisabled, async ({ user, disabled }, by) =>
      changed(await setUserDisabled(people, user, disabled, by), user),
    ),
    createInvitation: operation(
      USER_OPERATIONS.createInvitation,
      async ({ roles, organisation: accountId, email, expires_in_s }, by) => {
        const made = await createInvitation(people, { roles, accountId, email, ttlMs: expires_in_s * 1000 }, by);
        if (!made.ok && made.error === "rights_ended") return err(RIGHTS_ENDED);
        if (!made.ok) return err({ code: "not_found", message: `there is no organisation ${accountId}` });
        const { link, invitation } = made.value;
        return ok({ id: invitation.id, link, expires_ms: invitation.expiresMs });
      },
    ),
    listInvitations: operation(USER_OPERATIONS.listInvitations, async (wanted) => {
      const { rows, ...cursors } = await listed(wanted, (span) => listInvitations(people, span));
      return ok({ invitations: rows.map((row) => invitationView(row, clock.nowMs())), ...cursors });
    }),
    revokeInvitation: operation(USER_OPERATIONS.revokeInvitation, async ({ id }, by) => {
      if ((await revokeInvitation(people, { id }, by)).ok) return ok({ id });
      return err({
        code: "not_found",
        message: `no invitation ${id} is open`,
        hint: "`infernet users invitations` lists them",
      });
    }),
    ...organisationAdmin(people),
    createSetupLink: operation(USER_OPERATIONS.createSetupLink, async (_, by) => {
      const made = await createSetupLink(people, by);
      if (made.ok) return ok({ link: made.value.link, expires_ms: made.value.expiresMs });
      const hint = "`infernet users list` shows them; `infernet users reset-password` lets one in again";
      return err({ code: "conflict", message: "there is an admin already", hint });
    }),
  };
}

/** Users that a search gives where it does not say how many. */
const MAX_FOUND = 100;

async function showUser(people: People, which: string): ReturnType<UserAdmin["showUser"]> {
  const row = await findUser(people.db.read, which);
  if (row === undefined) return err(unknownUser(which));
  const [accounts, sessions] = await Promise.all([listAccounts(people, row.id), listSessions(people, row.id)]);
  return ok({
    ...userView(withoutHash(row)),
    accounts,
    sessions: sessions.map(({ id, accountId, createdMs, lastSeenMs, address, userAgent }) => ({
      ...{ id, account: accountId, created_ms: createdMs, last_seen_ms: lastSeenMs },
      ...{ address, user_agent: userAgent },
    })),
  });
}

async function createUser(
  people: People,
  { email, name, roles, ttlMs }: { email: string; name: string; roles: UserRole[]; ttlMs: number },
  by: Caller,
): ReturnType<UserAdmin["createUser"]> {
  const user = { email, name: asName(name), passwordHash: null, roles };
  const made = await people.db.writer.transact(async (tx) =>
    (await governs(tx, by)) ? await insertUser(tx, people, user, by) : err("rights_ended" as const),
  );
  if (!made.ok && made.error === "rights_ended") return err(RIGHTS_ENDED);
  if (!made.ok) return err({ code: "conflict", message: `${email} is a user already` });
  return await passwordLink(people, made.value.id, ttlMs, by);
}

async function passwordLink(
  people: People,
  user: string,
  ttlMs: number,
  by: Caller,
): ReturnType<UserAdmin["resetPassword"]> {
  const made = await createPasswordLink(people, user, by, ttlMs);
  if (made.ok) return ok({ id: made.value.userId, link: made.value.link, expires_ms: made.value.expiresMs });
  if (made.error === "user_unknown") return err(unknownUser(user));
  if (made.error === "rights_ended") return err(RIGHTS_ENDED);
  const hint = "`infernet users enable` lets them in again";
  return err({ code: "conflict", message: `${user} is disabled`, hint });
}

function changed(result: Result<User, UserRefusal>, user: string): Awaited<Answer<UserView>> {
  if (result.ok) return ok(userView(result.value));
  if (result.error === "user_unknown") return err(unknownUser(user));
  if (result.error === "rights_ended") return err(RIGHTS_ENDED);
  const hint = "make somebody else an admin first";
  return err({ code: "conflict", message: `${user} is the last admin who can sign in`, hint });
}

const RIGHTS_ENDED: AdminError = { code: "conflict", message: "you are no admin any more" };

const unknownUser = (user: string): AdminError => ({
  code: "not_found",
  message: `there is no user ${user}`,
  hint: "`infernet users list` shows them",
});

const userView = (user: User): UserView => ({
  id: user.id,
  email: user.email,
  name: user.name,
  roles: user.roles,
  account: user.accountId,
  has_password: user.hasPassword,
  created_ms: user.createdMs,
  disabled_ms: user.disabledMs,
  last_login_ms: user.lastLoginMs,
});

/** An invitation as people see it. */
export function invitationView(row: Invitation, nowMs: number): InvitationView {
  const unused = row.revokedMs !== null ? "revoked" : row.expiresMs <= nowMs ? "expired" : "open";
  return {
    id: row.id,
    roles: row.roles,
    organisation: row.accountId,
    email: row.email,
    created_ms: row.createdMs,
    expires_ms: row.expiresMs,
    state: row.usedMs !== null ? "used" : unused,
    used_by: row.usedBy,
  };
}

// User operations: what an admin asks about people, with the shape of question and answer; part of the one table in
// operations.ts.
import { z } from "zod";
import { emailSchema } from "../accounts/emails.ts";
import { nameSchema } from "../accounts/names.ts";
import { MEMBER_ROLES, USER_ROLES } from "../accounts/roles.ts";
import { listInput, listOutput } from "./listing.ts";
import type { Operation } from "./operations.ts";

const operation = <I extends z.ZodType, O extends z.ZodType>(
  method: Operation["method"],
  path: string,
  input: I,
  output: O,
): Operation<I, O> => ({ method, path, input, output });

const nothing = z.strictObject({});
const timeMs = z.int().min(0);
const roles = z.array(z.enum(USER_ROLES)).max(USER_ROLES.length);
/** An id, or an address. */
const user = z.union([z.string().regex(/^[a-z]+_[0-9a-f]{1,64}$/), emailSchema], {
  error: "must be a user's id or email address",
});
const lifetimeS = z
  .int()
  .min(60)
  .max(30 * 86_400);

const userRow = z.object({
  id: z.string(),
  email: z.string(),
  name: z.string(),
  roles: z.array(z.enum(USER_ROLES)),
  /** Their own account. */
  account: z.string(),
  /** Whether they can sign in with one. */
  has_password: z.boolean(),
  created_ms: timeMs,
  disabled_ms: timeMs.nullable(),
  last_login_ms: timeMs.nullable(),
});
export type UserView = z.output<typeof userRow>;

/** A link to hand over; shown in this answer only. */
const linkAnswer = { link: z.string(), expires_ms: timeMs };

export const INVITATION_STATES = ["open", "used", "expired", "revoked"] as const;
const invitationRow = z.object({
  id: z.string(),
  /** Null: of an organisation's owner, and brings no role. */
  roles: z.array(z.enum(USER_ROLES)).nullable(),
  organisation: z.string().nullable(),
  email: z.string().nullable(),
  created_ms: timeMs,
  expires_ms: timeMs,
  state: z.enum(INVITATION_STATES),
  used_by: z.string().nullable(),
});
export type InvitationView = z.output<typeof invitationRow>;

const accountId = z.string().min(1).max(128);
const sessionRow = z.object({
  id: z.string(),
  account: z.string(),
  created_ms: timeMs,
  last_seen_ms: timeMs,
  address: z.string(),
  user_agent: z.string(),
});
const organisationRow = z.object({
  id: z.string(),
  name: z.string(),
  created_ms: timeMs,
  /** How many people are in it. */
  members: z.int().min(0),
});
export type OrganisationView = z.output<typeof organisationRow>;
const memberRow = z.object({
  user: z.string(),
  email: z.string(),
  name: z.string(),
  role: z.enum(MEMBER_ROLES),
  created_ms: timeMs,
});
export type MemberView = z.output<typeof memberRow>;

export const USER_OPERATIONS = {
  listUsers: operation(
    "GET",
    "/users",
    z.strictObject({
      ...listInput,
      /** How an address or a name begins; the first that fit, without cursors. */
      search: z.string().trim().max(254).optional(),
    }),
    z.object({ users: z.array(userRow), ...listOutput }),
  ),
  /** One user, the accounts they may act for, and where they are signed in. */
  showUser: operation(
    "GET",
    "/users/:user",
    z.strictObject({ user }),
    userRow.extend({
      accounts: z.array(z.object({ id: z.string(), kind: z.string(), name: z.string(), role: z.enum(MEMBER_ROLES) })),
      sessions: z.array(sessionRow),
    }),
  ),
  /** Ends a user's sessions, or one of them. */
  endSessions: operation(
    "POST",
    "/users/:user/sign-out",
    z.strictObject({ user, session: z.string().min(1).max(64).optional() }),
    z.object({ ended: z.int().min(0) }),
  ),
  /** The user sets a password by the link. */
  createUser: operation(
    "POST",
    "/users",
    z.strictObject({
      email: emailSchema,
      name: nameSchema.optional(),
      roles: roles.min(1).default(["client"]),
      expires_in_s: lifetimeS.default(86_400),
    }),
    z.object({ id: z.string(), ...linkAnswer }),
  ),
  /** A link for a new password; the old one works until it is used. */
  resetPassword: operation(
    "POST",
    "/users/:user/reset-password",
    z.strictObject({ user, expires_in_s: lifetimeS.default(3_600) }),
    z.object({ id: z.string(), ...linkAnswer }),
  ),
  setUserRoles: operation("POST", "/users/:user/roles", z.strictObject({ user, roles: roles.min(1) }), userRow),
  setUserDisabled: operation("POST", "/users/:user/disabled", z.strictObject({ user, disabled: z.boolean() }), userRow),

  createInvitation: operation(
    "POST",
    "/invitations",
    z.strictObject({
      roles: roles.min(1).default(["client"]),
      /** The account they join. */
      organisation: z.string().min(1).max(128).optional(),
      /** Where given, for this address only. */
      email: emailSchema.optional(),
      expires_in_s: lifetimeS.default(7 * 86_400),
    }),
    z.object({ id: z.string(), ...linkAnswer }),
  ),
  listInvitations: operation(
    "GET",
    "/invitations",
    z.strictObject(listInput),
    z.object({ invitations: z.array(invitationRow), ...listOutput }),
  ),
  revokeInvitation: operation(
    "DELETE",
    "/invitations/:id",
    z.strictObject({ id: z.string().min(1).max(64) }),
    z.object({ id: z.string() }),
  ),

  listOrganisations: operation(
    "GET",
    "/organisations",
    z.strictObject(listInput),
    z.object({ organisations: z.array(organisationRow), ...listOutput }),
  ),
  listMembers: operation(
    "GET",
    "/organisations/:organisation/members",
    z.strictObject({ organisation: accountId }),
    z.object({ members: z.array(memberRow) }),
  ),
  /** Makes a member an owner, or an owner a member; null takes them out. */
  setMember: operation(
    "POST",
    "/organisations/:organisation/members",
    z.strictObject({ organisation: accountId, user, role: z.enum(MEMBER_ROLES).nullable() }),
    z.object({ user: z.string(), role: z.enum(MEMBER_ROLES).nullable() }),
  ),

  /** Makes the first admin; the link before ends. Refused once there is an admin. */
  createSetupLink: operation("POST", "/setup-link", nothing, z.object(linkAnswer)),
} as const;

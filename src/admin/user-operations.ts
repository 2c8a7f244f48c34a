// User operations: what an admin asks about people, with the shape of question and answer; part of the one table in
// operations.ts.
import { z } from "zod";
import { emailSchema } from "../accounts/emails.ts";
import { nameSchema } from "../accounts/names.ts";
import { USER_ROLES } from "../accounts/roles.ts";
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

export const USER_OPERATIONS = {
  listUsers: operation("GET", "/users", nothing, z.object({ users: z.array(userRow) })),
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
  listInvitations: operation("GET", "/invitations", nothing, z.object({ invitations: z.array(invitationRow) })),
  revokeInvitation: operation(
    "DELETE",
    "/invitations/:id",
    z.strictObject({ id: z.string().min(1).max(64) }),
    z.object({ id: z.string() }),
  ),

  /** Makes the first admin; the link before ends. Refused once there is an admin. */
  createSetupLink: operation("POST", "/setup-link", nothing, z.object(linkAnswer)),
} as const;

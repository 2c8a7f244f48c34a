// Roles: what people may do here, and what they are in an account. Apart from schema.ts, so that a command that only
// names them loads no database.

export const USER_ROLES = ["admin", "operator", "client"] as const;
/** What a person may do: `admin` governs the instance, `operator` runs nodes, `client` asks for inference. */
export type UserRole = (typeof USER_ROLES)[number];

export const MEMBER_ROLES = ["owner", "member"] as const;
/** An owner may change an account's name and members. */
export type MemberRole = (typeof MEMBER_ROLES)[number];

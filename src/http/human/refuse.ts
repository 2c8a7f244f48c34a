// Refuse: what people are told where something about accounts was refused. One place for the words, so that what must
// not be told apart is said alike.
import { type ErrorCode, errorResponse } from "../errors.ts";

const WORDS = {
  wrong_credentials: ["wrong_credentials", "the email address or the password is wrong"],
  too_many_attempts: ["too_many_attempts", "too many attempts; try again later"],
  busy: ["too_many_requests", "too many people are signing in just now; try again in a moment"],
  link_not_valid: ["link_not_valid", "this link was used already, is too old, or was never made"],
  sign_up_closed: ["sign_up_closed", "nobody can sign up here; an admin can let you in"],
  invitation_needed: ["invitation_needed", "signing up here takes an invitation from an admin"],
  password_needed: ["invalid_value", "password: is needed"],
  email_taken: ["conflict", "there is a user with this address already; sign in instead"],
  password_not_set: ["conflict", "there is no password yet; set one by a link from an admin, or by mail"],
  mail_not_configured: ["not_available", "no mail is sent from here; an admin can give you a link"],
  account_unknown: ["not_found", "you have no such account"],
  session_unknown: ["not_found", "you have no such session"],
  too_many: ["conflict", "you own as many accounts as one person can"],
  organisation_unknown: ["not_found", "you are in no such organisation"],
  rights_ended: ["role_missing", "you may not do this any more"],
  not_owner: ["not_owner", "only an owner of the organisation may do this"],
  member_unknown: ["not_found", "there is no such member"],
  last_owner: ["conflict", "an organisation keeps one owner; make somebody else an owner first"],
  personal_account: ["conflict", "a person's own account has no other members"],
  invitation_unknown: ["not_found", "there is no such open invitation"],
  not_linked: ["not_found", "no such node belongs to your account"],
  user_disabled: ["sign_in_failed", "this user is disabled; an admin can tell why"],
  address_not_verified: ["sign_in_failed", "the provider does not say that this address is yours"],
  address_not_allowed: ["sign_in_failed", "the provider gave no address that may sign in here"],
  known_otherwise: ["sign_in_failed", "this address is known here with another way to sign in; use that one"],
  sign_in_failed: ["sign_in_failed", "the sign-in did not end well; begin it again"],
  provider_failed: ["provider_failed", "the provider does not answer; try again later"],
  provider_unknown: ["not_found", "there is no such provider"],
  linked_elsewhere: ["conflict", "this is linked with another user already"],
  identity_unknown: ["not_found", "you are not linked with that"],
  last_way_in: ["conflict", "it is your only way to sign in; set a password first"],
} as const satisfies Record<string, readonly [ErrorCode, string]>;

export type Refused = { code: keyof typeof WORDS; retryAfterS?: number };

export function refuse({ code, retryAfterS }: Refused): Response {
  const [as, message] = WORDS[code];
  const headers: Record<string, string> = retryAfterS === undefined ? {} : { "retry-after": `${retryAfterS}` };
  return errorResponse(as, message, { headers });
}

/** The words of a refusal, for a page. */
export const wordsOf = (code: Refused["code"]): string => WORDS[code][1];

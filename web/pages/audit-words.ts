// Audit words: what each act of the log is called, so that "Ada …" reads as a sentence.

const WORDS: Readonly<Record<string, string>> = {
  "key.created": "made the key",
  "key.changed": "changed the key",
  "key.rotated": "rotated the key",
  "key.revoked": "revoked the key",
  "user.created": "added the user",
  "user.changed": "changed the user",
  "user.role_changed": "changed the roles of",
  "user.disabled": "disabled or enabled",
  "user.deleted": "deleted the user",
  "user.password_changed": "changed the password of",
  "user.password_reset": "reset the password of",
  "user.invited": "invited",
  "invitation.created": "made the invitation",
  "invitation.revoked": "revoked the invitation",
  "org.created": "founded the organisation",
  "org.changed": "changed the organisation",
  "org.member_added": "added a member to",
  "org.member_changed": "changed a member of",
  "org.member_removed": "removed a member of",
  "session.created": "signed in, session",
  "session.revoked": "ended the session",
  "login.failed_throttled": "failed to sign in too often as",
  "node.registered": "registered the node",
  "node.approved": "approved the node",
  "node.allowed": "let in the node",
  "node.placed": "placed the node",
  "node.ejected": "ejected the node",
  "node.linked": "linked to an account the node",
  "node.unlinked": "unlinked from its account the node",
  "join_token.created": "made the join token",
  "join_token.revoked": "revoked the join token",
  "command.issued": "gave a command to",
  "command.cancelled": "cancelled a command to",
  "backup.written": "wrote the backup",
  "payout_address.set": "set the payout address of",
  "credits.granted": "granted credits to",
  "credits.adjusted": "adjusted the credits of",
  "earnings.settled_outside": "settled outside the earnings of",
  "deposit.credited": "credited a deposit of",
  "allowance.registered": "registered the allowance of",
  "allowance.ended": "ended the allowance of",
  "x402.settled": "settled a payment of",
  "x402.lost": "lost a payment of",
  "payout.planned": "planned a payout to",
  "payout.paid": "paid out to",
  "payout.failed": "could not pay out to",
  "price.changed": "changed prices of",
  "stake.pledged": "pledged the stake of",
  "stake.proposed": "proposed to move the stake of",
  "stake.withdrawn": "withdrew the stake of",
  "stake.released": "released the stake of",
  "stake.slashed": "slashed the stake of",
  "oracle.published": "published to the oracle",
  "settings.changed": "changed the setting",
};
/** One that a newer program wrote is told as it stands. */
export const actWords = (action: string): string => (Object.hasOwn(WORDS, action) ? (WORDS[action] ?? action) : action);

const KINDS: Readonly<Record<string, string>> = {
  key: "Keys",
  user: "Users",
  invitation: "Invitations",
  org: "Organisations",
  session: "Sessions",
  login: "Sign-in attempts",
  node: "Nodes",
  join_token: "Join tokens",
  command: "Commands",
  backup: "Backups",
  payout_address: "Payout addresses",
  credits: "Credits",
  earnings: "Earnings",
  deposit: "Deposits",
  allowance: "Allowances",
  x402: "x402 payments",
  payout: "Payouts",
  price: "Prices",
  stake: "Stake",
  oracle: "Oracle",
  settings: "Settings",
};
/** For the filter: all, then each kind with its acts. */
export function actionOptions(actions: readonly string[]): (readonly [value: string, label: string])[] {
  const options: [string, string][] = [["", "Everything"]];
  let kind = "";
  for (const action of actions) {
    const [own = "", act = ""] = action.split(".");
    if (own !== kind) options.push([own, KINDS[own] ?? own]);
    kind = own;
    options.push([action, `– ${act.replaceAll("_", " ")}`]);
  }
  return options;
}

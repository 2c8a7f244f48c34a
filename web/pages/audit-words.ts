// Audit words: what the kinds of entries are called, to choose among them.

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

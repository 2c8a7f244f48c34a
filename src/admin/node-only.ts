// Node-only admin: the operations of an instance in `node` mode. It has no keys, tokens or nodes of its own.
import { err, ok, type Result } from "../lib/result.ts";
import type { Settings } from "../settings/settings.ts";
import type { Admin, AdminError, Status } from "./operations.ts";
import { type OwnCommands, ownCommandsAdmin } from "./own-commands.ts";
import { type OwnNode, ownNodeAdmin } from "./own-node.ts";
import { settingsAdmin } from "./settings.ts";
import { type Updates, updateAdmin } from "./updates.ts";

const AT_THE_COORDINATOR: AdminError = {
  code: "not_available",
  message: "this is a node: keys, tokens, nodes and their database are its coordinator's",
  hint: "run the command where the coordinator runs",
};
const refused = async (_: unknown): Promise<Result<never, AdminError>> => err(AT_THE_COORDINATOR);

export type NodeOnlyDeps = {
  status: () => Status;
  node: OwnNode;
  commands: OwnCommands;
  name: string;
  settings: Settings;
  updates: Updates;
  dashboardLink(): { link: string; expires_ms: number };
};

/** `status` tells of the node now; models are those of its backends. */
export const nodeOnlyAdmin = ({
  status,
  node,
  commands,
  name,
  settings,
  updates,
  dashboardLink,
}: NodeOnlyDeps): Admin => ({
  status: async (_) => ok(status()),
  listModels: async (_) => ok({ models: status().models }),
  createDashboardLink: async (_) => ok(dashboardLink()),
  createKey: refused,
  listKeys: refused,
  rotateKey: refused,
  revokeKey: refused,
  createJoinToken: refused,
  listJoinTokens: refused,
  revokeJoinToken: refused,
  listNodes: refused,
  approveNode: refused,
  allowNode: refused,
  placeNode: refused,
  ejectNode: refused,
  ...ownCommandsAdmin(commands, () => ({ pubkey: status().pubkey, name })),
  ...ownNodeAdmin(() => node),
  ...settingsAdmin(settings),
  ...updateAdmin(updates),
  listUsers: refused,
  showUser: refused,
  endSessions: refused,
  createUser: refused,
  resetPassword: refused,
  setUserRoles: refused,
  setUserDisabled: refused,
  createInvitation: refused,
  listInvitations: refused,
  revokeInvitation: refused,
  listOrganisations: refused,
  listMembers: refused,
  setMember: refused,
  createSetupLink: refused,
  grantCredits: refused,
  adjustCredits: refused,
  settleOutside: refused,
  checkLedger: refused,
  ledgerCheck: refused,
  listBalances: refused,
  readStatement: refused,
  readUsage: refused,
  listAudit: refused,
  auditHead: refused,
  verifyAudit: refused,
  listReceipts: refused,
  findReceipts: refused,
  exportReceipts: refused,
  listStakes: refused,
  openStake: refused,
  depositStake: refused,
  proveStake: refused,
  registerStake: refused,
  forgetStake: refused,
  releaseStake: refused,
  slashStake: refused,
  listStakeMoves: refused,
  submitStake: refused,
  listPayouts: refused,
  retryPayout: refused,
  writeOffPayout: refused,
  reclaimRent: refused,
  webhookSecret: refused,
  backup: refused,
});

// Remote admin: the operations of a running instance, over its local routes, signed with the instance's own key.
import { z } from "zod";
import { type Admin, type AdminError, LOCAL_PREFIX, OPERATIONS, type Operation } from "../admin/operations.ts";
import type { SignedFetch } from "../identity/signed-fetch.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { CliError, EXIT } from "./cli-error.ts";

export type RemoteDeps = {
  /** The instance's base address, without a slash at the end. */
  url: string;
  signedFetch: SignedFetch;
};

const ERROR_CODES = ["invalid", "not_found", "conflict", "not_available", "storage_failed"] as const;
const dataBody = z.object({ data: z.unknown() });
const errorBody = z.object({ error: z.string(), code: z.string(), hint: z.string().optional() });

/** Throws a CliError where the instance does not answer (3) or refuses the key (4). */
export function remoteAdmin(deps: RemoteDeps): Admin {
  const call =
    <I extends z.ZodType, O extends z.ZodType>(operation: Operation<I, O>) =>
    (input: z.input<I>): Promise<Result<z.output<O>, AdminError>> =>
      callRoute(deps, operation, input);
  return {
    status: call(OPERATIONS.status),
    listModels: call(OPERATIONS.listModels),
    createKey: call(OPERATIONS.createKey),
    listKeys: call(OPERATIONS.listKeys),
    rotateKey: call(OPERATIONS.rotateKey),
    revokeKey: call(OPERATIONS.revokeKey),
    createJoinToken: call(OPERATIONS.createJoinToken),
    listJoinTokens: call(OPERATIONS.listJoinTokens),
    revokeJoinToken: call(OPERATIONS.revokeJoinToken),
    listNodes: call(OPERATIONS.listNodes),
    approveNode: call(OPERATIONS.approveNode),
    allowNode: call(OPERATIONS.allowNode),
    placeNode: call(OPERATIONS.placeNode),
    ejectNode: call(OPERATIONS.ejectNode),
    issueCommand: call(OPERATIONS.issueCommand),
    listCommands: call(OPERATIONS.listCommands),
    watchCommands: call(OPERATIONS.watchCommands),
    cancelCommand: call(OPERATIONS.cancelCommand),
    pauseNode: call(OPERATIONS.pauseNode),
    resumeNode: call(OPERATIONS.resumeNode),
    createDashboardLink: call(OPERATIONS.createDashboardLink),
    listUsers: call(OPERATIONS.listUsers),
    showUser: call(OPERATIONS.showUser),
    endSessions: call(OPERATIONS.endSessions),
    createUser: call(OPERATIONS.createUser),
    resetPassword: call(OPERATIONS.resetPassword),
    setUserRoles: call(OPERATIONS.setUserRoles),
    setUserDisabled: call(OPERATIONS.setUserDisabled),
    createInvitation: call(OPERATIONS.createInvitation),
    listInvitations: call(OPERATIONS.listInvitations),
    revokeInvitation: call(OPERATIONS.revokeInvitation),
    listOrganisations: call(OPERATIONS.listOrganisations),
    listMembers: call(OPERATIONS.listMembers),
    setMember: call(OPERATIONS.setMember),
    createSetupLink: call(OPERATIONS.createSetupLink),
    grantCredits: call(OPERATIONS.grantCredits),
    adjustCredits: call(OPERATIONS.adjustCredits),
    settleOutside: call(OPERATIONS.settleOutside),
    listPayouts: call(OPERATIONS.listPayouts),
    retryPayout: call(OPERATIONS.retryPayout),
    writeOffPayout: call(OPERATIONS.writeOffPayout),
    reclaimRent: call(OPERATIONS.reclaimRent),
    checkLedger: call(OPERATIONS.checkLedger),
    ledgerCheck: call(OPERATIONS.ledgerCheck),
    listBalances: call(OPERATIONS.listBalances),
    readStatement: call(OPERATIONS.readStatement),
    readUsage: call(OPERATIONS.readUsage),
    listAudit: call(OPERATIONS.listAudit),
    auditHead: call(OPERATIONS.auditHead),
    listReceipts: call(OPERATIONS.listReceipts),
    findReceipts: call(OPERATIONS.findReceipts),
    exportReceipts: call(OPERATIONS.exportReceipts),
    listStakes: call(OPERATIONS.listStakes),
    openStake: call(OPERATIONS.openStake),
    depositStake: call(OPERATIONS.depositStake),
    proveStake: call(OPERATIONS.proveStake),
    registerStake: call(OPERATIONS.registerStake),
    forgetStake: call(OPERATIONS.forgetStake),
    releaseStake: call(OPERATIONS.releaseStake),
    slashStake: call(OPERATIONS.slashStake),
    listStakeMoves: call(OPERATIONS.listStakeMoves),
    submitStake: call(OPERATIONS.submitStake),
    listSettings: call(OPERATIONS.listSettings),
    changeSetting: call(OPERATIONS.changeSetting),
    readUpdate: call(OPERATIONS.readUpdate),
    checkUpdate: call(OPERATIONS.checkUpdate),
    resetSetting: call(OPERATIONS.resetSetting),
    verifyAudit: call(OPERATIONS.verifyAudit),
    webhookSecret: call(OPERATIONS.webhookSecret),
    backup: call(OPERATIONS.backup),
  };
}

async function callRoute<I extends z.ZodType, O extends z.ZodType>(
  { url, signedFetch }: RemoteDeps,
  operation: Operation<I, O>,
  input: z.input<I>,
): Promise<Result<z.output<O>, AdminError>> {
  const fields = { ...(input as Record<string, unknown>) };
  const path = operation.path.replace(/:(\w+)/g, (_, name: string) => {
    const value = String(fields[name]);
    delete fields[name];
    return encodeURIComponent(value);
  });
  const body = operation.method === "POST" ? JSON.stringify(fields) : undefined;
  const query = operation.method === "GET" ? queryOf(fields) : "";
  const response = await signedFetch(`${url}${LOCAL_PREFIX}${path}${query}`, {
    method: operation.method,
    ...(body === undefined ? {} : { body, headers: { "content-type": "application/json" } }),
  }).catch((error: unknown) => {
    throw unreachable(url, error);
  });
  const answer: unknown = await response.json().catch((error: unknown) => {
    throw unreachable(url, error);
  });
  if (response.ok) return ok(operation.output.parse(dataBody.parse(answer).data));
  return err(refusal(url, response.status, answer));
}

/** What is given, as a query. */
function queryOf(fields: Record<string, unknown>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) query.set(name, String(value));
  return query.size === 0 ? "" : `?${query}`;
}

function refusal(url: string, status: number, answer: unknown): AdminError {
  const said = errorBody.safeParse(answer).data;
  if (status === 401 || status === 403) {
    const why = said ? `${said.error} (${said.code})` : `status ${status}`;
    const hint = "its key differs from the one in this data directory, or the clock is off; `infernet doctor` looks";
    throw new CliError(`the instance at ${url} refused this command: ${why}`, { exitCode: EXIT.notAllowed, hint });
  }
  const code = ERROR_CODES.find((known) => known === said?.code);
  if (said && code) return { code, message: said.error, hint: said.hint };
  throw new CliError(`the instance at ${url} answered with status ${status}${said ? `: ${said.error}` : ""}`);
}

const unreachable = (url: string, cause: unknown): CliError =>
  new CliError(`the instance at ${url} does not answer`, {
    exitCode: EXIT.unreachable,
    hint: "see `infernet status` and `infernet logs`",
    cause,
  });

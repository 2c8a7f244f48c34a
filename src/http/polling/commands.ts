// Commands for polling nodes: what they are to do beside inference, how far they are, and how it ended.
import { commandsByIds, endCommand, nextCommands } from "../../registry/commands.ts";
import type { CommandRow } from "../../registry/schema.ts";
import type { MachineCall } from "../routes.ts";
import { bodyOf, data, type Refusal, refuse } from "./answers.ts";
import type { PollingDeps } from "./registration.ts";
import { commandEndSchema, commandProgressSchema, pollSchema } from "./shapes.ts";

const UNKNOWN: Refusal = { code: "command_unknown", message: "this node was given no such command" };

export async function pollCommands(deps: PollingDeps, call: MachineCall): Promise<Response> {
  const body = await bodyOf(call, pollSchema);
  if (!body.ok) return refuse(body.error);
  const due = await nextCommands(deps, call.signed.pubkey, body.value.limit);
  return data({ commands: due.map(({ id, command, args }) => ({ id, command, args })) });
}

async function given({ db }: PollingDeps, { signed, params }: MachineCall): Promise<CommandRow | undefined> {
  const [row] = await commandsByIds({ db }, [params.id ?? ""]);
  return row?.nodePubkey === signed.pubkey ? row : undefined;
}

/** The answer tells the node whether to go on: `status` is `cancelled` where it is not to. */
export async function commandProgress(deps: PollingDeps, call: MachineCall): Promise<Response> {
  const body = await bodyOf(call, commandProgressSchema);
  if (!body.ok) return refuse(body.error);
  const row = await given(deps, call);
  if (!row) return refuse(UNKNOWN);
  const { status, phase, completed = null, total = null } = body.value.progress;
  const progress = { phase: (status ?? phase ?? "").slice(0, 256), completed, total };
  if (row.endedMs === null) deps.delivery.polled(call.signed.pubkey, row.id, progress);
  return data({ id: row.id, progress, status: row.cancelling ? "cancelled" : row.state });
}

export async function completeCommand(deps: PollingDeps, call: MachineCall): Promise<Response> {
  const body = await bodyOf(call, commandEndSchema);
  if (!body.ok) return refuse(body.error);
  const row = await given(deps, call);
  if (!row) return refuse(UNKNOWN);
  const { status, error } = body.value;
  const why = status === "failed" ? (error || "the node says no more").slice(0, 1024) : null;
  // What was to be stopped and did not complete has been stopped.
  const outcome = status === "failed" && row.cancelling ? "cancelled" : status;
  const ended = await endCommand(deps, call.signed.pubkey, row.id, { outcome, error: why });
  if (!ended.ok) return refuse(UNKNOWN);
  deps.delivery.polled(call.signed.pubkey, row.id, null);
  return data({ id: row.id, status: ended.value.row.state });
}

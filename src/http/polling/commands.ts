// Commands for polling nodes: what they are to do beside inference, and how it ended.
import { endCommand, nextCommands } from "../../registry/commands.ts";
import type { MachineCall } from "../routes.ts";
import { bodyOf, data, refuse } from "./answers.ts";
import type { PollingDeps } from "./registration.ts";
import { commandEndSchema, pollSchema } from "./shapes.ts";

export async function pollCommands(deps: PollingDeps, call: MachineCall): Promise<Response> {
  const body = await bodyOf(call, pollSchema);
  if (!body.ok) return refuse(body.error);
  const { pubkey } = call.signed;
  const due = await nextCommands(deps, pubkey, body.value.limit);
  return data({ commands: due.map(({ id, command, args }) => ({ id, command, args })) });
}

export async function completeCommand(deps: PollingDeps, call: MachineCall): Promise<Response> {
  const body = await bodyOf(call, commandEndSchema);
  if (!body.ok) return refuse(body.error);
  const { pubkey } = call.signed;
  const { status, error } = body.value;
  const why = status === "failed" ? (error || "the node says no more").slice(0, 1024) : null;
  const ended = await endCommand(deps, pubkey, call.params.id ?? "", { outcome: status, error: why });
  if (!ended.ok) return refuse({ code: "command_unknown", message: "this node was given no such command" });
  if (!ended.value.stored) return refuse({ code: "already_completed", message: "this command has ended already" });
  return data({ id: ended.value.row.id, status });
}

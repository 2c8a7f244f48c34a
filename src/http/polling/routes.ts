// The polling routes, `/api/v1/node/*`: for existing Infernet daemons, and nodes that cannot hold a link.
import type { MachineCall, MachineRoute } from "../routes.ts";
import { linkAccount, unlinkAccount } from "./account.ts";
import { commandProgress, completeCommand, pollCommands } from "./commands.ts";
import { completeJob, jobEvents, pollJobs } from "./jobs.ts";
import { payments, payouts, setPayoutAddress } from "./payouts.ts";
import { heartbeat, me, type PollingDeps, register, remove } from "./registration.ts";
import {
  accountLinkSchema,
  commandEndSchema,
  commandProgressSchema,
  completeSchema,
  eventsSchema,
  heartbeatSchema,
  payoutSchema,
  pollSchema,
  registerSchema,
} from "./shapes.ts";

const BASE = "/api/v1/node";

type Handle = (deps: PollingDeps, call: MachineCall) => Response | Promise<Response>;

export function pollingRoutes(deps: PollingDeps): MachineRoute[] {
  const route = (
    rule: MachineRoute["rule"],
    path: string,
    summary: string,
    handle: Handle,
    body?: MachineRoute["body"],
  ): MachineRoute => ({
    method: "POST",
    path: `${BASE}/${path}`,
    tier: "machine",
    rule,
    summary,
    ...(body ? { body } : {}),
    async handle(call) {
      // Whatever it asks is a sign of the node.
      deps.pollers.seen(call.signed.pubkey);
      return await handle(deps, call);
    },
  });
  return [
    route("register", "register", "A node, a client or a peer makes itself known.", register, registerSchema),
    route("presence", "heartbeat", "A node is there, and serves this.", heartbeat, heartbeatSchema),
    route("presence", "me", "How the caller's key stands here.", me),
    route("polling", "jobs/poll", "What the node is to answer now.", pollJobs, pollSchema),
    route("polling", "jobs/:id/events", "Pieces of an answer.", jobEvents, eventsSchema),
    route("polling", "jobs/:id/complete", "An answer is whole, or has failed.", completeJob, completeSchema),
    route("polling", "commands/poll", "What the node is to do beside inference.", pollCommands, pollSchema),
    route("polling", "commands/:id/progress", "How far a command is.", commandProgress, commandProgressSchema),
    route("polling", "commands/:id/complete", "A command has ended.", completeCommand, commandEndSchema),
    route("polling", "remove", "The node leaves for good.", remove),
    route("polling", "account/link", "The node belongs to an account.", linkAccount, accountLinkSchema),
    route("polling", "account/unlink", "It does not any more.", unlinkAccount),
    route("polling", "payments/list", "What the node has earned.", payments),
    route("polling", "payouts/list", "Where the node wants to be paid.", payouts),
    route("polling", "payouts/set", "Sets such an address.", setPayoutAddress, payoutSchema),
  ];
}

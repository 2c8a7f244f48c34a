// Webhooks: the delivery as a coordinator runs it, with the system's resolver.
import { lookup } from "node:dns/promises";
import type { Config } from "../config.ts";
import { endedJob } from "../http/jobs.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { versionText } from "../version.ts";
import { type Deliveries, deliverWebhooks } from "../webhooks/deliver.ts";
import { poster } from "../webhooks/post.ts";
import type { TargetRule } from "../webhooks/target.ts";
import type { CoordinatorData } from "./coordinator-data.ts";

export const webhookRule = ({ webhooks }: Pick<Config, "webhooks">): TargetRule => ({
  get allowPrivate() {
    return webhooks.allow_private;
  },
});

export function startWebhooks(
  { db, secrets, webhookKey }: Pick<CoordinatorData, "db" | "secrets" | "webhookKey">,
  { config, clock, log }: { config: Config; clock: Clock; log: Log },
): Deliveries {
  return deliverWebhooks({
    db,
    secrets,
    clock,
    log,
    random: Math.random,
    post: poster({ clock, rule: webhookRule(config), resolve }),
    keyOf: webhookKey,
    jobObject: (accountId, jobId) => endedJob(db, accountId, jobId),
    version: versionText,
  });
}

/** IPv4 first: where both are there, more networks have it. */
async function resolve(hostname: string): Promise<string[]> {
  const found = await lookup(hostname, { all: true });
  return found.sort((a, b) => a.family - b.family).map(({ address }) => address);
}

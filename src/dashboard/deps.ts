// Deps: what the pages work with. Every file takes of it what it needs.
import type { People } from "../accounts/people.ts";
import type { Admin } from "../admin/operations.ts";
import type { Db } from "../db/open.ts";
import type { HumanDeps } from "../http/human/deps.ts";
import type { JobsHttpDeps } from "../http/jobs.ts";
import type { ChatDeps } from "../http/openai/chat-completions.ts";
import type { HttpRoute } from "../http/routes.ts";
import type { Jobs } from "../jobs/jobs.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import type { CommandDelivery } from "../registry/command-delivery.ts";
import type { Presence } from "../registry/presence.ts";
import type { Registry } from "../registry/registry.ts";
import type { Funding } from "../settlement/funding.ts";
import type { ReceiptArchive } from "../settlement/receipt-export.ts";
import type { Figures } from "../stats/now.ts";
import type { Stats } from "../stats/stats.ts";
import type { Live } from "./live.ts";

export type DashboardDeps = {
  db: Db;
  clock: Clock;
  log: Log;
  people: People;
  human: HumanDeps;
  /** What admins may do, the same as the commands. */
  admin: Admin;
  registry: Registry;
  jobs: Jobs;
  delivery: Pick<CommandDelivery, "progressOf">;
  stats: Stats;
  /** The other coordinators on the database. */
  presence: Pick<Presence<Figures>, "others">;
  live: Live;
  chat: ChatDeps;
  jobsHttp: JobsHttpDeps;
  archive: ReceiptArchive;
  /** Null where nothing is settled on a chain. */
  funding: Funding | null;
  billing: "off" | "credits" | "solana";
  feeBps: number;
  mode: "both" | "coordinator";
  version: string;
  /** Unix time, ms. */
  startedMs: number;
  /** `[coordinator] registration`: who may offer inference. */
  registration: "token" | "approval" | "open";
  /** Everything but the pages, for the reference. */
  apiRoutes(): readonly HttpRoute[];
  coordinator: Pubkey;
  publicUrl(): string;
  /** Jobs that may wait for one model. */
  queueLimit(): number;
  /** `[dashboard] public`: whether strangers see anything but the way in. */
  isPublic(): boolean;
};

// The routes of a coordinator, listed; each is a small function somewhere beside this file.

import type { Registry } from "../registry/registry.ts";
import type { ReceiptArchive } from "../settlement/receipt-export.ts";
import { secretText } from "../webhooks/sign.ts";
import { moneyRoutes } from "./account/money.ts";
import { type FundingHttpDeps, fundingRoutes } from "./funding/routes.ts";
import type { HumanDeps } from "./human/deps.ts";
import { humanRoutes } from "./human/routes.ts";
import { cancelJob, describedJobSchema, type JobsHttpDeps, listJobsOf, showJob, streamJob, submitJob } from "./jobs.ts";
import type { Route as LocalRoute } from "./local.ts";
import { localHttpRoutes } from "./local-http.ts";
import { type ChatDeps, chatCompletions } from "./openai/chat-completions.ts";
import { chatRequestSchema } from "./openai/chat-request.ts";
import { completionRequestSchema, completions } from "./openai/completions.ts";
import { embeddingRequestSchema, embeddings } from "./openai/embeddings.ts";
import { modelList, oneModel } from "./openai/models.ts";
import { openApi } from "./openapi.ts";
import { type OpsDeps, opsRoutes } from "./ops-routes.ts";
import { ownKey } from "./own-key.ts";
import { type PayoutRoutesDeps, payoutRoutes } from "./payouts/routes.ts";
import type { PollingDeps } from "./polling/registration.ts";
import { pollingRoutes } from "./polling/routes.ts";
import { receiptRoutes } from "./receipts.ts";
import type { HttpRoute } from "./routes.ts";
import { workerRoutes } from "./worker/routes.ts";

export type CoordinatorRoutesDeps = OpsDeps & {
  registry: Registry;
  version: string;
  publicUrl: () => string;
  chat: ChatDeps;
  jobs: JobsHttpDeps;
  webhookKey(accountId: string): Uint8Array;
  polling: PollingDeps;
  human: HumanDeps;
  local: readonly LocalRoute[];
  archive: ReceiptArchive;
  payouts: PayoutRoutesDeps;
  /** Null where nothing is settled on a chain. */
  funding: Omit<FundingHttpDeps, "chat" | "db" | "publicUrl"> | null;
};

export function coordinatorRoutes(deps: CoordinatorRoutesDeps): HttpRoute[] {
  const client: HttpRoute[] = ["/v1", "/api/v1"].flatMap((base): HttpRoute[] => [
    {
      method: "POST",
      path: `${base}/chat/completions`,
      tier: "client",
      scope: "chat",
      summary: "A chat's next message (OpenAI).",
      body: chatRequestSchema,
      streams: true,
      example: { model: "MODEL", messages: [{ role: "user", content: "What is infernet?" }], stream: true },
      handle: (call) => chatCompletions(deps.chat, call),
    },
    {
      method: "POST",
      path: `${base}/completions`,
      tier: "client",
      scope: "completions",
      summary: "A text, gone on with (OpenAI).",
      body: completionRequestSchema,
      streams: true,
      example: { model: "MODEL", prompt: "Once upon a time", max_tokens: 64 },
      handle: (call) => completions(deps.chat, call),
    },
    {
      method: "POST",
      path: `${base}/embeddings`,
      tier: "client",
      scope: "embeddings",
      summary: "Vectors of texts (OpenAI).",
      body: embeddingRequestSchema,
      example: { model: "MODEL", input: ["one text", "another"] },
      handle: (call) => embeddings(deps.chat, call),
    },
    {
      method: "GET",
      path: `${base}/models`,
      tier: "client",
      scope: "models:read",
      summary: "Models on offer now (OpenAI).",
      handle: ({ caller }) => Response.json(modelList(deps.registry, caller)),
    },
    {
      method: "GET",
      path: `${base}/models/*`,
      tier: "client",
      scope: "models:read",
      summary: "One model (OpenAI). Its name may hold slashes.",
      handle: ({ params, caller }) => oneModel(deps.registry, params["*"] ?? "", caller),
    },
  ]);
  const jobs: HttpRoute[] = [
    {
      method: "POST",
      path: "/api/v1/jobs",
      tier: "client",
      scope: "jobs",
      summary:
        "Submits an asynchronous job: a chat, or a prompt as its only message. Idempotency-Key makes it safe to repeat.",
      body: describedJobSchema,
      example: { model: "MODEL", prompt: "What is infernet?", max_tokens: 256 },
      handle: (call) => submitJob(deps.jobs, call),
    },
    {
      method: "GET",
      path: "/api/v1/jobs",
      tier: "client",
      scope: "jobs",
      summary: "The account's jobs, newest first; pages by cursor.",
      handle: (call) => listJobsOf(deps.jobs, call),
    },
    {
      method: "GET",
      path: "/api/v1/jobs/:id",
      tier: "client",
      scope: "jobs",
      summary: "One job, with its answer while that is kept.",
      handle: (call) => showJob(deps.jobs, call),
    },
    {
      method: "GET",
      path: "/api/v1/jobs/:id/stream",
      tier: "client",
      scope: "jobs",
      summary: "The answer of a job as server-sent events; resumes after Last-Event-ID.",
      answers: "text/event-stream",
      handle: (call) => streamJob(deps.jobs, call),
    },
    {
      method: "POST",
      path: "/api/v1/jobs/:id/cancel",
      tier: "client",
      scope: "jobs",
      summary: "Cancels a job.",
      handle: (call) => cancelJob(deps.jobs, call),
    },
    {
      method: "GET",
      path: "/api/v1/key",
      tier: "client",
      summary: "What the key that asks is good for, its limits, and what is left of them (µ$).",
      handle: (call) => ownKey({ db: deps.jobs.db, clock: deps.chat.clock }, call),
    },
    {
      method: "GET",
      path: "/api/v1/webhooks/secret",
      tier: "client",
      scope: "jobs",
      summary: "What the account's webhooks are signed with (Standard Webhooks): whsec_…",
      handle: ({ caller }) => Response.json({ secret: secretText(deps.webhookKey(caller.accountId)) }),
    },
  ];
  const routes: HttpRoute[] = [
    ...opsRoutes(deps),
    {
      method: "GET",
      path: "/openapi.json",
      tier: "public",
      summary: "This description.",
      handle: () => Response.json(openApi(routes, deps.version)),
    },
    ...client,
    ...jobs,
    ...moneyRoutes({ db: deps.jobs.db, clock: deps.chat.clock }),
    ...receiptRoutes(deps.archive),
    ...(deps.funding
      ? fundingRoutes({ ...deps.funding, chat: deps.chat, db: deps.jobs.db, publicUrl: deps.publicUrl })
      : []),
    ...pollingRoutes(deps.polling),
    ...payoutRoutes(deps.payouts),
    ...workerRoutes(deps.polling),
    ...humanRoutes(deps.human),
    ...localHttpRoutes(deps.local),
  ];
  return routes;
}

// Jobs: their lists and pages, listed. What answers is loaded when it is first asked for.
import type { HttpRoute, SignedInCall } from "../../http/routes.ts";
import type { DashboardDeps } from "../deps.ts";

const lists = () => import("./list-page.ts");
const page = () => import("./job-page.ts");

type Handle = (call: SignedInCall) => Promise<Response>;
const seen = (path: string, summary: string, handle: Handle, answers = "text/html"): HttpRoute => {
  const isAdmins = path.startsWith("/admin/") || path.startsWith("/live/admin/");
  return {
    ...{ method: "GET", path, tier: "human", access: "user", summary, answers, handle },
    ...(isAdmins ? { role: "admin" } : {}),
  };
};

export const jobRoutes = (deps: DashboardDeps): HttpRoute[] => [
  seen("/jobs", "Jobs of the account.", async (call) => (await lists()).showJobs(deps, call, "mine")),
  seen("/admin/jobs", "Jobs of everybody.", async (call) => (await lists()).showJobs(deps, call, "all")),
  seen("/jobs.csv", "The same, as a file.", async (call) => (await lists()).jobsFile(deps, call, "mine"), "text/csv"),
  seen(
    "/admin/jobs.csv",
    "The same, as a file.",
    async (call) => (await lists()).jobsFile(deps, call, "all"),
    "text/csv",
  ),
  seen(
    "/live/jobs",
    "Their updates.",
    async (call) => (await lists()).watchJobs(deps, call, "mine"),
    "text/event-stream",
  ),
  seen(
    "/live/admin/jobs",
    "Their updates.",
    async (call) => (await lists()).watchJobs(deps, call, "all"),
    "text/event-stream",
  ),
  seen("/jobs/:id", "What happened to a job.", async (call) => (await page()).showJobPage(deps, call)),
  seen(
    "/live/jobs/:id",
    "Its updates while it runs.",
    async (call) => (await page()).watchJob(deps, call),
    "text/event-stream",
  ),
  seen(
    "/jobs/:id/receipts",
    "Its receipts, as a file.",
    async (call) => (await page()).jobReceiptsFile(deps, call),
    "application/json",
  ),
  {
    method: "POST",
    path: "/jobs/:id/cancel",
    tier: "human",
    access: "user",
    summary: "Cancels a job of the account.",
    answers: "text/html",
    handle: async (call) => (await page()).cancelJobHere(deps, call),
  },
];

// Job page: `/jobs/:id`, its updates while it runs, its receipts, its cancellation.
import { changing, JobPage } from "../../../web/pages/job.tsx";
import { Partial } from "../../../web/parts/partial.tsx";
import { jobReceiptDocument } from "../../http/receipts.ts";
import type { SignedInCall } from "../../http/routes.ts";
import type { JobError } from "../../jobs/job.ts";
import { jobIdSchema } from "../../protocol/primitives.ts";
import { doneAnswer, pageAnswer } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { readerOf } from "../reader.ts";
import { notFound, refusal } from "../refusal.ts";
import { viewerOf } from "../viewer.ts";
import { viewOfJob } from "./job-view.ts";
import { type JobShown, jobShown } from "./shown.ts";

async function found(deps: DashboardDeps, { human, params }: SignedInCall): Promise<JobShown | undefined> {
  const id = jobIdSchema.safeParse(params.id);
  return id.success ? await jobShown(deps, human, id.data) : undefined;
}

export async function showJobPage(deps: DashboardDeps, call: SignedInCall): Promise<Response> {
  const { human, request } = call;
  const job = await found(deps, call);
  if (!job) return notFound(deps, call, human, "job");
  const page = JobPage({ viewer: viewerOf(deps, call), view: viewOfJob(job), csrf: human.csrf });
  return pageAnswer(request, page);
}

const UPDATE_MS = 1_000;

export async function watchJob(deps: DashboardDeps, call: SignedInCall): Promise<Response> {
  const { human } = call;
  const job = await found(deps, call);
  if (!job) return notFound(deps, call, human, "job");
  const { account, user, memberRole } = human;
  return deps.live.open(readerOf(deps, call), {
    // What is shown depends on whose it is, and on whether they may cancel it.
    key: `job/${job.id}/${job.account === null ? `${account.id}/${memberRole}` : `admin/${user.id}`}`,
    everyMs: UPDATE_MS,
    async render() {
      const now = await jobShown(deps, human, job.id);
      if (!now) return [];
      const parts = changing(viewOfJob(now)).map(async ([id, part]) => ({
        data: String(await Partial({ target: `#${id}`, swap: "outerMorph", children: await part })),
      }));
      const events = await Promise.all(parts);
      if (now.live) return events;
      const gone = ["#stream-state", "#cancel"].map(async (target) => ({
        data: String(await Partial({ target, swap: "delete" })),
      }));
      return [...events, ...(await Promise.all(gone)), { event: "done", data: "" }];
    },
  });
}

const byOwner: JobError = { code: "client_gone", message: "cancelled by its owner" };

export async function cancelJobHere(deps: DashboardDeps, call: SignedInCall): Promise<Response> {
  const { human, request } = call;
  const job = await found(deps, call);
  if (!job || job.account !== null) return notFound(deps, call, human, "job");
  const no = (status: number, words: string, code: string) =>
    refusal(deps, call, human, { status, title: "Not cancelled", words, code });
  if (human.memberRole !== "owner") return no(403, "Only an owner of the account cancels its jobs.", "not_owner");
  const live = deps.jobs.live.get(jobIdSchema.parse(job.id));
  if (!live) return no(409, "The job has ended already, or another coordinator answers it.", "job_ended");
  await deps.jobs.cancelAndWait(live, byOwner);
  await deps.jobs.recorded();
  return doneAnswer(request, `/jobs/${job.id}`, { text: "Job cancelled" });
}

/** A document that the receipt checker takes. */
export async function jobReceiptsFile(deps: DashboardDeps, call: SignedInCall): Promise<Response> {
  const job = await found(deps, call);
  const document = job && (await jobReceiptDocument(deps.archive, job.id, { salts: job.account === null }));
  if (!document) return notFound(deps, call, call.human, "receipt");
  return Response.json(document, {
    headers: { "content-disposition": `attachment; filename="receipts-${job.id}.json"` },
  });
}

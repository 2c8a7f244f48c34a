// Node acts: what the page of a node does: commands for who runs it, decisions for admins. Each is an operation of
// admin, the same that the commands of the command line call.
import { z } from "zod";
import type { AdminError, CommandRow } from "../../admin/operations.ts";
import { bodyFields } from "../../http/human/answers.ts";
import { callerOf } from "../../http/human/deps.ts";
import type { HttpRoute, HumanRoute, SignedInCall } from "../../http/routes.ts";
import type { Result } from "../../lib/result.ts";
import { COMMANDS, modelNameSchema } from "../../protocol/commands.ts";
import { unlinkNode } from "../../registry/account-link.ts";
import { fragmentAnswer, isHtmx, type Toast } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { notFound } from "../refusal.ts";
import { isAdmin } from "../viewer.ts";
import { donePage, notDone, notOwner } from "./answers.ts";
import { type Looked, lookedAt, nodePage } from "./node-page.ts";
import { mayAct } from "./rights.ts";
import { formOf, MAX_TERMS_FORM_BYTES, termsTyped } from "./terms.ts";

const commandSchema = z.object({ command: z.enum(COMMANDS), model: modelNameSchema.optional() });
const MODEL_RULE = "A model's name has letters, digits and . _ : / @ + -, as in qwen3:8b.";

type Act = (call: SignedInCall, looked: Looked) => Promise<Response>;

export function nodeActRoutes(deps: DashboardDeps): HttpRoute[] {
  const { admin } = deps;
  const route = (path: string, summary: string, act: Act, role?: "admin"): HumanRoute => ({
    method: "POST",
    path: `/nodes/:pubkey/${path}`,
    tier: "human",
    access: "user",
    ...(role ? { role } : {}),
    summary,
    answers: "text/html",
    async handle(call) {
      const looked = await lookedAt(deps, call);
      if (!looked || looked.right === "public") return notFound(deps, call, call.human, "node");
      return mayAct(call.human, looked.right) ? act(call, looked) : notOwner(deps, call);
    },
  });
  /** Asks for it, and shows the page as it stands then. */
  const asked = async (
    call: SignedInCall,
    { pubkey }: Looked,
    answer: Promise<Result<object, AdminError>>,
    toast: Toast,
  ): Promise<Response> => {
    const done = await answer;
    return done.ok ? donePage(call, `/nodes/${pubkey}`, toast) : notDone(deps, call, done.error);
  };
  return [
    route("command", "Asks a node for something beside inference.", (call, looked) => command(deps, call, looked)),
    {
      ...route("terms", "Asks a node for other slots, prices or hours.", (call, looked) => terms(deps, call, looked)),
      maxBodyBytes: MAX_TERMS_FORM_BYTES,
    },
    route("commands/:id/cancel", "Wants a command stopped.", (call, looked) =>
      asked(call, looked, admin.cancelCommand({ id: call.params.id ?? "", ...ofWhom(call, looked) }, callerOf(call)), {
        text: "The node is told to stop",
      }),
    ),
    route("unlink", "Gives a node back to the built-in account.", (call, looked) => unlink(deps, call, looked)),
    ...decisions(deps, route, asked),
  ];
}

/** Admins command any node; others those of their account, which the operation itself checks. */
const ofWhom = ({ human }: SignedInCall, { right }: Pick<Looked, "right">): { account?: string } =>
  right === "admin" ? {} : { account: human.account.id };

type Asked = (
  call: SignedInCall,
  looked: Looked,
  answer: Promise<Result<object, AdminError>>,
  toast: Toast,
) => Promise<Response>;
type Route = (path: string, summary: string, act: Act, role?: "admin") => HttpRoute;

function decisions({ admin }: DashboardDeps, route: Route, asked: Asked): HttpRoute[] {
  const only = (path: string, summary: string, act: Act) => route(path, summary, act, "admin");
  return [
    only("approve", "Lets in a node that waits for it.", (call, looked) =>
      asked(call, looked, admin.approveNode({ pubkey: looked.pubkey }, callerOf(call)), { text: "Node approved" }),
    ),
    only("allow", "Lets a key in again.", (call, looked) => {
      const input = { pubkey: looked.pubkey, role: looked.row.role };
      return asked(call, looked, admin.allowNode(input, callerOf(call)), { text: "Its key is let in again" });
    }),
    only("eject", "Takes a node's work and its way in.", (call, looked) => {
      const reason = bodyFields(call).reason;
      const input = { pubkey: looked.pubkey, ...(typeof reason === "string" && reason !== "" ? { reason } : {}) };
      const refused = looked.row.status === "pending";
      const toast = { text: refused ? "Node refused" : "Node ejected", undo: `/nodes/${looked.pubkey}/allow` };
      return asked(call, looked, admin.ejectNode(input, callerOf(call)), refused ? { text: toast.text } : toast);
    }),
    only("place", "Says whose requests a node serves, and whether it has work at all.", (call, looked) => {
      const { pool, maintenance } = bodyFields(call);
      const input = {
        pubkey: looked.pubkey,
        pool: typeof pool === "string" ? pool.trim() : "",
        maintenance: maintenance === "on",
      };
      return asked(call, looked, admin.placeNode(input, callerOf(call)), { text: "Node placed" });
    }),
    only("pause", "Holds the node of this process.", (call, looked) =>
      ownOnly(call, looked, asked, () => admin.pauseNode({}, callerOf(call)), { text: "Paused" }),
    ),
    only("resume", "Lets the node of this process work again.", (call, looked) =>
      ownOnly(call, looked, asked, () => admin.resumeNode({}, callerOf(call)), { text: "Resumed" }),
    ),
  ];
}

/** Pausing is for the node of this process; others are asked by a command. */
function ownOnly(
  call: SignedInCall,
  looked: Looked,
  asked: Asked,
  act: () => Promise<Result<object, AdminError>>,
  toast: Toast,
): Promise<Response> {
  const other = { code: "not_available", message: "that node runs elsewhere: drain it instead" } as const;
  const answer = looked.row.admittedBy === "local" ? act() : Promise.resolve({ ok: false, error: other } as const);
  return asked(call, looked, answer, toast);
}

async function command(deps: DashboardDeps, call: SignedInCall, looked: Looked): Promise<Response> {
  const { command: name, model } = bodyFields(call);
  const trimmed = typeof model === "string" ? model.trim() : undefined;
  const said = commandSchema.safeParse({ command: name, ...(trimmed === undefined ? {} : { model: trimmed }) });
  if (!said.success) {
    const message = trimmed === undefined ? "There is no such command" : MODEL_RULE;
    return notDone(deps, call, { code: "invalid", message });
  }
  const input = { pubkey: looked.pubkey, ...said.data, ...ofWhom(call, looked) };
  const issued = await deps.admin.issueCommand(input, callerOf(call));
  if (!issued.ok) return notDone(deps, call, issued.error);
  return donePage(call, `/nodes/${looked.pubkey}`, { text: toldOf(issued.value) });
}

/** What was typed wrong is shown at its field, the form as it was sent. */
async function terms(deps: DashboardDeps, call: SignedInCall, looked: Looked): Promise<Response> {
  const { pubkey, right } = looked;
  const form = formOf(new URLSearchParams(call.body()));
  const typed = termsTyped(form);
  if (!typed.ok && !isHtmx(call.request)) return nodePage(deps, call, looked, { form, fault: typed.error });
  if (!typed.ok) {
    const { TermsForm } = await import("../../../web/pages/node/terms.tsx");
    const { csrf } = call.human;
    return fragmentAnswer(call.request, TermsForm({ pubkey, form, csrf, fault: typed.error }), { status: 422 });
  }
  const to = `/nodes/${pubkey}`;
  if (typed.value === null) return donePage(call, to, { text: "Nothing was changed" });
  const input = { pubkey, command: "configure", terms: typed.value, ...ofWhom(call, { right }) } as const;
  const issued = await deps.admin.issueCommand(input, callerOf(call));
  return issued.ok ? donePage(call, to, { text: toldOf(issued.value) }) : notDone(deps, call, issued.error);
}

const toldOf = ({ online }: CommandRow): string =>
  online ? "The node is asked" : "The node is asked once it is back, within a day";

async function unlink(deps: DashboardDeps, call: SignedInCall, { pubkey }: Looked): Promise<Response> {
  const of = isAdmin(call.human) ? {} : { accountId: call.human.account.id };
  const unlinked = await unlinkNode(deps.people, { pubkey, ...of }, callerOf(call));
  if (!unlinked.ok) return notDone(deps, call, { code: "conflict", message: "This node belongs to no account" });
  await deps.human.reloadNode(pubkey);
  // Whoever gave it up may not see it any more as they did.
  return donePage(call, isAdmin(call.human) ? `/nodes/${pubkey}` : "/my/nodes", { text: "Node unlinked" });
}

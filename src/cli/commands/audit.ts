// infernet audit list | head | verify
import type { AuditView } from "../../admin/money-operations.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmless } from "../harmless.ts";
import { answerOrThrow, withAdmin } from "../instance.ts";
import { readDatabase } from "../read-database.ts";
import { table } from "../table.ts";
import { durationS, wholeNumber } from "../values.ts";

type Json = { json?: boolean };
export type ListFlags = Json & { action?: string; actor?: string; subject?: string; since?: string; limit?: string };

/** The newest first. */
export async function list(context: Context, options: GlobalOptions, flags: ListFlags): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const { action, actor, subject, since } = flags;
  const wanted = {
    limit: wholeNumber(flags.limit ?? "100", "--limit", 1, 1_000),
    ...(action === undefined ? {} : { action }),
    ...(actor === undefined ? {} : { actor }),
    ...(subject === undefined ? {} : { subject }),
    ...(since === undefined ? {} : { since_ms: Math.max(0, context.nowMs() - durationS(since, "--since") * 1000) }),
  };
  const { entries } = await withAdmin(context, config, "audit list", async (admin) =>
    answerOrThrow(await admin.listAudit(wanted)),
  );
  if (flags.json) printJson(context, { entries });
  else if (entries.length === 0) context.terminal.err("Nothing of that kind is in the audit log.\n");
  else {
    const head = ["#", "AT", "WHO", "FROM", "DID", "TO", "BEFORE", "AFTER"];
    context.terminal.out(table(head, entries.map(cells), context.terminal.colors));
  }
  return EXIT.good;
}

const cells = ({ seq, at_ms, actor, from, action, subject, before, after }: AuditView) => [
  seq,
  `${new Date(at_ms).toISOString().slice(0, 19).replace("T", " ")}Z`,
  actor,
  from || null,
  action,
  subject,
  before === null ? null : JSON.stringify(before),
  after === null ? null : JSON.stringify(after),
];

/** The last entry's number and hash, to be kept elsewhere. */
export async function head(context: Context, options: GlobalOptions, flags: Json): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const { seq, hash } = await withAdmin(context, config, "audit head", async (admin) =>
    answerOrThrow(await admin.auditHead({})),
  );
  if (flags.json) printJson(context, { seq, hash });
  else {
    context.terminal.out(`${seq}:${hash}\n`);
    context.terminal.err(
      "Keep it elsewhere: `infernet audit verify --head` proves with it that nothing was cut off.\n",
    );
  }
  return EXIT.good;
}

/** Exits with 1 where the chain does not hold. Reads the database itself, so a running instance cannot lie about it. */
export async function verify(
  context: Context,
  options: GlobalOptions,
  flags: Json & { head?: string },
): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const anchor = flags.head === undefined ? undefined : headOf(flags.head);
  const {
    entries,
    head: last,
    broken,
  } = await readDatabase(config, async (db) => {
    const [{ verifyAudit }, { drizzleOver }] = await Promise.all([
      import("../../accounts/audit-check.ts"),
      import("../../db/executor.ts"),
    ]);
    return await db.snapshot((execute) => verifyAudit({ read: drizzleOver(execute) }, anchor));
  });
  if (flags.json) printJson(context, { good: broken === null, entries, head: last, broken });
  else if (broken === null) context.terminal.out(`${entries} entries hold; the last is ${last.seq}:${last.hash}\n`);
  else context.terminal.out(`the audit log is broken: ${harmless(broken.message)}\n`);
  return broken === null ? EXIT.good : EXIT.failed;
}

function headOf(text: string): { seq: number; hash: string } {
  const match = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text.trim());
  if (match?.[2]) return { seq: Number(match[1]), hash: match[2] };
  throw new CliError(`--head ${JSON.stringify(text)} must be SEQ:HASH, as \`infernet audit head\` printed it`, {
    exitCode: EXIT.usage,
  });
}

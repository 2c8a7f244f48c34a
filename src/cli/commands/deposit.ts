// infernet deposit [USD]: asks a coordinator for a deposit, and shows the code that a phone's wallet reads.
import { z } from "zod";
import { amountOf } from "../amounts.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson } from "../context.ts";
import { harmless } from "../harmless.ts";
import { findTarget } from "./chat.ts";

const answerSchema = z.object({
  reference: z.string(),
  url: z.string().max(2048),
  amount: z.string().nullable(),
  treasury: z.string(),
});
const refusalSchema = z.object({ error: z.object({ message: z.string() }) });

export async function deposit(
  context: Context,
  options: GlobalOptions,
  usd: string | undefined,
  flags: { json?: boolean; url?: string },
): Promise<ExitCode> {
  const { url, apiKey } = await findTarget(context, options, flags.url);
  const response = await context.fetch(`${url}/api/v1/funding/deposits`, {
    method: "POST",
    headers: apiKey === null ? {} : { authorization: `Bearer ${apiKey}` },
    body: JSON.stringify(usd === undefined ? {} : { amount_micro_usd: amountOf(usd) }),
  });
  const body: unknown = await response.json().catch(() => null);
  const asked = answerSchema.safeParse(body);
  if (!response.ok || !asked.success) {
    const refused = refusalSchema.safeParse(body);
    const why = refused.success ? harmless(refused.data.error.message, 512) : `it answered ${response.status}`;
    throw new CliError(`no deposit: ${why}`);
  }
  if (flags.json) {
    printJson(context, body);
    return EXIT.good;
  }
  const { qrText } = await import("../../settlement/payment-url.ts");
  const { terminal } = context;
  terminal.out(await qrText(asked.data.url, terminal));
  terminal.out(`${harmless(asked.data.url, 2048)}\n`);
  terminal.err(
    `The operator's wallet ${harmless(asked.data.treasury, 64)} holds what is paid in (custodial). It is credited once it is final.\n`,
  );
  return EXIT.good;
}

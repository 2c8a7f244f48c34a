// Commands about receipts.
import type { Command } from "commander";
import type { ReceiptFlags } from "./commands/receipts.ts";
import type { VerifyFlags } from "./commands/verify-receipts.ts";
import type { Attach } from "./program.ts";

type Json = { json?: boolean };
const JSON_FLAG = ["--json", "print JSON"] as const;

export function defineReceipts(program: Command, attach: Attach): void {
  const load = () => import("./commands/receipts.ts");
  const receipts = program
    .command("receipts")
    .description("signed receipts: of every job where the coordinator runs, of its own jobs where a node runs");
  const filtered = (command: Command): Command =>
    command
      .option("--node <key>", "of this node alone")
      .option("--account <id>", "of this account alone")
      .option("--since <time>", "of jobs that ended within it, e.g. 24h");
  filtered(receipts.command("list").description("list them, the newest first"))
    .option("--limit <count>", "how many", "50")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, flags: ReceiptFlags & { limit: string }) =>
        (await load()).list(context, options, flags),
      ),
    );
  receipts
    .command("show")
    .description("show one with what each field means; as JSON it can be verified elsewhere")
    .argument("<id>", "a job, an attempt, a number, or NODE/NUMBER")
    .option("--salts", "with the salt of the job, for whoever may know the request")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, id: string, flags: Json & { salts?: boolean }) =>
        (await load()).show(context, options, id, flags),
      ),
    );
  filtered(receipts.command("export").description("write them to a file that can be verified on any machine"))
    .argument("<file>", "must not exist; - is standard output")
    .option("--salts", "with the salts of the jobs, for whoever may know the requests")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, file: string, flags: ReceiptFlags & { salts?: boolean }) =>
        (await load()).exportFile(context, options, file, flags),
      ),
    );
  receipts
    .command("verify")
    .description("check a file of receipts, without network, configuration or instance")
    .argument("<file>", "an export, or what the API answered; - is standard input")
    .option("--coordinator <key>", "accept this coordinator's alone")
    .option("--request <file>", "the body of the request, as it was sent")
    .option("--output <file>", "the text of the answer, as it was received")
    .option("--salt <hex>", "of the job, where the file does not have it")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, file: string, flags: VerifyFlags) =>
        (await import("./commands/verify-receipts.ts")).verify(context, options, file, flags),
      ),
    );
}

// infernet models list
import type { ModelRow } from "../../admin/operations.ts";
import { usdRange } from "../../lib/money.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { answerOrThrow, runningOwner, withAdmin } from "../instance.ts";
import { table } from "../table.ts";

export async function list(context: Context, options: GlobalOptions, flags: { json?: boolean }): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  // Models are served by what runs: there is nothing to look up in the data.
  if (!runningOwner(config)) {
    throw new CliError("infernet is not running here, so no model is served", {
      exitCode: EXIT.unreachable,
      hint: "start it with `infernet start`",
    });
  }
  await withAdmin(context, config, "models list", async (admin) => {
    const { models } = answerOrThrow(await admin.listModels({}));
    if (flags.json) printJson(context, { models });
    else if (models.length > 0) context.terminal.out(modelTable(models, context.terminal.colors));
    else context.terminal.err("No model is served now; `infernet doctor` looks for inference servers.\n");
  });
  return EXIT.good;
}

export const modelTable = (models: readonly ModelRow[], colors: boolean): string =>
  table(
    ["MODEL", "NODES", "JOBS", "CONTEXT", "USD/M IN", "USD/M OUT", ""],
    models.map(({ name, nodes, running, slots, context_length, demo, ...prices }) => [
      name,
      nodes,
      `${running}/${slots}`,
      context_length,
      usdRange(prices.price_input, prices.price_input_max),
      usdRange(prices.price_output, prices.price_output_max),
      demo ? "demo model" : "",
    ]),
    colors,
  );

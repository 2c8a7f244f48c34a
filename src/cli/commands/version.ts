// infernet version
import { commit, version as number, versionText } from "../../version.ts";
import { EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, printJson } from "../context.ts";

export async function version(context: Context, flags: { json?: boolean }): Promise<ExitCode> {
  if (flags.json)
    printJson(context, { version: number, commit, bun: Bun.version, platform: process.platform, arch: process.arch });
  else context.terminal.out(`infernet ${versionText}\n`);
  return EXIT.good;
}

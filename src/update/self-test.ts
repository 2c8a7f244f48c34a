// Self-test: an executable is asked for its version before it takes the place of another one.
import { z } from "zod";
import { ok, type Result } from "../lib/result.ts";
import { refuse, type UpdateRefusal } from "./refusal.ts";

/** What `infernet version --json` prints, as far as it is looked at. */
const versionOutput = z.object({ version: z.string(), commit: z.string().nullable() });
export type Tested = z.infer<typeof versionOutput>;

export type SelfTestDeps = { env: Record<string, string | undefined>; selfTestMs: number };
export const SELF_TEST_MS = 30_000;
const MAX_OUTPUT_BYTES = 64 * 1024;

/** What the executable at `path` says it is. Refused where it does not start, does not end in time or says nothing. */
export async function selfTest(deps: SelfTestDeps, path: string): Promise<Result<Tested, UpdateRefusal>> {
  const failed = (why: string) => refuse("self_test_failed", `${path} does not work here: ${why}`);
  const started = start(deps, path);
  if (typeof started === "string") return failed(started);
  const [out, problem] = await Promise.all([started.stdout.text(), started.stderr.text(), started.exited]);
  if (started.signalCode === "SIGKILL") return failed(`no answer within ${deps.selfTestMs} ms`);
  if (started.exitCode !== 0) {
    const ending = started.signalCode ?? `exit code ${started.exitCode}`;
    return failed(`\`version\` ended with ${ending}${problem === "" ? "" : `: ${problem.trim().slice(0, 500)}`}`);
  }
  const parsed = versionOutput.safeParse(jsonOf(out));
  return parsed.success ? ok(parsed.data) : failed(`\`version --json\` says ${JSON.stringify(out.slice(0, 200))}`);
}

/** The running test, or why it cannot start: the file is no program of this machine, say. */
function start({ env, selfTestMs }: SelfTestDeps, path: string): Bun.Subprocess<"ignore", "pipe", "pipe"> | string {
  try {
    return Bun.spawn([path, "version", "--json"], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: selfTestMs,
      killSignal: "SIGKILL",
      maxBuffer: MAX_OUTPUT_BYTES,
    });
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

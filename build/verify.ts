// Verify: `bun run verify` on a machine with node and npm only. Installs what is needed, runs the gate (the steps of
// `bun run check`), builds the executable, runs the end-to-end tests and a short benchmark, one after the other.
// The last line is `N passed, N failed`: tests counted one by one, every other step as one.
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { runStep, type Step, type StepResult } from "./setup/run-step.ts";
import { type Counts, testCounts } from "./setup/test-counts.ts";
import { bun, installPackages, ROOT, runScript } from "./setup/tools.ts";

type Part = Step & {
  /** Its tests are counted one by one. */
  tests?: true;
  /** Makes no sense once one of these failed. */
  after?: string[];
};

/** The gate's steps, as package.json names them in `check`: there is one list, and it is that one. */
function gate(): Part[] {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  return (scripts.check ?? "").split("&&").map((command) => {
    const name = /^\s*bun run (\w+)\s*$/.exec(command)?.[1];
    if (name === undefined) throw new Error(`package.json: "check" has a step that is no script: ${command}`);
    return name === "test"
      ? { name: "unit tests", command: bun("run", name), limitS: 600, tests: true }
      : { name, command: bun("run", name), limitS: 600 };
  });
}

const PARTS: Part[] = [
  ...gate(),
  { name: "build", command: bun("run", "build"), limitS: 600 },
  { name: "browser", command: bun("build/browser.ts"), limitS: 600 },
  { name: "end-to-end tests", command: bun("run", "e2e"), limitS: 2400, tests: true, after: ["build"] },
  { name: "bench smoke", command: bun("e2e/bench/run.ts", "--smoke"), limitS: 600, after: ["build"] },
];

/** Lines of a failed step worth reading: what passed is left out. */
function shortened({ output, log }: StepResult): string {
  const lines = output.split("\n").filter((line) => !line.startsWith("(pass)"));
  const kept = lines.slice(-300);
  const cut = kept.length < lines.length ? `… ${relative(ROOT, log)} has it all …\n` : "";
  return `${cut}${kept.join("\n").trimEnd()}\n`;
}

async function runPart(part: Part): Promise<Counts> {
  process.stdout.write(`── ${part.name}\n`);
  const result = await runStep(part);
  const counts = part.tests
    ? testCounts(result.output, result.exitCode)
    : { passed: result.exitCode === 0 ? 1 : 0, failed: result.exitCode === 0 ? 0 : 1, skipped: 0 };
  if (counts.failed > 0) process.stdout.write(shortened(result));
  if (result.timedOut) console.log(`   stopped: longer than ${part.limitS} s`);
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
  console.log(`   ${counts.passed} passed, ${counts.failed} failed${skipped}  (${result.seconds.toFixed(1)} s)`);
  return counts;
}

await runScript("verify", async () => {
  console.log("── install");
  await installPackages();
  const failed = new Set<string>();
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const part of PARTS) {
    const missing = part.after?.find((name) => failed.has(name));
    if (missing !== undefined)
      console.log(`── ${part.name}\n   not run, because "${missing}" failed: counted as failed`);
    const counts = missing === undefined ? await runPart(part) : { passed: 0, failed: 1, skipped: 0 };
    if (counts.failed > 0) failed.add(part.name);
    total.passed += counts.passed;
    total.failed += counts.failed;
  }
  if (failed.size > 0) console.log(`\nfailed: ${[...failed].join(", ")}; full output in dist/verify`);
  console.log(`${total.passed} passed, ${total.failed} failed`);
  return total.failed === 0 ? 0 : 1;
});

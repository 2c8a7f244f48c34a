// Test counts: reads what `bun test` says at its end.

export type Counts = { passed: number; failed: number; skipped: number };

const LINE = /^\s*(\d+) (pass|fail|skip|todo|errors?)$/;

/**
 * Counts of one `bun test` run, from its closing lines (" 31 pass", " 1 fail", " 2 skip", " 1 error"). A run that
 * ended badly has at least one failure: it may have died before it counted, or failed outside of any test.
 * A run that counted no test at all has failed too.
 */
export function testCounts(output: string, exitCode: number): Counts {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  const closing = output.split("\n").slice(-40);
  for (const line of closing) {
    const [, digits, word] = LINE.exec(line) ?? [];
    if (digits === undefined || word === undefined) continue;
    if (word === "pass") counts.passed += Number(digits);
    else if (word === "skip" || word === "todo") counts.skipped += Number(digits);
    else counts.failed += Number(digits);
  }
  if (counts.failed === 0 && (exitCode !== 0 || counts.passed === 0)) counts.failed = 1;
  return counts;
}

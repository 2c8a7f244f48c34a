// Holds the arrows of the house: runs dependency-cruiser with .dependency-cruiser.cjs over src/, web/ and migrations/.
// It fails on a forbidden import, and also when the cruiser did not really read the code: with a TypeScript it does
// not support, dependency-cruiser finds nothing, reports success and holds nothing.
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { cruise, type ICruiseResult } from "dependency-cruiser";
import extractDepcruiseOptions from "dependency-cruiser/config-utl/extract-depcruise-options";

const ROOT = resolve(import.meta.dirname, "..");
const FOLDERS = ["src", "web", "migrations"];

/** One broken rule. `to` equals `from` where the rule is about the file itself (an orphan). */
export type Violation = { rule: string; from: string; to: string; comment: string };

/** What a cruise saw: files on disk, files the cruiser read, the imports it followed, the rules broken. */
export type Arrows = { onDisk: number; read: number; imports: number; violations: Violation[] };

/** Reads the TypeScript below `root` (src, web, migrations) and checks it against the rules of this repository. */
export async function checkArrows(root: string): Promise<Arrows> {
  const folders = FOLDERS.filter((folder) => existsSync(join(root, folder)));
  const onDisk = folders.flatMap((folder) => [
    ...new Bun.Glob("**/*.{ts,tsx}").scanSync({ cwd: join(root, folder) }),
  ]).length;
  const options = await extractDepcruiseOptions(join(ROOT, ".dependency-cruiser.cjs"));
  const comments = new Map(options.ruleSet?.forbidden?.map(({ name, comment }) => [name, comment ?? ""]));
  const { output } = await cruise(folders, { ...options, baseDir: root, validate: true, outputType: "json" });
  const result = (typeof output === "string" ? JSON.parse(output) : output) as ICruiseResult;
  const own = result.modules.filter(({ source }) => FOLDERS.some((folder) => source.startsWith(`${folder}/`)));
  return {
    onDisk,
    read: own.filter(({ source }) => /\.tsx?$/.test(source)).length,
    imports: own.reduce((sum, { dependencies }) => sum + dependencies.length, 0),
    violations: result.summary.violations.map(({ rule, from, to }) => ({
      rule: rule.name,
      from,
      to,
      comment: comments.get(rule.name) ?? "",
    })),
  };
}

/** The reasons to fail, as lines to print; none when the arrows hold. */
export function complaints({ onDisk, read, imports, violations }: Arrows): string[] {
  const lines = violations.map(({ rule, from, to, comment }) => `${rule}: ${from} → ${to}\n    ${comment}`);
  if (read === 0) lines.push("dependency-cruiser read no file: is the installed TypeScript one that it supports?");
  else if (read < onDisk) lines.push(`dependency-cruiser read only ${read} of ${onDisk} files`);
  if (read > 1 && imports === 0) lines.push(`dependency-cruiser found no import in ${read} files`);
  return lines;
}

if (import.meta.main) {
  const arrows = await checkArrows(ROOT);
  const wrong = complaints(arrows);
  for (const line of wrong) console.error(line);
  console.log(`arrows: ${arrows.read} files, ${arrows.imports} imports, ${wrong.length} wrong`);
  if (wrong.length > 0) process.exitCode = 1;
}

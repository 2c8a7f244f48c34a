// Setup file: writes answers into config.toml, keeping what is there already.
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { parse, stringify } from "smol-toml";
import { type ConfigProblem, loadConfig } from "../config.ts";
import { err, ok, type Result } from "../lib/result.ts";

/** Values by key name, e.g. "node.slots". */
export type Answers = Record<string, unknown>;
type Tree = Record<string, unknown>;

/** Replaces the file in one step (mode 0600); the one before stays beside it as `.old`. Nothing is written when the result would be wrong. */
export function writeAnswers(path: string, answers: Answers): Result<void, ConfigProblem[]> {
  const before = existsSync(path) ? readFileSync(path, "utf8") : null;
  const tree = before === null ? {} : (parse(before) as Tree);
  for (const [name, value] of Object.entries(answers)) setAnswer(tree, name, value);
  const next = `${path}.${process.pid}.new`;
  const head = "# Written by `infernet setup`. `infernet config example` prints every key with what it is for.\n\n";
  writeFileSync(next, head + stringify(tree), { mode: 0o600 });
  const checked = loadConfig({ flags: {}, configFile: next, env: {}, cwd: "/" });
  if (!checked.ok) {
    rmSync(next);
    return err(checked.error.map((problem) => ({ ...problem, source: { from: "file", where: path } })));
  }
  if (before !== null) renameSync(path, `${path}.old`);
  renameSync(next, path);
  return ok(undefined);
}

/** `null` takes the key out. */
function setAnswer(tree: Tree, name: string, value: unknown): void {
  const [first = "", second] = name.split(".");
  if (second === undefined) {
    if (value === null) delete tree[first];
    else tree[first] = value;
    return;
  }
  const table = { ...(tree[first] as Tree | undefined) };
  if (value === null) delete table[second];
  else table[second] = value;
  tree[first] = table;
}

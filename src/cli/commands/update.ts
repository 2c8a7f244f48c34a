// infernet update: another release in the place of this executable, or the one before back again.
import { type Config, loadConfig } from "../../config.ts";
import type { Owner } from "../../identity/lock.ts";
import { systemClock } from "../../lib/clock.ts";
import { FEED_LIMITS } from "../../update/feed.ts";
import { openPlace, type Place } from "../../update/place.ts";
import type { UpdateRefusal } from "../../update/refusal.ts";
import { SELF_TEST_MS } from "../../update/self-test.ts";
import { target as thisTarget, trustedKeys } from "../../update/this-build.ts";
import { type InstallDeps, installOffer, isWanted, lookForUpdate, type Offer, rollBack } from "../../update/update.ts";
import { version } from "../../version.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, loadInput, printJson, requireConfig } from "../context.ts";
import { harmless } from "../harmless.ts";
import { runningOwner } from "../instance.ts";
import { byteProgress } from "../progress.ts";

export type UpdateFlags = {
  check?: boolean;
  json?: boolean;
  feed?: string;
  yes?: boolean;
  rollback?: boolean;
  allowDowngrade?: boolean;
};

/** What was put in place, as `--json` prints it. `running` goes on with the executable it was started from. */
type Placed = { from: string; to: string; executable: string; previous: string; running: Owner | null };

export async function update(context: Context, options: GlobalOptions, flags: UpdateFlags): Promise<ExitCode> {
  const current = currentBuild(context);
  const abort = new AbortController();
  const release = context.onSignal(() => abort.abort());
  const deps: InstallDeps = {
    clock: systemClock,
    fetch: context.fetch,
    limits: FEED_LIMITS,
    signal: abort.signal,
    env: context.env,
    selfTestMs: SELF_TEST_MS,
    nowMs: context.nowMs,
    isRunning,
  };
  try {
    if (flags.rollback) return await goBack(context, options, flags, deps, current);
    return await goForward(context, options, flags, deps, current);
  } finally {
    release();
  }
}

type Current = { version: string; target: string; executable: string };

/** The executable that runs. From the sources there is none. */
function currentBuild({ self }: Context): Current {
  const [executable] = self;
  if (self.length === 1 && executable !== undefined && thisTarget !== null)
    return { version, target: thisTarget, executable };
  throw new CliError("infernet runs from its sources here: there is no executable to update", {
    hint: "update the sources with git; `bun run build` makes an executable of them",
  });
}

async function goForward(
  context: Context,
  options: GlobalOptions,
  flags: UpdateFlags,
  deps: InstallDeps,
  current: Current,
): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const url = flags.feed ?? config.update.feed;
  if (url === null) {
    const hint = "set [update] feed in config.toml to the address of a release's folder, or name it with --feed";
    throw new CliError("there is no address to look for releases at", { exitCode: EXIT.usage, hint });
  }
  const feed = { url, publicKeys: trustedKeys(config.update.public_key) };
  const offer = updateValue(await lookForUpdate(deps, feed, current));
  if (flags.check) return sayOffer(context, flags, current, offer, url);
  const wanted = updateValue(isWanted(offer, current, { allowDowngrade: flags.allowDowngrade === true }));
  if (!wanted) return sayUpToDate(context, flags, current);
  const place = updateValue(openPlace(current.executable, process.pid));
  if (!(await agreed(context, flags, current, offer))) {
    context.terminal.err("Nothing was changed.\n");
    return EXIT.failed;
  }
  const bar = byteProgress(context, `infernet ${offer.release.version}`, offer.file?.bytes ?? 0);
  const installed = await installOffer(deps, place, offer, current.target, bar.to);
  bar.end();
  const { version: to } = updateValue(installed);
  sayPlaced(context, flags, "updated", placed(current, to, place, config));
  return EXIT.good;
}

/** Back to the executable of before; also with a configuration that only that one understands. */
async function goBack(
  context: Context,
  options: GlobalOptions,
  flags: UpdateFlags,
  deps: InstallDeps,
  current: Current,
): Promise<ExitCode> {
  const place = updateValue(openPlace(current.executable, process.pid));
  const { version: to } = updateValue(await rollBack(deps, place));
  const loaded = loadConfig(loadInput(context, options));
  sayPlaced(context, flags, "rolled_back", placed(current, to, place, loaded.ok ? loaded.value.config : null));
  if (!flags.json) {
    context.terminal.err(
      "A database that the newer one has changed is refused by the older one: backups/ in the data directory has it as it was before.\n",
    );
  }
  return EXIT.good;
}

const placed = ({ version: from }: Current, to: string, place: Place, config: Config | null): Placed => ({
  from,
  to,
  executable: place.executable,
  previous: place.previous,
  running: config === null ? null : runningOwner(config),
});

/** Asks at a terminal; elsewhere only `--yes` agrees. */
async function agreed({ terminal }: Context, flags: UpdateFlags, current: Current, offer: Offer): Promise<boolean> {
  if (flags.yes) return true;
  if (flags.json || !terminal.stdinIsTty || !terminal.stderrIsTty) {
    const hint = "say --yes to install it";
    throw new CliError(`infernet ${offer.release.version} is offered, and nobody can be asked here`, {
      exitCode: EXIT.usage,
      hint,
    });
  }
  const answer = await terminal.question(
    `Replace infernet ${current.version} by ${offer.release.version} of ${offer.release.date.slice(0, 10)}? [Y/n] `,
  );
  return answer !== null && /^\s*(y|yes)?\s*$/i.test(answer);
}

function sayOffer(context: Context, flags: UpdateFlags, current: Current, offer: Offer, feed: string): ExitCode {
  const { release, order, file } = offer;
  const available = order === "newer" && file !== null;
  if (flags.json) {
    const latest = { version: release.version, commit: release.commit, date: release.date, order, file };
    printJson(context, {
      current: { version: current.version, target: current.target },
      latest,
      update_available: available,
      feed,
    });
    return EXIT.good;
  }
  const lines = [
    `this executable  ${current.version} (${current.target})`,
    `the feed's       ${release.version} of ${release.date.slice(0, 10)}`,
  ];
  if (file === null) lines.push(`It has nothing for ${current.target}.`);
  else if (available) lines.push("`infernet update` installs it.");
  else lines.push(order === "same" ? "There is nothing newer." : "That is an older one.");
  context.terminal.out(`${lines.join("\n")}\n`);
  return EXIT.good;
}

function sayUpToDate(context: Context, flags: UpdateFlags, current: Current): ExitCode {
  if (flags.json) printJson(context, { updated: false, version: current.version });
  else context.terminal.out(`infernet ${current.version} is the newest there is\n`);
  return EXIT.good;
}

function sayPlaced(context: Context, { json }: UpdateFlags, what: "updated" | "rolled_back", done: Placed): void {
  const { terminal } = context;
  if (json) return printJson(context, { [what]: true, ...done });
  const verb = what === "updated" ? "is now" : "is again";
  terminal.out(`${harmless(done.executable)} ${verb} infernet ${harmless(done.to)}; it was ${done.from}\n`);
  if (done.running !== null) {
    terminal.err(
      `What runs (pid ${done.running.pid}) goes on as ${harmless(done.running.version)} until \`infernet restart\`.\n`,
    );
  }
  if (what === "updated") terminal.err("`infernet update --rollback` goes back.\n");
}

function updateValue<T>(result: { ok: true; value: T } | { ok: false; error: UpdateRefusal }): T {
  if (result.ok) return result.value;
  const { code, message, hint } = result.error;
  throw new CliError(message, { hint, exitCode: EXIT_CODES[code] ?? EXIT.failed });
}

const EXIT_CODES: Partial<Record<UpdateRefusal["code"], ExitCode>> = {
  feed_invalid: EXIT.usage,
  no_key: EXIT.usage,
  feed_unreachable: EXIT.unreachable,
  not_writable: EXIT.notAllowed,
};

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, and is somebody else's.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

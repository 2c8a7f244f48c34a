// Link checks: how this node stands with its coordinators. A running instance says how its links are; where none runs,
// each coordinator is asked, with the node's own signature, what it knows of this key.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Status } from "../../admin/operations.ts";
import type { Config } from "../../config.ts";
import { openDataDirectory } from "../../identity/data-dir.ts";
import { type Identity, loadIdentity } from "../../identity/keys.ts";
import { signedFetch } from "../../identity/signed-fetch.ts";
import { checkCoordinatorUrl } from "../../identity/transport-rule.ts";
import type { Context } from "../context.ts";
import { answerOrThrow, runningOwner, withAdmin } from "../instance.ts";
import { bad, type Check, good, skipped, warning } from "./check.ts";

type Asker = Pick<Context, "fetch" | "nowMs">;

const TIMEOUT_MS = 5_000;
const ME_PATH = "/api/v1/node/me";

/** What the running instance says of itself; null where none runs or it cannot be asked (which `instance` tells). */
export async function runningStatus(context: Context, config: Config): Promise<Status | null> {
  if (!runningOwner(config)?.url) return null;
  try {
    return await withAdmin(context, config, "doctor", async (admin) => answerOrThrow(await admin.status({})));
  } catch {
    return null; // The check of the instance says why.
  }
}

/** One for each coordinator, and whether the node takes jobs at all. */
export async function checkLinks(context: Asker, config: Config, running: Status | null): Promise<Check[]> {
  if (running) return statusChecks(running);
  return Promise.all(config.node.coordinators.map((entry) => askStanding(context, config, entry)));
}

/** Of a running instance. */
export const statusChecks = (running: Status): Check[] => [
  ...running.coordinators.map((link) => linkCheck(link, running.pubkey)),
  ...standingCheck(running),
];

function linkCheck({ url, state, error }: Status["coordinators"][number], pubkey: string): Check {
  const name = `link to ${url}`;
  const approve = `ask an admin there: infernet nodes approve ${pubkey.slice(0, 16)}`;
  if (state === "connected")
    return error === null ? good(name, "connected") : warning(name, `connected, but ${error}`, "mend what it names");
  if (state === "pending") return warning(name, error ?? "waits for approval", approve);
  if (state === "refused") return bad(name, error ?? "refused", refusedMend(error ?? "", pubkey));
  return warning(
    name,
    `not connected${error === null ? "" : `: ${error}`}`,
    "it is dialled again by itself; `infernet logs` tells more",
  );
}

function refusedMend(error: string, pubkey: string): string {
  if (error.includes("key_ejected")) return `ask an admin there: infernet nodes allow ${pubkey}`;
  if (error.includes("join_token")) return "ask for a new token, then `infernet setup --join TOKEN`";
  if (error.includes("clock_skew")) return "set the clock by NTP, e.g. `timedatectl set-ntp true`";
  return "look at node.coordinators: address and key must be those of the same coordinator";
}

function standingCheck({ node }: Status): Check[] {
  if (node === null) return [];
  if (node.status === "available") return [good("taking jobs", "yes")];
  const mend = "`infernet resume` ends a pause by hand; a schedule or a foreign load ends by itself";
  return [warning("taking jobs", `no, ${node.status}: ${node.reason ?? "-"}`, mend)];
}

async function askStanding(
  { fetch, nowMs }: Asker,
  { data_dir: path, node }: Config,
  { url, pubkey }: Config["node"]["coordinators"][number],
): Promise<Check> {
  const name = `standing at ${url}`;
  const identity = ownIdentity(path);
  if (identity === null) return skipped(name, "this node has no key yet; the first start makes it");
  if (!checkCoordinatorUrl(url, { insecure: node.insecure }).ok) return skipped(name, "not asked without TLS");
  const fetchSigned = signedFetch({
    identity,
    aud: pubkey,
    clock: { nowMs },
    random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
    fetch,
    sleep: (ms) => sleep(ms),
  });
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetchSigned(url.replace(/\/+$/, "") + ME_PATH, { method: "POST", body: "{}", signal });
    return standingAt(name, response.status, saidOf(await response.json().catch(() => null)), identity.pubkey);
  } catch {
    return skipped(name, "it does not answer"); // Which the check of the coordinator tells.
  }
}

const meSchema = z.object({ data: z.object({ admission: z.string() }) });
const refusalSchema = z.object({ code: z.string() });

/** The code of a refusal, or `key_pending` where the answer says that the node waits; empty where it says neither. */
function saidOf(body: unknown): string {
  const me = meSchema.safeParse(body).data;
  if (me) return me.data.admission === "approved" ? "" : `key_${me.data.admission}`;
  return refusalSchema.safeParse(body).data?.code ?? "";
}

/** Null where there is no key yet: looking makes none. */
function ownIdentity(dataDir: string): Identity | null {
  if (!existsSync(join(dataDir, "node.key"))) return null;
  const dir = openDataDirectory(dataDir);
  const loaded = dir.ok ? loadIdentity(dir.value, "node") : dir;
  return loaded.ok ? loaded.value : null;
}

/** What the answer to a signed request says of this node. */
export function standingAt(name: string, status: number, code: string, pubkey: string): Check {
  if (status >= 200 && status < 300 && code === "") return good(name, "known and let in");
  switch (code) {
    case "wrong_recipient":
      return bad(
        name,
        "it holds another key than the one pinned here",
        "correct pubkey in node.coordinators; its own `infernet status` shows it",
      );
    case "key_pending":
      return warning(name, "waits for approval", `ask an admin there: infernet nodes approve ${pubkey.slice(0, 16)}`);
    case "key_ejected":
      return bad(name, "this node was ejected", `ask an admin there: infernet nodes allow ${pubkey}`);
    case "key_unknown":
    case "not_registered":
      return skipped(name, "it does not know this node yet; the first link introduces it");
    case "clock_skew":
      return bad(name, "the clocks differ too much", "set the clock by NTP, e.g. `timedatectl set-ntp true`");
    default:
      return skipped(name, `it cannot be asked (${status}${code === "" ? "" : ` ${code}`})`);
  }
}

// People: what users and sessions work with, from the configuration and the data directory.
import { rmSync } from "node:fs";
import { forgetAttempts } from "../accounts/attempts.ts";
import { createSetupLink } from "../accounts/first-admin.ts";
import { smtpMailer } from "../accounts/mail.ts";
import { openOidc } from "../accounts/oidc.ts";
import { forgetLinks } from "../accounts/one-time-links.ts";
import { createPasswords } from "../accounts/passwords.ts";
import type { People } from "../accounts/people.ts";
import { forgetSessions } from "../accounts/sessions.ts";
import { hasAdmin } from "../accounts/users.ts";
import { oidcProvider } from "../config/accounts.ts";
import type { Config } from "../config.ts";
import { failure } from "../dashboard/people/entrance.ts";
import type { HumanDeps } from "../http/human/deps.ts";
import type { DataDirectory } from "../identity/data-dir.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { CoordinatorData } from "./coordinator-data.ts";
import { SETUP_LINK_FILE } from "./data-files.ts";

const HOUR_MS = 3_600_000;
const FORGET_EVERY_MS = HOUR_MS;

export type PeopleInput = {
  config: Pick<Config, "accounts">;
  data: Pick<CoordinatorData, "db" | "attemptsKey">;
  clock: Clock;
  random: (bytes: number) => Uint8Array;
  /** How people reach this instance. */
  url: () => string;
  /** Told of mails that could not be sent. */
  onFault: (fault: unknown) => void;
};

export function buildPeople({ config: { accounts }, data, clock, random, url, onFault }: PeopleInput): People {
  const { smtp_url: smtpUrl, mail_from: from } = accounts;
  return {
    db: data.db,
    clock,
    random,
    passwords: createPasswords(),
    // They may change while this runs.
    settings: {
      get signUp() {
        return accounts.signup;
      },
      get sessionIdleMs() {
        return accounts.session_idle_hours * HOUR_MS;
      },
      get sessionLifeMs() {
        return accounts.session_max_days * 24 * HOUR_MS;
      },
    },
    mail: smtpUrl === null || from === null ? null : smtpMailer({ url: smtpUrl, from, onFault }),
    attemptsKey: data.attemptsKey,
    url: () => url().replace(/\/+$/, ""),
  };
}

export type HumanInput = {
  config: Pick<Config, "accounts" | "server" | "billing">;
  people: People;
  data: Pick<CoordinatorData, "identity" | "sealKey">;
  dir: DataDirectory;
  log: Log;
} & Pick<HumanDeps, "admin" | "reloadNode">;

/** What the routes for people work with. */
export const humanDeps = ({ config, people, data, dir, log, ...more }: HumanInput): HumanDeps => ({
  people,
  oidc: openOidc(config.accounts.oidc.map(oidcProvider)),
  cookies: { tls: config.server.tls_cert !== null, publicUrl: config.server.public_url },
  sealKey: data.sealKey,
  coordinator: data.identity.pubkey,
  log,
  failurePage: (call, words) => failure({ billing: config.billing.mode }, call, words),
  onSetUp: () => rmSync(dir.file(SETUP_LINK_FILE), { force: true }),
  ...more,
});

/** A new set-up link for whoever started this, where there is no admin yet; else null. */
export async function setupLinkAtStart(people: People, dir: DataDirectory): Promise<string | null> {
  // One from an earlier start is good no more.
  rmSync(dir.file(SETUP_LINK_FILE), { force: true });
  if (await hasAdmin(people.db.read)) return null;
  const made = await createSetupLink(people);
  return made.ok ? made.value.link : null;
}

/** Deletes what is over: sessions, links, counts of attempts. The result stops it. */
export function forgetWhatIsOver(people: People, { clock, log }: { clock: Clock; log: Log }): () => void {
  return clock.every(FORGET_EVERY_MS, () => {
    const all = [forgetAttempts(people.db, clock.nowMs()), forgetSessions(people), forgetLinks(people)];
    Promise.all(all).catch((error: unknown) =>
      log.warn("housekeeping failed; it is tried again", { what: "sessions", err: error }),
    );
  });
}

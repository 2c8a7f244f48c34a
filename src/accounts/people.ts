// People: what the functions about users, sessions and sign-up work with.
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import type { Mailer } from "./mail.ts";
import type { Passwords } from "./passwords.ts";
import type { Random } from "./secrets.ts";

export type PeopleSettings = {
  /** Who may sign up: everybody, whoever was invited, nobody. */
  signUp: "open" | "invite" | "closed";
  /** A session that is not used for so long ends. */
  sessionIdleMs: number;
  /** A session ends after so long. */
  sessionLifeMs: number;
};

export type People = {
  db: Db;
  clock: Pick<Clock, "nowMs">;
  random: Random;
  passwords: Passwords;
  settings: PeopleSettings;
  /** Null where no mail server is configured. */
  mail: Mailer | null;
  /** 32 secret bytes that attempts are counted under. */
  attemptsKey: Uint8Array;
  /** How people reach this instance, without a slash at the end; goes into links. */
  url: () => string;
};

/** Where a request comes from, for the record. */
export type Origin = { address: string; userAgent: string };

// Running: what a mode gets from the command line and gives back once it answers.
import type { Config, Mode, Source } from "../config.ts";
import type { Log, LogLevel } from "../lib/log.ts";
import type { LogTail } from "../lib/log-tail.ts";
import type { Pubkey } from "../protocol/primitives.ts";

export type StartInput = {
  config: Config;
  /** Where its values come from, by key name. */
  sources: Readonly<Record<string, Source>>;
  log: Log;
  /** Logs from this level on. */
  setLogLevel?: (level: LogLevel) => void;
  /** The last of what was logged. */
  tail: LogTail;
  /** Called when this instance is to be stopped and started again; left out where that is not to be had. */
  restart?: (() => void) | undefined;
};

/** A started instance. Everything beside `stop` is for the banner and DATA/instance.json. */
export type Running = {
  mode: Mode;
  /** Base address reachable from this machine, without a slash at the end. */
  url: string;
  pubkey: Pubkey;
  /** A model to try in the banner's call, and whether it is the demo model; null where none is served yet. */
  model: { name: string; demo: boolean } | null;
  /** The key kept in DATA/local-api-key, for the banner's call; null where none is needed or kept. */
  apiKey: string | null;
  /** Makes the first admin, for an hour; null where there is one already, and on a node. */
  setupLink: string | null;
  /** Opens a node's own dashboard, once, for ten minutes; null on a coordinator. */
  dashboardLink: string | null;
  /** Resolves once a fault makes going on impossible (never, in a normal life). */
  failed: Promise<Error>;
  /** Drains and lets everything go. Safe to call once. */
  stop(reason: string): Promise<void>;
};

export type StartMode = (input: StartInput) => Promise<Running>;

// Log: one line an event, text on a terminal and JSON otherwise, always to stderr (stdout is for results). What must
// not be in a log (keys, tokens, links) is taken out of every line here, and control characters are written as escapes,
// so that a hostile name can neither forge a line nor drive the terminal.
import pino from "pino";
import type { LogTail } from "./log-tail.ts";

export type LogFields = Record<string, unknown>;
export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** What the rest of the program knows of logging. Messages are short and constant; what varies goes into the fields. */
export type Log = {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  /** `fields.err` may be an Error: its type, message and stack are logged. */
  error(message: string, fields?: LogFields): void;
  /** A log whose every line carries `fields`. */
  child(fields: LogFields): Log;
};

/** One that can be told to say more or less. */
export type LeveledLog = Log & { setLevel(level: LogLevel): void };

export type LogOptions = {
  level: LogLevel;
  format: "text" | "json";
  /** Takes whole lines, each ending in a line feed. Called synchronously. */
  write: (line: string) => void;
  colors?: boolean;
  /** Keeps the last lines, as JSON. */
  tail?: Pick<LogTail, "add">;
};

/** Fields whose value is never written, wherever they are in an event. */
const SECRET_FIELDS = [
  "authorization",
  "api_key",
  "apiKey",
  "auth_token",
  "join_token",
  "joinToken",
  "password",
  "secret",
  "token",
  "prompt",
  "messages",
  "content",
];

/** API keys, join tokens, bearer headers, the header of signed requests, and the secret half of a link. */
const SECRETS = /\b(inf_|infjoin_|[Bb]earer )[A-Za-z0-9_\-.~+/=]{6,}|(https?:\/\/[^\s"#]*#)[^\s"]{6,}/g;

/** `text` with everything that looks like one of our secrets cut down to its prefix. */
export const hideSecrets = (text: string): string =>
  text.replace(SECRETS, (_, prefix: string | undefined, link: string | undefined) => `${prefix ?? link ?? ""}…`);

/** What JSON leaves as it is though a terminal acts on it: C1, bidi controls, line separators, invisible signs. */
const RAW_CONTROLS = /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu;
const toEscape = (sign: string): string =>
  [...Array(sign.length).keys()].map((i) => `\\u${sign.charCodeAt(i).toString(16).padStart(4, "0")}`).join("");

/** A log as pino makes it. `text` is laid out by pino-pretty, loaded only then. */
export async function createLog({ level, format, write, colors = false, tail }: LogOptions): Promise<LeveledLog> {
  const render = format === "text" ? await textRenderer(colors) : (line: string) => line;
  const logger = pino(
    {
      // What is said is decided here, for all its children at once.
      level: "debug",
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]), censor: "…" },
    },
    {
      write(line: string) {
        const json = hideSecrets(line).replace(RAW_CONTROLS, toEscape);
        tail?.add(json);
        write(render(json));
      },
    },
  );
  let least = RANKS[level];
  return {
    ...wrap(logger, (rank) => rank >= least),
    setLevel(now) {
      least = RANKS[now];
    },
  };
}

const RANKS: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3, silent: 4 };

/** Says nothing; for tests and for parts that are used without a log. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};

const wrap = (logger: pino.Logger, isSaid: (rank: number) => boolean): Log => {
  const at =
    (level: Exclude<LogLevel, "silent">) =>
    (message: string, fields?: LogFields): void => {
      if (isSaid(RANKS[level])) logger[level](fields ?? {}, message);
    };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => wrap(logger.child(fields), isSaid),
  };
};

async function textRenderer(colors: boolean): Promise<(line: string) => string> {
  const { prettyFactory } = await import("pino-pretty");
  const pretty = prettyFactory({
    colorize: colors,
    translateTime: "SYS:HH:MM:ss.l",
    singleLine: true,
    hideObject: false,
    levelFirst: false,
    // One line an event: without these, pino-pretty gives an error's stack lines of its own.
    errorLikeObjectKeys: [],
  });
  return (line) => pretty(escapeTwice(line));
}

/** Makes the escapes of a JSON line survive being parsed, so that the text shows `\n` instead of breaking the line. */
const escapeTwice = (json: string): string =>
  json.replace(/\\(?:u[0-9a-fA-F]{4}|.)/g, (found) => (/^\\["\\/]$/.test(found) ? found : `\\${found}`));

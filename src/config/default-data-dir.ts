// Default data directory: the platform's place for a user's data.
import { homedir } from "node:os";
import { posix, win32 } from "node:path";

type Env = Record<string, string | undefined>;
/** `home` throws where the user has none: no HOME, and a uid that the system does not know (containers). */
type Machine = { env: Env; platform?: NodeJS.Platform; home?: () => string };

/**
 * `$XDG_DATA_HOME/infernet` or `~/.local/share/infernet` (XDG Base Directory Specification),
 * `~/Library/Application Support/infernet`, `%LOCALAPPDATA%\infernet\Data`. Null where the user has no home.
 */
export function defaultDataDir({ env, platform = process.platform, home = homedir }: Machine): string | null {
  const own = () => homeOrNull(home);
  if (platform === "win32") {
    const local = env.LOCALAPPDATA || under(win32, own(), "AppData", "Local");
    return under(win32, local, "infernet", "Data");
  }
  if (platform === "darwin") return under(posix, own(), "Library", "Application Support", "infernet");
  return under(posix, env.XDG_DATA_HOME || under(posix, own(), ".local", "share"), "infernet");
}

const under = ({ join }: typeof posix, parent: string | null, ...names: string[]): string | null =>
  parent === null ? null : join(parent, ...names);

function homeOrNull(home: () => string): string | null {
  try {
    return home() || null;
  } catch (error) {
    // ERR_SYSTEM_ERROR in Node, ENOENT in Bun: libuv found no entry for the user.
    if (error instanceof Error) return null;
    throw error;
  }
}

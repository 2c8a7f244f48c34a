// Disk checks: the data directory and its files, the space left, and the files that the configuration names.

import { X509Certificate } from "node:crypto";
import { accessSync, constants, existsSync, readdirSync, readFileSync, statfsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { readGgufHeader } from "../../backends/embedded/gguf-header.ts";
import type { Config } from "../../config.ts";
import { systemCode } from "../../identity/start-refusal.ts";
import { DATABASE_FILE, LOCAL_API_KEY_FILE } from "../../modes/data-files.ts";
import { bad, type Check, good, skipped, warning } from "./check.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const LITTLE_BYTES = 1024 * MIB;
const TOO_LITTLE_BYTES = 100 * MIB;
const EXPIRES_SOON_MS = 14 * 86_400_000;

/** Modes of the directory and of what must be secret in it. */
export function checkDataDirectory({ data_dir: path }: Pick<Config, "data_dir">): Check {
  const name = "data directory";
  if (!existsSync(path)) return skipped(name, `${path} is not there yet; the first start makes it`);
  try {
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    return bad(
      name,
      `${path} cannot be used (${systemCode(error) ?? error})`,
      `make it yours: chown -R "$(id -un)" ${path}`,
    );
  }
  if (process.platform === "win32") return good(name, path);
  if (others(path)) return bad(name, `others can look into ${path}`, `chmod 700 ${path}`);
  const open = readdirSync(path)
    .filter(
      (file) =>
        /\.key$|^(config\.toml|instance\.json)/.test(file) ||
        file === LOCAL_API_KEY_FILE ||
        file.startsWith(DATABASE_FILE),
    )
    .map((file) => join(path, file))
    .filter(others);
  if (open.length > 0) return bad(name, `others can read ${open.join(", ")}`, `chmod 600 ${open.join(" ")}`);
  return good(name, `${path}, closed to others`);
}

const others = (path: string): boolean => (statSync(path).mode & 0o077) !== 0;

/** Space left where the data directory is or will be. */
export function checkSpace({ data_dir }: Pick<Config, "data_dir">): Check {
  let path = data_dir;
  while (!existsSync(path) && dirname(path) !== path) path = dirname(path);
  const { bavail, bsize } = statfsSync(path);
  return spaceCheck(bavail * bsize);
}

/** Apart from the disk, so that it can be tested. */
export function spaceCheck(freeBytes: number): Check {
  const free =
    freeBytes < 10 * GIB ? `${Math.floor(freeBytes / MIB)} MiB free` : `${(freeBytes / GIB).toFixed(1)} GiB free`;
  const mend = "free some space, or name another data directory with --data-dir";
  if (freeBytes < TOO_LITTLE_BYTES) return bad("disk", `only ${free}`, mend);
  if (freeBytes < LITTLE_BYTES) return warning("disk", `only ${free}`, mend);
  return good("disk", free);
}

/** The certificate that would be served. */
export function checkTls({ server }: Pick<Config, "server">, nowMs: number): Check {
  const { tls_cert: cert, tls_key: key } = server;
  if (cert === null || key === null) return skipped("TLS", "not served by infernet itself");
  const read = readable("TLS", cert) ?? readable("TLS", key);
  if (read) return read;
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(readFileSync(cert));
  } catch {
    return bad("TLS", `${cert} holds no certificate`, "server.tls_cert must name a PEM file");
  }
  const endsMs = certificate.validToDate.getTime();
  const ends = `valid until ${certificate.validToDate.toISOString().slice(0, 10)}`;
  if (endsMs < nowMs) return bad("TLS", `the certificate has expired (${ends})`, "renew it, then `infernet restart`");
  if (endsMs < nowMs + EXPIRES_SOON_MS)
    return warning("TLS", `the certificate expires soon (${ends})`, "renew it, then `infernet restart`");
  return good("TLS", ends);
}

/** The GGUF files that the embedded engine is to load. */
export async function checkEngineModels({ engine }: Pick<Config, "engine">): Promise<Check[]> {
  return Promise.all(engine.models.map(checkModelFile));
}

async function checkModelFile(path: string): Promise<Check> {
  const wrong = readable("engine model", path);
  if (wrong) return wrong;
  try {
    const { architecture, quantization } = await readGgufHeader(path);
    return good("engine model", `${path} (${architecture}${quantization === null ? "" : `, ${quantization}`})`);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return bad("engine model", `${path}: ${why}`, "name a GGUF file in engine.models");
  }
}

function readable(name: string, path: string): Check | undefined {
  try {
    accessSync(path, constants.R_OK);
    return statSync(path).isFile() ? undefined : bad(name, `${path} is no file`, "correct the path in config.toml");
  } catch (error) {
    const why = systemCode(error) === "ENOENT" ? "is not there" : "cannot be read";
    return bad(name, `${path} ${why}`, "correct the path in config.toml, or the file's mode");
  }
}

// Targets: the machines an executable can be made for, and what each is called by those who ship native files for it.

export type BuildTarget = {
  /** Package with libSQL's addon. */
  libsql: string;
  /** node-llama-cpp's name of the platform; not every version has a library for each. */
  llama: string;
  /** Package with Bun's own runtime, or null where only Bun itself can fetch it. */
  runtime: string | null;
};

/** By Bun's compile target. */
export const TARGETS = {
  "bun-linux-x64": { libsql: "@libsql/linux-x64-gnu", llama: "linux-x64", runtime: "@oven/bun-linux-x64" },
  "bun-linux-x64-musl": { libsql: "@libsql/linux-x64-musl", llama: "linux-x64-musl", runtime: null },
  "bun-linux-arm64": { libsql: "@libsql/linux-arm64-gnu", llama: "linux-arm64", runtime: "@oven/bun-linux-aarch64" },
  "bun-linux-arm64-musl": { libsql: "@libsql/linux-arm64-musl", llama: "linux-arm64-musl", runtime: null },
  "bun-darwin-arm64": {
    libsql: "@libsql/darwin-arm64",
    llama: "mac-arm64-metal",
    runtime: "@oven/bun-darwin-aarch64",
  },
  "bun-darwin-x64": { libsql: "@libsql/darwin-x64", llama: "mac-x64", runtime: "@oven/bun-darwin-x64" },
  "bun-windows-x64": { libsql: "@libsql/win32-x64-msvc", llama: "win-x64", runtime: "@oven/bun-windows-x64" },
} as const satisfies Record<string, BuildTarget>;

export type Target = keyof typeof TARGETS;

export const isTarget = (name: string): name is Target => name in TARGETS;

/** "linux-x64" for "bun-linux-x64": what releases and `infernet update` call it. */
export const releaseTarget = (target: Target): string => target.slice("bun-".length);

/** The file a release has for it. */
export const releaseFileName = (target: Target): string =>
  `infernet-${releaseTarget(target)}${target.startsWith("bun-windows") ? ".exe" : ""}`;

/** This machine's target; musl is told by the loader that Bun itself was linked with. */
export function hostTarget(): string {
  const os = process.platform === "win32" ? "windows" : process.platform;
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  const musl = os === "linux" && report.header?.glibcVersionRuntime === undefined ? "-musl" : "";
  return `bun-${os}-${process.arch}${musl}`;
}

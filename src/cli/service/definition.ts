// Service definition: what a service manager is told, as text: a systemd unit, a launchd property list. Pure.

export type ServiceSpec = {
  /** Program and arguments, as they are: nothing in them is expanded. */
  command: readonly string[];
  dataDirectory: string;
  /** Of the machine, started by root; else of the user, while logged in. */
  system: boolean;
  /** Whom a service of the machine runs as. */
  user: string | null;
  /** How long it may take to stop. */
  stopTimeoutS: number;
};

export const SERVICE_NAME = "infernet";
/** Where a service of the machine keeps its data; systemd makes it for the service's user. */
export const SYSTEM_DATA_DIRECTORY = `/var/lib/${SERVICE_NAME}`;
export const LAUNCHD_LABEL = "org.infernet.infernet";

/**
 * A systemd unit (systemd.service(5), systemd.exec(5)). MemoryDenyWriteExecute is left out, since the runtime compiles
 * code as it runs. What needs a mount namespace is left out of a user's unit: where users may have none, it would not
 * start (status 226/NAMESPACE).
 */
export function systemdUnit({ command, dataDirectory, system, user, stopTimeoutS }: ServiceSpec): string {
  const lines = [
    "# Written by `infernet service install`.",
    "[Unit]",
    "Description=infernet: LLM inference network",
    ...(system ? ["Wants=network-online.target", "After=network-online.target"] : []),
    // Five starts in ten minutes, then it stays down and says why.
    "StartLimitIntervalSec=600",
    "StartLimitBurst=5",
    "",
    "[Service]",
    "Type=exec",
    `ExecStart=${command.map(systemdWord).join(" ")}`,
    ...(system && user !== null ? [`User=${user}`] : []),
    "Restart=on-failure",
    "RestartSec=5",
    // 2: its command line or configuration is wrong, which no restart mends.
    "RestartPreventExitStatus=2",
    "KillMode=mixed",
    `TimeoutStopSec=${stopTimeoutS}`,
    "UMask=0077",
    "NoNewPrivileges=yes",
    "RestrictSUIDSGID=yes",
    "RestrictRealtime=yes",
    "LockPersonality=yes",
    "SystemCallArchitectures=native",
    ...(system ? systemHardening(dataDirectory) : []),
    "",
    "[Install]",
    `WantedBy=${system ? "multi-user.target" : "default.target"}`,
    "",
  ];
  return lines.join("\n");
}

const systemHardening = (dataDirectory: string): string[] => [
  "ProtectSystem=strict",
  ...(dataDirectory === SYSTEM_DATA_DIRECTORY
    ? [`StateDirectory=${SERVICE_NAME}`, "StateDirectoryMode=0700"]
    : [`ReadWritePaths=${systemdWord(dataDirectory)}`]),
  "PrivateTmp=yes",
  "ProtectKernelTunables=yes",
  "ProtectKernelModules=yes",
  "ProtectKernelLogs=yes",
  "ProtectControlGroups=yes",
  "ProtectClock=yes",
  "ProtectHostname=yes",
  "RestrictNamespaces=yes",
  "CapabilityBoundingSet=",
];

/** One word of a unit file: quoted, with systemd's own signs (`%`, `$`, `\`) taken literally. */
export function systemdWord(word: string): string {
  const literal = word.replaceAll("%", "%%").replaceAll("$", "$$$$");
  if (/^[\w./:=@%$+,-]+$/.test(literal)) return literal;
  const quoted = literal
    .replaceAll("\\", "\\\\")
    .replaceAll('"', '\\"')
    .replaceAll("\n", "\\n")
    .replaceAll("\t", "\\t");
  return `"${quoted}"`;
}

/** A property list (launchd.plist(5)). It is started again unless it ended well. */
export function launchdPlist({ command, dataDirectory, system, user, stopTimeoutS }: ServiceSpec): string {
  const log = `${dataDirectory}/infernet.log`;
  const entries = [
    ["Label", text(LAUNCHD_LABEL)],
    ["ProgramArguments", `<array>\n${command.map((word) => `    ${text(word)}`).join("\n")}\n  </array>`],
    ["RunAtLoad", "<true/>"],
    ["KeepAlive", "<dict>\n    <key>SuccessfulExit</key>\n    <false/>\n  </dict>"],
    ["ThrottleInterval", "<integer>10</integer>"],
    ["ExitTimeOut", `<integer>${stopTimeoutS}</integer>`],
    ["ProcessType", text("Standard")],
    // 0077, which only its owner can look into.
    ["Umask", "<integer>63</integer>"],
    ["StandardOutPath", text(log)],
    ["StandardErrorPath", text(log)],
    ...(system && user !== null ? [["UserName", text(user)]] : []),
  ];
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
    "<!-- Written by `infernet service install`. -->",
    '<plist version="1.0">',
    "<dict>",
    ...entries.map(([name, value]) => `  <key>${name}</key>\n  ${value}`),
    "</dict>",
    "</plist>",
    "",
  ].join("\n");
}

const text = (value: string): string =>
  `<string>${value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")}</string>`;

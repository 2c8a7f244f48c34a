// Services: the files that are written, and what the service manager is told. systemd and launchd do not run here: a
// fake systemctl on PATH records its calls; the unit itself is read by the real systemd-analyze where there is one.
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { CliError } from "../cli-error.ts";
import { launchdPlist, type ServiceSpec, systemdUnit, systemdWord } from "./definition.ts";
import { type ServiceWorld, serviceManager, writeDefinition } from "./manager.ts";

const directory = mkdtempSync(join(tmpdir(), "infernet-service-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const spec = (more: Partial<ServiceSpec> = {}): ServiceSpec => ({
  command: ["/opt/my tools/infernet", '--data-dir=/srv/100% $HOME/"x"', "run"],
  dataDirectory: '/srv/100% $HOME/"x"',
  system: true,
  user: "alice",
  stopTimeoutS: 50,
  ...more,
});

describe("a systemd unit", () => {
  test("of the machine is closed in, one of a user as far as users can", () => {
    const machine = systemdUnit(spec());
    for (const line of ["NoNewPrivileges=yes", "ProtectSystem=strict", "Restart=on-failure", "User=alice"])
      expect(machine.split("\n")).toContain(line);
    const user = systemdUnit(spec({ system: false, user: null }));
    for (const line of ["NoNewPrivileges=yes", "Restart=on-failure", "WantedBy=default.target"])
      expect(user.split("\n")).toContain(line);
    expect(user).not.toMatch(/ProtectSystem|PrivateTmp|User=/);
  });

  test("has systemd make the usual data directory, and opens another one", () => {
    const usual = systemdUnit(spec({ dataDirectory: "/var/lib/infernet" }));
    expect(usual).toContain("StateDirectory=infernet\nStateDirectoryMode=0700\n");
    expect(usual).not.toContain("ReadWritePaths");
  });

  test("takes paths literally", () => {
    expect(systemdUnit(spec())).toContain(
      'ExecStart="/opt/my tools/infernet" "--data-dir=/srv/100%% $$HOME/\\"x\\"" run',
    );
    expect(systemdUnit(spec())).toContain('ReadWritePaths="/srv/100%% $$HOME/\\"x\\""');
  });

  test("no word breaks out of its line or its place", () => {
    fc.assert(
      fc.property(fc.string(), (word) => {
        const text = systemdWord(word);
        expect(text).not.toContain("\n");
        const bare = text.replaceAll("%%", "").replaceAll("$$", "");
        expect(bare).not.toMatch(/[%$]/);
        if (text.startsWith('"')) expect(bare.slice(1, -1).replaceAll(/\\./g, "")).not.toContain('"');
        else expect(text).not.toMatch(/[\s"'\\;]/);
      }),
    );
  });

  const analyze = Bun.which("systemd-analyze");
  test.if(analyze !== null)("is one that systemd itself reads without complaint", () => {
    for (const system of [true, false]) {
      const folder = mkdtempSync(join(directory, "verify-"));
      const path = join(folder, "infernet.service");
      const command = [process.execPath, '--data-dir=/srv/100% sure/"x"', "run"];
      writeFileSync(path, systemdUnit(spec({ system, command, user: system ? "root" : null })));
      const scope = system ? [] : ["--user"];
      const env = { ...process.env, XDG_RUNTIME_DIR: folder, SYSTEMD_LOG_LEVEL: "warning" };
      const run = Bun.spawnSync([analyze ?? "", ...scope, "verify", "--man=no", path], { env });
      const said = run.stderr.toString() + run.stdout.toString();
      expect(said.split("\n").filter((line) => line.includes("infernet.service"))).toEqual([]);
    }
  });
});

test("a property list takes every sign literally", () => {
  const plist = launchdPlist(spec({ command: ["/Apps & <more>/infernet", "run"], system: false, user: null }));
  expect(plist).toContain("<string>/Apps &amp; &lt;more&gt;/infernet</string>");
  expect(plist).toContain("<key>KeepAlive</key>\n  <dict>\n    <key>SuccessfulExit</key>\n    <false/>");
  expect(plist).not.toContain("UserName");
  expect(launchdPlist(spec())).toContain("<key>UserName</key>\n  <string>alice</string>");
});

/** Records each call; answers `show` with what stands in `state`. Not the real systemctl. */
const FAKE_SYSTEMCTL = `#!/bin/sh
echo "$*" >> "$FAKE_LOG"
case "$*" in
*show*) cat "$FAKE_STATE" 2>/dev/null ;;
*fail*) echo "Failed to connect to bus: No medium found" >&2; exit 1 ;;
esac
exit 0
`;
let world: ServiceWorld;
let calls: () => string[];
beforeEach(() => {
  const home = mkdtempSync(join(directory, "home-"));
  const bin = join(home, "bin");
  mkdirSync(bin);
  for (const name of ["systemctl", "launchctl"]) {
    writeFileSync(join(bin, name), FAKE_SYSTEMCTL);
    chmodSync(join(bin, name), 0o755);
  }
  const log = join(home, "calls");
  writeFileSync(log, "");
  const env = { PATH: `${bin}:/usr/bin:/bin`, HOME: home, FAKE_LOG: log, FAKE_STATE: join(home, "state") };
  world = { platform: "linux", env, uid: 1000 };
  calls = () => readFileSync(log, "utf8").trim().split("\n");
});

describe("systemd", () => {
  test("enabling reads the file anew and starts it; what ran by an older file is started again", async () => {
    const manager = serviceManager(world, false);
    expect(manager.path).toBe(join(world.env.HOME ?? "", ".config/systemd/user/infernet.service"));
    await manager.enable(true, false);
    await manager.enable(true, true);
    await manager.enable(false, true);
    expect(calls()).toEqual([
      "--user daemon-reload",
      "--user enable infernet.service",
      "--user start infernet.service",
      "--user daemon-reload",
      "--user enable infernet.service",
      "--user restart infernet.service",
      "--user daemon-reload",
      "--user enable infernet.service",
    ]);
  });

  test("a service of the machine is told to the machine's own manager", async () => {
    const manager = serviceManager(world, true);
    expect(manager.path).toBe("/etc/systemd/system/infernet.service");
    await manager.enable(true, false);
    expect(calls()).toEqual(["daemon-reload", "enable infernet.service", "start infernet.service"]);
  });

  test("its state is asked", async () => {
    const manager = serviceManager(world, false);
    expect(await manager.state()).toMatchObject({ installed: false, active: false, enabled: false, pid: null });
    writeFileSync(world.env.FAKE_STATE ?? "", "MainPID=4242\nActiveState=active\nUnitFileState=enabled\n");
    writeDefinition(manager.path, "x");
    expect(await manager.state()).toMatchObject({ installed: true, active: true, enabled: true, pid: 4242 });
  });

  test("disabling stops it, removes its file and forgets it", async () => {
    const manager = serviceManager(world, false);
    writeDefinition(manager.path, "x");
    await manager.disable();
    expect(existsSync(manager.path)).toBe(false);
    expect(calls()).toEqual(["--user disable --now infernet.service", "--user daemon-reload"]);
  });

  test("what the manager says is wrong is said, with a way out", async () => {
    const env = { ...world.env, PATH: join(directory, "none") };
    const missing = await serviceManager({ ...world, env }, false)
      .state()
      .catch((error: unknown) => error);
    expect(missing).toBeInstanceOf(CliError);
    expect((missing as CliError).message).toBe("there is no systemctl here");
    writeFileSync(
      join(world.env.HOME ?? "", "bin/systemctl"),
      "#!/bin/sh\necho 'Failed to connect to bus' >&2; exit 1\n",
    );
    const refused = await serviceManager(world, false)
      .enable(true, false)
      .catch((error: unknown) => error);
    expect(refused).toMatchObject({ hint: expect.stringContaining("--system as root") });
  });
});

test("launchd loads a new file only after the old one was let go", async () => {
  const manager = serviceManager({ ...world, platform: "darwin" }, false);
  expect(manager.path).toEndWith("/Library/LaunchAgents/org.infernet.infernet.plist");
  await manager.enable(true, true);
  const target = "gui/1000/org.infernet.infernet";
  expect(calls()).toEqual([
    `print ${target}`,
    `bootout ${target}`,
    `enable ${target}`,
    `bootstrap gui/1000 ${manager.path}`,
    `kickstart ${target}`,
  ]);
});

test("Windows and others are refused with a way out", () => {
  expect(() => serviceManager({ ...world, platform: "win32" }, false)).toThrow("not supported on Windows");
  expect(() => serviceManager({ ...world, platform: "freebsd" }, false)).toThrow("not supported on freebsd");
});

test("a file that is as it should be is left alone", () => {
  const path = join(mkdtempSync(join(directory, "write-")), "deep", "unit");
  expect(writeDefinition(path, "one")).toBe(true);
  const { mtimeMs } = statSync(path);
  expect(writeDefinition(path, "one")).toBe(false);
  expect(statSync(path).mtimeMs).toBe(mtimeMs);
  expect(writeDefinition(path, "two")).toBe(true);
  expect(readFileSync(path, "utf8")).toBe("two");
});

import { expect, test } from "bun:test";
import { loadConfig } from "../config.ts";
import { defaultDataDir } from "./default-data-dir.ts";

const home = () => "/home/ada";
const homeless = () => {
  throw new Error("ENOENT: no such file or directory, uv_os_homedir");
};

test("data lies where the platform keeps it", () => {
  expect(defaultDataDir({ env: {}, platform: "linux", home })).toBe("/home/ada/.local/share/infernet");
  expect(defaultDataDir({ env: { XDG_DATA_HOME: "/x" }, platform: "linux", home })).toBe("/x/infernet");
  expect(defaultDataDir({ env: {}, platform: "darwin", home })).toBe("/home/ada/Library/Application Support/infernet");
  expect(defaultDataDir({ env: { LOCALAPPDATA: "C:\\L" }, platform: "win32", home })).toBe("C:\\L\\infernet\\Data");
});

test("a user without a home has none, but one that is named works", () => {
  expect(defaultDataDir({ env: {}, platform: "linux", home: homeless })).toBeNull();
  expect(defaultDataDir({ env: { XDG_DATA_HOME: "/x" }, platform: "linux", home: homeless })).toBe("/x/infernet");
});

test("an unknown user without HOME loads its configuration once the directory is named", async () => {
  // Only root can become a user that the system does not know; others at least go without HOME.
  const root = process.getuid?.() === 0;
  const program = `import { loadConfig } from ${JSON.stringify(`${import.meta.dir}/../config.ts`)};
    if (${root}) {
      process.setgid(54321);
      process.setuid(54321);
    }
    const load = (env) => {
      const loaded = loadConfig({ flags: {}, env, cwd: "/" });
      return loaded.ok ? loaded.value.config.data_dir : loaded.error.map(({ message }) => message).join();
    };
    console.log(JSON.stringify([load({}), load({ INFERNET_DATA_DIR: "/data" })]));`;
  const { HOME: _, ...env } = process.env;
  const child = Bun.spawn([process.execPath, "-e", program], { env, stdout: "pipe", stderr: "inherit" });
  const [without, named] = JSON.parse(await new Response(child.stdout).text()) as [string, string];
  if (root) expect(without).toContain("--data-dir or INFERNET_DATA_DIR");
  expect(named).toBe("/data");
});

test("flags and environment name the directory", () => {
  const named = loadConfig({ flags: { data_dir: "/d" }, env: {}, cwd: "/" });
  expect(named.ok && named.value.config.data_dir).toBe("/d");
});

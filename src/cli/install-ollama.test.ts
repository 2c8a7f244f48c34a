// Installing Ollama: what is run where, and what is said when it does not work. Nothing is really installed here.
import { expect, test } from "bun:test";
import type { Context } from "./context.ts";
import { checkedModel, installCommand, installOllama, noInstaller, pullModel } from "./install-ollama.ts";

function world(exitCode: number, answers: boolean) {
  const said: string[] = [];
  const ran: string[] = [];
  const terminal = { err: (text: string) => void said.push(text) } as Context["terminal"];
  const shell = async (command: string) => {
    ran.push(command);
    return exitCode;
  };
  const fetch = async () => {
    if (!answers) throw new TypeError("nobody listens");
    return Response.json({ version: "0.12.0" });
  };
  return { said, ran, deps: { terminal, shell, fetch } };
}

test.each([
  ["linux", "curl", "https://ollama.com/install.sh"],
  ["darwin", "brew", "brew services start ollama"],
  ["win32", "winget", "--id Ollama.Ollama"],
] as const)("on %s by %s, where that is there", (platform, program, words) => {
  expect(installCommand(platform, (name) => name === program)).toContain(words);
  expect(installCommand(platform, () => false)).toBeNull();
  expect(noInstaller(platform).message).toContain(`${program} is not here`);
});

test("elsewhere there is no one-line way", () => {
  expect(installCommand("freebsd", () => true)).toBeNull();
  expect(noInstaller("freebsd").hint).toContain("ollama.com/download");
});

test("an installation that ends well and leaves nothing that answers is a failure", async () => {
  const { deps, ran } = world(0, false);
  const failed = await installOllama(deps, "install it", 0).catch((error: unknown) => error);
  expect(failed).toMatchObject({
    message: expect.stringContaining("does not answer"),
    hint: expect.stringContaining("ollama serve"),
  });
  expect(ran).toEqual(["install it"]);
});

test("each command is shown before it is run", async () => {
  const { deps, said, ran } = world(0, true);
  await installOllama(deps, "install it");
  await pullModel(deps, "llama3.2:3b");
  expect(said).toEqual([
    "Running: install it\n",
    "Ollama is installed and answers.\n",
    "Running: ollama pull llama3.2:3b\n",
  ]);
  expect(ran).toEqual(["install it", "ollama pull llama3.2:3b"]);
});

test("a failure names its exit code and the way on", async () => {
  const { deps } = world(7, true);
  const install = await installOllama(deps, "install it").catch((error: unknown) => error);
  expect(install).toMatchObject({ message: "installing Ollama ended with 7" });
  const pull = await pullModel(deps, "llama3.2:3b").catch((error: unknown) => error);
  expect(pull).toMatchObject({
    message: "fetching llama3.2:3b ended with 7",
    hint: expect.stringContaining("ollama pull"),
  });
});

test.each(["x; rm -rf /", "$(id)", "a b", "", "-rf", "../x", "`id`", "a\nb"])("%j never reaches a shell", (name) => {
  expect(() => checkedModel(name)).toThrow("is no model's name");
});

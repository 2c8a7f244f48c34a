import { expect, test } from "bun:test";
import type { Admin, NodeRow, Status } from "../admin/operations.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { chooseNodes } from "./choose-nodes.ts";
import { CliError, EXIT } from "./cli-error.ts";

const key = (sign: string) => sign.repeat(64) as Pubkey;
const node = (sign: string, over: Partial<NodeRow> = {}): NodeRow => ({
  pubkey: key(sign),
  name: `gpu-${sign}`,
  role: "provider",
  status: "approved",
  online: true,
  standing: null,
  own: false,
  pool: "public",
  maintenance: false,
  region: null,
  models: [],
  slots: 1,
  running: 0,
  last_seen_ms: null,
  ...over,
});
const admin = (nodes: NodeRow[], mode: Status["mode"] = "coordinator") =>
  ({
    status: async () => ({ ok: true, value: { mode, pubkey: key("f") } }),
    listNodes: async () => ({ ok: true, value: { nodes } }),
  }) as unknown as Admin;
const chosen = async (nodes: NodeRow[], wanted?: string, mode?: Status["mode"]) =>
  (await chooseNodes(admin(nodes, mode), wanted)).map(({ pubkey }) => pubkey[0]);
const refusal = async (nodes: NodeRow[], wanted?: string) => {
  const error: unknown = await chooseNodes(admin(nodes), wanted).catch((thrown: unknown) => thrown);
  if (!(error instanceof CliError)) throw new Error("it was not refused");
  return error;
};

test("left out, it is this machine's node, else the only one there is", async () => {
  expect(await chosen([node("a"), node("b", { own: true })])).toEqual(["b"]);
  expect(
    await chosen([node("a", { online: false }), node("c", { status: "ejected" }), node("d", { role: "client" })]),
  ).toEqual(["a"]);
  const many = await refusal([node("a"), node("b")]);
  expect(many.exitCode).toBe(EXIT.usage);
  expect(many.message).toBe(`there are 2 nodes: gpu-a (${"a".repeat(16)}), gpu-b (${"b".repeat(16)})`);
  expect((await refusal([])).message).toBe("there is no node yet");
});

test("`all` means those that are online", async () => {
  expect(await chosen([node("a"), node("b", { online: false }), node("c")], "all")).toEqual(["a", "c"]);
  expect((await refusal([node("a", { online: false })], "all")).message).toBe("no node is online");
});

test("a name or a key means one, and a name that several have means none", async () => {
  const nodes = [node("a"), node("b"), node("c", { name: "gpu-b" })];
  expect(await chosen(nodes, "gpu-a")).toEqual(["a"]);
  expect(await chosen(nodes, "AAAAAAAA")).toEqual(["a"]);
  expect(await chosen(nodes, key("c"))).toEqual(["c"]);
  expect((await refusal(nodes, "gpu-b")).message).toBe("2 nodes are called gpu-b");
  expect((await refusal(nodes, "gpu-z")).message).toContain('there is no node "gpu-z"');
});

test("a node commands itself and nobody else", async () => {
  expect(await chosen([], undefined, "node")).toEqual(["f"]);
  expect(await chosen([], "ffffff", "node")).toEqual(["f"]);
  const error: unknown = await chooseNodes(admin([], "node"), "gpu-a").catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ message: "this is a node: it commands nobody but itself" });
});

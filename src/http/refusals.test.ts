import { expect, test } from "bun:test";
import { refusal } from "../identity/auth-refusal.ts";
import { misdirected } from "./host-check.ts";
import { pathOf, refuse, refuseSigned } from "./refusals.ts";

const CLIENT_PATHS = ["/v1/chat/completions", "/v1/models", "/api/v1/jobs", "/api/v1/nodes", "/", "/nowhere"];
const MACHINE_PATHS = ["/api/v1/node/link", "/api/v1/node", "/api/v1/local/status"];
const machine = (code: string) => ({ error: expect.any(String), code });
const openAi = (type: string, code: string) => ({ error: { message: expect.any(String), type, param: null, code } });

const REFUSALS: { name: string; of: (path: string) => Response; status: number; type: string; code: string }[] = [
  {
    name: "a Host that is not ours",
    of: misdirected,
    status: 421,
    type: "invalid_request_error",
    code: "host_not_allowed",
  },
  {
    name: "an unknown path",
    of: (path) => refuse(path, "route_not_found", "nothing there"),
    status: 404,
    type: "invalid_request_error",
    code: "route_not_found",
  },
  {
    name: "a bad signature",
    of: (path) => refuseSigned(path, refusal("bad_signature", "it does not verify")),
    status: 401,
    type: "authentication_error",
    code: "bad_signature",
  },
  {
    name: "a key that may not do this",
    of: (path) => refuseSigned(path, refusal("role_not_allowed", "it is a node")),
    status: 403,
    type: "permission_error",
    code: "role_not_allowed",
  },
];

for (const { name, of, status, type, code } of REFUSALS) {
  test(`${name} is refused with OpenAI's four fields, on machine paths with error and code`, async () => {
    for (const path of CLIENT_PATHS) {
      const response = of(path);
      expect(response.status).toBe(status);
      expect(await response.json()).toEqual(openAi(type, code));
    }
    for (const path of MACHINE_PATHS) {
      const response = of(path);
      expect(response.status).toBe(status);
      expect(await response.json()).toEqual(machine(code));
    }
  });
}

test("a path is taken as it came", () => {
  expect(pathOf("http://h:1/a/../b?c=/d")).toBe("/a/../b");
  expect(pathOf("http://h:1")).toBe("/");
});

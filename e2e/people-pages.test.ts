// Every page about people, in both themes, on a phone and on a wide screen, with names that strangers chose badly.
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Browser } from "playwright-core";
import { openBrowser } from "./harness/browser.ts";
import type { Instance } from "./harness/instance.ts";
import { Person } from "./harness/person.ts";
import { expectWholeEverywhere, firstAdmin } from "./harness/site.ts";
import { openStage, type Stage } from "./harness/stage.ts";

const PASSWORD = "correct horse battery";
/** What strangers call themselves. */
const HOSTILE = `</b><script>alert(1)</script><img src=x onerror=alert(2)>\u202e"'`;

let stage: Stage;
let browser: Browser;
let on: Instance;
let admin: Person;
let mallory: Person;
let organisation: string;
let id: string;
let shots: string;

beforeAll(async () => {
  stage = await openStage();
  browser = await openBrowser();
  stage.onClose(() => browser.close());
  on = await stage.start({ mode: "coordinator" });
  admin = await firstAdmin(on);
  shots = process.env.INFERNET_SCREENSHOTS ?? stage.directory("screenshots");
  const made = await admin.post("/api/v1/admin/users", {
    email: "mallory@example.org",
    roles: ["client", "operator"],
    name: HOSTILE,
  });
  mallory = new Person(on.url);
  const secret = String(made.body.link).split("#")[1] ?? "";
  expect((await mallory.post("/api/v1/auth/password/reset", { secret, password: PASSWORD })).status).toBe(200);
  organisation = String((await mallory.post("/api/v1/organisations", { name: HOSTILE })).body.id);
  await mallory.post(`/api/v1/organisations/${organisation}/invitations`, { email: "x@example.org" });
  await mallory.post("/api/v1/account/keys", { name: HOSTILE });
  await admin.post("/api/v1/admin/invitations", { organisation });
  const browserName = { "user-agent": "</td><script>alert(3)</script>" };
  await new Person(on.url).ask(
    "POST",
    "/api/v1/auth/sign-in",
    { email: "mallory@example.org", password: PASSWORD },
    browserName,
  );
  id = String(((await mallory.get("/api/v1/account")).body.user as { id: string }).id);
});
afterAll(() => stage.close());

const whole = (path: string, person: Person | null, name: string): Promise<void> =>
  expectWholeEverywhere(browser, on.url + path, person, { shots, name });

test.each([
  ["/sign-in", "sign-in"],
  ["/sign-up", "sign-up"],
  ["/setup", "setup-done"],
])("%s is whole for strangers", async (path, name) => {
  await whole(path, null, name);
});

test.each(["account", "organisation"])("of one's own, the page %s is whole", async (name) => {
  const paths: Record<string, string> = {
    account: "/account",
    organisation: `/organisations/${organisation}`,
  };
  await whole(paths[name] ?? "", mallory, name);
});

test.each(["", "/invitations", "/organisations", "/keys", "/users/:id"])(
  "for admins, /admin/people%s is whole",
  async (path) => {
    await whole(`/admin/people${path.replace(":id", id)}`, admin, `people${path.replaceAll(/[/:]+/g, "-")}`);
  },
);

import { expect, test } from "bun:test";
import { hostRule, misdirected } from "./host-check.ts";

const allowed = hostRule({
  allowedHosts: ["Coordinator.Example", "other.example:8443", "dotted.example.", "münchen.example"],
  publicUrl: "https://public.example:46337/infernet",
});

for (const host of [
  "localhost",
  "localhost:46337",
  "LocalHost:46337",
  "localhost.:46337",
  "127.0.0.1",
  "127.0.0.1:46337",
  "192.168.1.10:46337",
  "203.0.113.7",
  "[::1]",
  "[::1]:46337",
  "[FD00::1]:46337",
  "[::ffff:10.0.0.1]",
  "coordinator.example",
  "COORDINATOR.example:1",
  "coordinator.example.",
  "coordinator.example.:46337",
  "other.example",
  "dotted.example",
  "xn--mnchen-3ya.example",
  "public.example",
  "public.example:443",
]) {
  test(`${host} is answered`, () => {
    expect(allowed(host)).toBe(true);
  });
}

for (const host of [
  null,
  "",
  "evil.example",
  "evil.example:46337",
  "localhost.evil.example",
  "coordinator.example.evil.example",
  "evilcoordinator.example",
  "sub.coordinator.example",
  "coordinator.example..",
  "127.0.0.1.evil.example",
  "127.0.0.1.nip.io",
  "127.1",
  "2130706433",
  "0x7f000001",
  "256.0.0.1",
  "::1",
  "[::1",
  "[::1]evil.example",
  "[evil.example]",
  "[fe80::1%25eth0]",
  "localhost:port",
  "localhost:123456",
  "localhost, evil.example",
  "localhost evil.example",
  "user@localhost",
  "http://localhost",
  "localhost/",
  ".",
]) {
  test(`${JSON.stringify(host)} is refused`, () => {
    expect(allowed(host)).toBe(false);
  });
}

test("with nothing configured only addresses and localhost are answered", () => {
  const rule = hostRule({ allowedHosts: [], publicUrl: null });
  expect([rule("localhost"), rule("10.0.0.1"), rule("coordinator.example")]).toEqual([true, true, false]);
});

test("the refusal is 421 with a code and the mend", async () => {
  const response = misdirected("/api/v1/node/heartbeat");
  expect(response.status).toBe(421);
  expect(await response.json()).toEqual({ code: "host_not_allowed", error: expect.stringContaining("allowed_hosts") });
});

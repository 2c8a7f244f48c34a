import { expect, test } from "bun:test";
import { checkCoordinatorUrl } from "./transport-rule.ts";

const check = (url: string, insecure = false): string => {
  const checked = checkCoordinatorUrl(url, { insecure });
  return checked.ok ? "ok" : checked.error.code;
};

const NEARBY = [
  "localhost",
  "LOCALHOST",
  "localhost.",
  "127.0.0.1",
  "127.255.255.254",
  "127.1",
  "0x7f.0.0.1",
  "2130706433",
  "10.0.0.1",
  "10.255.255.255",
  "172.16.0.1",
  "172.31.255.255",
  "192.168.1.10",
  "169.254.1.1",
  "[::1]",
  "[0:0:0:0:0:0:0:1]",
  "[fc00::1]",
  "[fdff:ffff::1]",
  "[fe80::1]",
  "[febf::1]",
  "[::ffff:127.0.0.1]",
  "[::ffff:10.1.2.3]",
  "[::ffff:c0a8:0101]",
];
const PUBLIC = [
  "example.com",
  "coordinator",
  "coordinator.local",
  "coordinator.internal",
  "foo.localhost",
  "localhost.example.com",
  "127.0.0.1.example.com",
  "10.0.0.1.nip.io",
  "8.8.8.8",
  "9.255.255.255",
  "11.0.0.0",
  "172.15.255.255",
  "172.32.0.0",
  "192.167.1.1",
  "192.169.0.1",
  "169.253.1.1",
  "100.64.0.1",
  "100.127.255.255",
  "0.0.0.0",
  "[::]",
  "[2001:db8::1]",
  "[fbff::1]",
  "[fe00::1]",
  "[fec0::1]",
  "[ff02::1]",
  "[::ffff:8.8.8.8]",
  "[::ffff:100.64.0.1]",
  "[64:ff9b::10.0.0.1]",
  "[::127.0.0.1]",
  "[2002:7f00:1::]",
];

for (const host of NEARBY) {
  test(`${host} is nearby: no TLS needed`, () => {
    expect(check(`http://${host}:46337`)).toBe("ok");
    expect(check(`ws://${host}`)).toBe("ok");
  });
}

for (const host of PUBLIC) {
  test(`${host} counts as public: TLS or --insecure`, () => {
    expect(check(`http://${host}:46337`)).toBe("coordinator_url_insecure");
    expect(check(`ws://${host}`)).toBe("coordinator_url_insecure");
    expect(check(`https://${host}:46337`)).toBe("ok");
    expect(check(`wss://${host}`)).toBe("ok");
    expect(check(`http://${host}`, true)).toBe("ok");
  });
}

test("what is no coordinator's address is refused, --insecure or not", () => {
  for (const url of [
    "",
    "coordinator",
    "coordinator:46337",
    "ftp://10.0.0.1",
    "file:///etc",
    "http://",
    "https://u:p@h",
  ]) {
    expect(check(url)).toBe("coordinator_url_invalid");
    expect(check(url, true)).toBe("coordinator_url_invalid");
  }
});

test("the refusal names the address and the ways out, and no password", () => {
  const refused = checkCoordinatorUrl("ws://coordinator.example/infernet", { insecure: false });
  if (refused.ok) throw new Error("accepted");
  expect(refused.error.message).toContain("coordinator.example");
  expect(refused.error.hint).toContain("wss");
  expect(refused.error.hint).toContain("--insecure");
  const withPassword = checkCoordinatorUrl("https://u:hunter2@h", { insecure: false });
  expect(JSON.stringify(withPassword)).not.toContain("hunter2");
});

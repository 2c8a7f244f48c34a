import { describe, expect, test } from "bun:test";
import { checkWebhookUrl, isAllowedAddress } from "./target.ts";

const PUBLIC = { allowPrivate: false };
const OPEN = { allowPrivate: true };

/** Address, what it is, whether `allow_private` opens it. */
const FORBIDDEN: [address: string, what: string, opened: boolean][] = [
  ["127.0.0.1", "loopback", true],
  ["127.255.255.254", "loopback", true],
  ["::1", "loopback", true],
  ["10.0.0.1", "private", true],
  ["172.16.0.1", "private", true],
  ["172.31.255.255", "private", true],
  ["192.168.1.1", "private", true],
  ["fc00::1", "unique local", true],
  ["fd12:3456:789a::1", "unique local", true],
  ["fd00:ec2::254", "metadata of AWS in IPv6", false],
  ["fd00:0ec2:0::254", "the same, spelt otherwise", false],
  ["fd20:ce::254", "metadata of Google in IPv6", false],
  ["100.64.0.1", "carrier-grade NAT", true],
  ["100.100.100.200", "metadata of Alibaba", false],
  ["100.127.255.255", "carrier-grade NAT", true],
  ["169.254.169.254", "metadata", false],
  ["169.254.0.1", "link-local", false],
  ["169.254.170.2", "metadata of containers", false],
  ["fe80::1", "link-local", false],
  ["fe80::1%eth0", "link-local with a zone", false],
  ["febf::1", "link-local", false],
  ["168.63.129.16", "metadata of Azure", false],
  ["0.0.0.0", "this host", false],
  ["0.1.2.3", "this network", false],
  ["::", "unspecified", false],
  ["224.0.0.1", "multicast", false],
  ["239.255.255.250", "multicast", false],
  ["ff02::1", "multicast", false],
  ["255.255.255.255", "broadcast", false],
  ["240.0.0.1", "reserved", false],
  ["192.0.0.1", "protocol assignments", false],
  ["192.0.2.1", "documentation", false],
  ["198.51.100.1", "documentation", false],
  ["203.0.113.1", "documentation", false],
  ["198.18.0.1", "benchmarks", false],
  ["192.88.99.1", "6to4 relays", false],
  ["::ffff:127.0.0.1", "IPv4-mapped loopback", false],
  ["::ffff:10.0.0.1", "IPv4-mapped private", false],
  ["::ffff:169.254.169.254", "IPv4-mapped metadata", false],
  ["::ffff:8.8.8.8", "IPv4-mapped public", false],
  ["::ffff:7f00:1", "IPv4-mapped loopback, in hex", false],
  ["::127.0.0.1", "IPv4-compatible", false],
  ["::ffff:0:127.0.0.1", "IPv4-translated", false],
  ["64:ff9b::7f00:1", "NAT64", false],
  ["64:ff9b::8.8.8.8", "NAT64", false],
  ["64:ff9b:1::a00:1", "local NAT64", false],
  ["2002:7f00:1::", "6to4", false],
  ["2002:a00:1::1", "6to4", false],
  ["2001::1", "Teredo", false],
  ["2001:db8::1", "documentation", false],
  ["3fff::1", "documentation", false],
  ["2001:2::1", "benchmarks", false],
  ["2001:10::1", "ORCHID", false],
  ["2001:20::1", "ORCHID", false],
  ["100::1", "discard", false],
  ["fec0::1", "site-local", false],
  ["4000::1", "not assigned", false],
  ["5f00::1", "segment routing", false],
  ["", "nothing", false],
  ["localhost", "a name", false],
  ["256.1.1.1", "no address", false],
  ["1.2.3", "no full address", false],
];

test.each(FORBIDDEN)("%s (%s) is forbidden; allow_private opens it: %p", (address, _, opened) => {
  expect(isAllowedAddress(address, PUBLIC)).toBe(false);
  expect(isAllowedAddress(address, OPEN)).toBe(opened);
});

test.each([
  "8.8.8.8",
  "1.1.1.1",
  "172.15.255.255",
  "172.32.0.1",
  "100.63.255.255",
  "100.128.0.1",
  "169.253.255.255",
  "192.167.255.255",
  "223.255.255.254",
  "2606:4700:4700::1111",
  "2a00:1450:4001:81b::200e",
])("%s is public", (address) => {
  expect(isAllowedAddress(address, PUBLIC)).toBe(true);
});

describe("an address as it is written", () => {
  const why = (url: string, rule = PUBLIC) => {
    const checked = checkWebhookUrl(url, rule);
    return checked.ok ? "good" : checked.error;
  };

  test.each([
    "https://example.com/hook?token=x",
    "https://example.com:8443/",
    "https://example.com:9000/hook",
    "https://8.8.8.8/",
    "https://[2606:4700:4700::1111]/hook",
    "HTTPS://EXAMPLE.COM",
  ])("%s is good", (url) => {
    expect(why(url)).toBe("good");
  });

  test.each([
    ["http://example.com/", "https"],
    ["ftp://example.com/", "https"],
    ["file:///etc/passwd", "https"],
    ["example.com/hook", "such as"],
    ["https://", "such as"],
    ["https://user:secret@example.com/", "password"],
    ["https://user@example.com/", "password"],
    ["https://example.com:22/", "port 22"],
    ["https://example.com:25/", "port 25"],
    ["https://example.com:80/", "port 80"],
    ["https://127.0.0.1/", "not public"],
    ["https://2130706433/", "not public"],
    ["https://0x7f.1/", "not public"],
    ["https://017700000001/", "not public"],
    ["https://127.1/", "not public"],
    ["https://[::1]/", "not public"],
    ["https://[::ffff:169.254.169.254]/", "not public"],
    ["https://169.254.169.254/latest/meta-data", "not public"],
    ["https://localhost/", "this machine"],
    ["https://localhost./", "this machine"],
    ["https://a.LocalHost:9000/", "this machine"],
    [`https://example.com/${"x".repeat(2048)}`, "2048"],
  ])("%s is refused", (url, because) => {
    expect(why(url)).toContain(because);
  });

  test("allow_private opens this machine and http, and nothing of the link", () => {
    expect(why("http://127.0.0.1:9000/hook", OPEN)).toBe("good");
    expect(why("http://localhost/hook", OPEN)).toBe("good");
    expect(why("https://[fd00::1]/hook", OPEN)).toBe("good");
    expect(why("http://169.254.169.254/", OPEN)).toContain("not public");
    expect(why("http://127.0.0.1:22/", OPEN)).toContain("port 22");
    expect(why("gopher://127.0.0.1/", OPEN)).toContain("https");
  });
});

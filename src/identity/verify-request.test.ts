import { beforeEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { manualClock } from "../lib/clock.ts";
import { fromHex } from "../lib/hex.ts";
import { err, ok } from "../lib/result.ts";
import { encodeAuthHeader, parseAuthHeader } from "../protocol/auth-envelope.ts";
import { signV1 } from "../protocol/auth-v1.ts";
import vectorsV1 from "../protocol/auth-v1.vectors.json";
import { signV2 } from "../protocol/auth-v2.ts";
import vectorsV2 from "../protocol/auth-v2.vectors.json";
import { type Pubkey, pubkeySchema } from "../protocol/primitives.ts";
import { pubkeyOf } from "../protocol/schnorr.ts";
import { AUTH_REFUSALS } from "./auth-refusal.ts";
import { MemoryNonces, NONCES_PER_KEY, NONCES_PER_PENDING_KEY } from "./nonces.ts";
import {
  type KnownKey,
  type MachineRequest,
  type MachineRoute,
  rememberRegistered,
  type VerifyDeps,
  verifyMachineRequest,
} from "./verify-request.ts";

const NOW_S = 1_760_000_100;
const nodeSecret = fromHex("03".padStart(64, "0"));
const node = pubkeyOf(nodeSecret);
const ownSecret = fromHex("02".padStart(64, "0"));
const own = pubkeyOf(ownSecret);
const approved: KnownKey = { status: "approved", role: "provider", authV2Seen: false, accountId: "local" };

let directory: Map<Pubkey, KnownKey>;
let clock: ReturnType<typeof manualClock>;
let nonces: MemoryNonces;
let deps: VerifyDeps;
let serial: number;
beforeEach(() => {
  directory = new Map();
  clock = manualClock(NOW_S * 1000);
  nonces = new MemoryNonces(clock);
  serial = 0;
  deps = {
    clock,
    nonces,
    recipient: own,
    ownKeys: [own],
    keys: {
      lookup: (pubkey) => directory.get(pubkey),
      markV2Seen(pubkey) {
        const known = directory.get(pubkey);
        if (known) directory.set(pubkey, { ...known, authV2Seen: true });
      },
    },
    acceptV1: true,
    listeningSinceMs: (NOW_S - 1000) * 1000,
  };
});

type Over = { v?: 1 | 2; secret?: Uint8Array; createdAtS?: number; nonce?: string; aud?: Pubkey; body?: string };
function signed(over: Over = {}): MachineRequest & { body: Uint8Array } {
  const body = over.body ?? "{}";
  const fields = {
    method: "POST",
    path: "/api/v1/node/heartbeat?x=1",
    createdAtS: over.createdAtS ?? Math.floor(clock.nowMs() / 1000),
    nonce: over.nonce ?? `nonce-${serial++}`,
    bodySha256: createHash("sha256").update(body).digest("hex"),
  };
  const secret = over.secret ?? nodeSecret;
  const header = over.v === 1 ? signV1(secret, fields) : signV2(secret, { ...fields, aud: over.aud ?? own });
  return { method: "POST", pathWithQuery: fields.path, header, body: Buffer.from(body) };
}
const verify = (request: MachineRequest, route: MachineRoute = "polling") => verifyMachineRequest(deps, request, route);
/** The refusal's code; its status is checked against the table on the way. */
async function code(request: MachineRequest, route: MachineRoute = "polling"): Promise<string> {
  const verified = await verify(request, route);
  if (verified.ok) return "accepted";
  expect(verified.error.status).toBe(AUTH_REFUSALS[verified.error.code]);
  expect(verified.error.message).not.toBe("");
  return verified.error.code;
}

for (const { scheme, invalid } of [vectorsV1, vectorsV2]) {
  describe(scheme, () => {
    for (const vector of invalid) {
      test(`${vector.reason}: ${vector.code}`, async () => {
        directory.set(node, approved);
        const parsed = parseAuthHeader(vector.header);
        if (parsed.ok) directory.set(parsed.value.pubkey, approved);
        clock = manualClock(vector.at * 1000);
        const recipient = pubkeySchema.parse("recipient" in vector ? vector.recipient : own);
        deps = { ...deps, clock, recipient, listeningSinceMs: 0 };
        const { method, path: pathWithQuery, header, body } = vector;
        expect(await code({ method, pathWithQuery, header, body: Buffer.from(body) })).toBe(vector.code);
        expect(nonces.size).toBe(0);
      });
    }
  });
}

describe("each refusal of a signed request", () => {
  beforeEach(() => void directory.set(node, approved));

  test("header_missing", async () => {
    expect(await code({ ...signed(), header: null })).toBe("header_missing");
  });

  test("header_malformed", async () => {
    expect(await code({ ...signed(), header: "%%%" })).toBe("header_malformed");
  });

  test("version_unsupported: an envelope of version 3", async () => {
    const parsed = parseAuthHeader(signed().header);
    if (!parsed.ok) throw new Error("not parsed");
    const header = encodeAuthHeader({ ...parsed.value, v: 3 } as never);
    expect(await code({ ...signed(), header })).toBe("version_unsupported");
  });

  for (const route of ["link", "client", "local"] as const) {
    test(`version_unsupported: version 1 on the ${route} routes`, async () => {
      expect(await code(signed({ v: 1 }), route)).toBe("version_unsupported");
    });
  }

  test("version_unsupported: version 1 on a polling route where accept_auth_v1 is off", async () => {
    deps = { ...deps, acceptV1: false };
    expect(await code(signed({ v: 1 }))).toBe("version_unsupported");
    expect(await code(signed({ v: 2 }))).toBe("accepted");
  });

  test("v1_retired: version 1 from a key that has used version 2", async () => {
    expect(await code(signed({ v: 1 }))).toBe("accepted");
    expect(await code(signed({ v: 2 }))).toBe("accepted");
    expect(await code(signed({ v: 1 }))).toBe("v1_retired");
    expect(await code(signed({ v: 1 }), "register")).toBe("v1_retired");
  });

  test("clock_skew: 60 s off either way is taken, 61 s is not, and the message tells the skew and the mend", async () => {
    expect(await code(signed({ createdAtS: NOW_S - 60 }))).toBe("accepted");
    expect(await code(signed({ createdAtS: NOW_S + 60 }))).toBe("accepted");
    const late = await verify(signed({ createdAtS: NOW_S - 61 }));
    const early = await verify(signed({ createdAtS: NOW_S + 120 }));
    if (late.ok || early.ok) throw new Error("accepted");
    expect([late.error.code, early.error.code]).toEqual(["clock_skew", "clock_skew"]);
    expect(late.error.message).toMatch(/61 s behind .* check the clock/);
    expect(early.error.message).toMatch(/120 s ahead of .* check the clock/);
  });

  test("wrong_recipient: signed for another coordinator", async () => {
    expect(await code(signed({ aud: node }))).toBe("wrong_recipient");
  });

  test("bad_signature: another method, path, body or key than the signed one", async () => {
    expect(await code({ ...signed(), method: "PUT" })).toBe("bad_signature");
    expect(await code({ ...signed(), pathWithQuery: "/api/v1/node/heartbeat?x=2" })).toBe("bad_signature");
    expect(await code({ ...signed(), body: Buffer.from("{} ") })).toBe("bad_signature");
    expect(await code(signed())).toBe("accepted");
  });

  for (const route of ["polling", "presence", "client"] as const) {
    test(`key_unknown: a key that is not registered, on the ${route} routes`, async () => {
      directory.clear();
      expect(await code(signed(), route)).toBe(route === "presence" ? "not_registered" : "key_unknown");
    });
  }

  test("key_unknown: a registered key that is not this instance's, on the local routes", async () => {
    expect(await code(signed(), "local")).toBe("key_unknown");
    expect(await code(signed({ secret: ownSecret }), "local")).toBe("accepted");
  });

  test("nonce_replayed: the same request again, at once and after the window's first half", async () => {
    const request = signed({ createdAtS: NOW_S + 60 });
    expect(await code(request)).toBe("accepted");
    expect(await code(request)).toBe("nonce_replayed");
    clock.advance(119_000);
    expect(await code(request)).toBe("nonce_replayed");
    clock.advance(2_000);
    expect(await code(request)).toBe("clock_skew");
  });

  test("nonce_replayed: of two that arrive together, one is taken", async () => {
    const request = signed();
    const codes = await Promise.all([code(request), code(request), code(request)]);
    expect(codes.toSorted()).toEqual(["accepted", "nonce_replayed", "nonce_replayed"]);
  });

  for (const route of ["local", "link", "client"] as const) {
    test(`nonce_replayed: on the ${route} routes too`, async () => {
      directory.set(node, { ...approved, role: "client" });
      const request = signed({ secret: route === "local" ? ownSecret : nodeSecret });
      expect(await code(request, route)).toBe("accepted");
      expect(await code(request, route)).toBe("nonce_replayed");
    });
  }

  test("nonce_store_full: a pending key past its bound, and no other key", async () => {
    directory.set(node, { ...approved, status: "pending" });
    for (let i = 0; i < NONCES_PER_PENDING_KEY; i++) {
      nonces.take({ pubkey: node, nonce: `filler-${i}`, createdAtS: NOW_S }, NONCES_PER_PENDING_KEY);
    }
    expect(await code(signed(), "presence")).toBe("nonce_store_full");
    const other = fromHex("05".padStart(64, "0"));
    directory.set(pubkeyOf(other), approved);
    expect(await code(signed({ secret: other }))).toBe("accepted");
  });

  test("nonce_store_full: a key that submits jobs has room for an organisation's requests, a node has not", async () => {
    for (let i = 0; i < NONCES_PER_KEY; i++) {
      nonces.take({ pubkey: node, nonce: `filler-${i}`, createdAtS: NOW_S }, NONCES_PER_KEY);
    }
    expect(await code(signed())).toBe("nonce_store_full");
    for (const role of ["client", "aggregator"] as const) {
      directory.set(node, { ...approved, role });
      expect(await code(signed(), "client")).toBe("accepted");
    }
  });

  for (const route of ["polling", "presence", "register", "client", "local"] as const) {
    test(`created_before_start: on the ${route} routes, the start rounded up to a second`, async () => {
      directory.set(node, { ...approved, role: "client" });
      deps = { ...deps, listeningSinceMs: NOW_S * 1000 - 999 };
      const secret = route === "local" ? ownSecret : nodeSecret;
      expect(await code(signed({ secret, createdAtS: NOW_S - 1 }), route)).toBe("created_before_start");
      expect(await code(signed({ secret, createdAtS: NOW_S }), route)).toBe("accepted");
      deps = { ...deps, listeningSinceMs: NOW_S * 1000 + 1 };
      expect(await code(signed({ secret, createdAtS: NOW_S }), route)).toBe("created_before_start");
    });
  }

  test("created_before_start does not hold for the link's upgrade", async () => {
    deps = { ...deps, listeningSinceMs: NOW_S * 1000 + 500 };
    expect(await code(signed({ createdAtS: NOW_S - 30 }), "link")).toBe("accepted");
  });

  test("key_pending: it registers, heartbeats, asks `me`, holds a link, and nothing else", async () => {
    directory.set(node, { ...approved, status: "pending" });
    for (const route of ["register", "presence", "link"] as const) {
      expect(await verify(signed(), route)).toMatchObject({ ok: true, value: { status: "pending", role: "provider" } });
    }
    expect(await code(signed())).toBe("key_pending");
    expect(await code(signed(), "client")).toBe("key_pending");
  });

  for (const route of ["register", "presence", "polling", "link", "client"] as const) {
    test(`key_ejected: on the ${route} routes`, async () => {
      directory.set(node, { ...approved, status: "ejected", role: "client", authV2Seen: true });
      expect(await code(signed(), route)).toBe("key_ejected");
    });
  }

  test("key_ejected: while the body was under way", async () => {
    const request = signed();
    const body = async () => {
      directory.set(node, { ...approved, status: "ejected" });
      return ok(request.body);
    };
    expect(await code({ ...request, body })).toBe("key_ejected");
  });

  test("key_unknown, v1_retired: when the key left, or moved to version 2, while the body was under way", async () => {
    const meanwhile = (change: () => void, request: ReturnType<typeof signed>) => ({
      ...request,
      body: async () => {
        change();
        return ok(request.body);
      },
    });
    const moved = () => void directory.set(node, { ...approved, authV2Seen: true });
    expect(await code(meanwhile(moved, signed({ v: 1 })))).toBe("v1_retired");
    const left = () => void directory.delete(node);
    expect(await code(meanwhile(left, signed()))).toBe("key_unknown");
    expect(nonces.size).toBe(0);
  });

  test("role_not_allowed: a provider on the client routes", async () => {
    expect(await code(signed(), "client")).toBe("role_not_allowed");
    for (const role of ["client", "aggregator"] as const) {
      directory.set(node, { ...approved, role });
      expect(await code(signed(), "client")).toBe("accepted");
    }
  });

  for (const error of ["body_too_large", "body_incomplete"] as const) {
    test(error, async () => {
      expect(await code({ ...signed(), body: async () => err(error) })).toBe(error);
    });
  }
});

describe("what strangers can do", () => {
  const bodyNotRead = () => {
    throw new Error("the body was read");
  };

  test("their bodies are not read where only registered keys are served", async () => {
    for (const route of ["polling", "presence", "client", "local"] as const) {
      const expected = route === "presence" ? "not_registered" : "key_unknown";
      expect(await code({ ...signed(), body: bodyNotRead }, route)).toBe(expected);
    }
  });

  test("a request refused by its envelope has its body unread on every route", async () => {
    directory.set(node, approved);
    for (const route of ["link", "register", "presence", "polling"] as const) {
      expect(await code({ ...signed({ createdAtS: NOW_S - 99 }), body: bodyNotRead }, route)).toBe("clock_skew");
      expect(await code({ ...signed({ aud: node }), body: bodyNotRead }, route)).toBe("wrong_recipient");
    }
  });

  test("they fill no nonces: unknown keys, bad signatures, pending and ejected keys leave nothing behind", async () => {
    expect(await code(signed(), "register")).toBe("accepted");
    expect(await code(signed(), "link")).toBe("accepted");
    directory.set(node, approved);
    expect(await code({ ...signed(), method: "PUT" })).toBe("bad_signature");
    directory.set(node, { ...approved, status: "pending" });
    expect(await code(signed())).toBe("key_pending");
    directory.set(node, { ...approved, status: "ejected" });
    expect(await code(signed())).toBe("key_ejected");
    expect(nonces.size).toBe(0);
  });

  test("a forged version 2 header does not retire a key's version 1", async () => {
    directory.set(node, approved);
    expect(await code({ ...signed({ v: 2 }), method: "PUT" })).toBe("bad_signature");
    expect(await code(signed({ v: 1 }))).toBe("accepted");
  });

  test("how a key stands is told only to its holder", async () => {
    directory.set(node, { ...approved, status: "ejected" });
    expect(await code({ ...signed(), method: "PUT" })).toBe("bad_signature");
  });
});

describe("what is accepted", () => {
  test("an unknown key on `register` and the link, with what was signed", async () => {
    for (const route of ["register", "link"] as const) {
      const request = signed({ nonce: `n-${route}`, body: '{"role":"provider"}' });
      expect(await verify(request, route)).toEqual({
        ok: true,
        value: {
          pubkey: node,
          version: 2,
          status: "unknown",
          role: null,
          accountId: null,
          nonce: `n-${route}`,
          createdAtS: NOW_S,
          body: request.body,
        },
      });
    }
  });

  test("version 1 on the polling routes, marked as such", async () => {
    directory.set(node, approved);
    for (const route of ["register", "presence", "polling"] as const) {
      expect(await verify(signed({ v: 1 }), route)).toMatchObject({ ok: true, value: { version: 1 } });
    }
  });

  test("this instance's own key on the local routes", async () => {
    const verified = await verify(signed({ secret: ownSecret }), "local");
    expect(verified).toMatchObject({ ok: true, value: { pubkey: own, status: "own", role: null } });
  });

  test("a body whose bytes are not UTF-8, hashed as received", async () => {
    directory.set(node, approved);
    const body = Uint8Array.of(0xff, 0x00, 0xfe);
    const path = "/api/v1/node/jobs/poll";
    const bodySha256 = createHash("sha256").update(body).digest("hex");
    const header = signV2(nodeSecret, { method: "POST", path, createdAtS: NOW_S, nonce: "n", bodySha256, aud: own });
    expect(await code({ method: "POST", pathWithQuery: path, header, body })).toBe("accepted");
  });

  test("a slow body that ends after the window is refused: its nonce may be forgotten by now", async () => {
    directory.set(node, approved);
    const request = signed();
    const slow = async () => {
      clock.advance(200_000);
      return ok(request.body);
    };
    expect(await code({ ...request, body: slow })).toBe("clock_skew");
  });

  test("the registration itself cannot be sent again once it made its key known", async () => {
    const request = signed();
    const verified = await verify(request, "register");
    if (!verified.ok) throw new Error(verified.error.message);
    directory.set(node, { ...approved, status: "pending" });
    await rememberRegistered(deps, verified.value);
    expect(await code(request, "register")).toBe("nonce_replayed");
    expect(await code(signed({ v: 1 }), "register")).toBe("v1_retired");
  });
});

import { expect, test } from "bun:test";
import { Webhook } from "standardwebhooks";
import { secretText, signedHeaders } from "./sign.ts";

const KEY = new Uint8Array(32).map((_, i) => i);
const BODY = '{"id":"job","text":"Grüße 🌍"}';
/** One moment for all: the library takes what is of the last five minutes. */
const NOW_S = Math.floor(Date.now() / 1000);

test("the specification's own library takes the signature under the secret that is shown", () => {
  const receiver = new Webhook(secretText(KEY));
  expect(receiver.verify(BODY, signedHeaders(KEY, "job", NOW_S, BODY))).toEqual(JSON.parse(BODY));
});

test("and takes none of another body, id, time or key", () => {
  const receiver = new Webhook(secretText(KEY));
  const good = signedHeaders(KEY, "job", NOW_S, BODY);
  const refused = (body: string, headers: Record<string, string>) => () => receiver.verify(body, headers);
  expect(refused(BODY.replace("job", "jab"), good)).toThrow();
  expect(refused(BODY, { ...good, "webhook-id": "other" })).toThrow();
  expect(refused(BODY, { ...good, "webhook-timestamp": `${NOW_S - 1}` })).toThrow();
  expect(refused(BODY, signedHeaders(new Uint8Array(32), "job", NOW_S, BODY))).toThrow();
  expect(refused(BODY, signedHeaders(KEY, "job", NOW_S - 3600, BODY))).toThrow();
});

test("the specification's example", () => {
  // standard-webhooks/spec, "Symmetric signatures": the test vector that its libraries share.
  const key = Buffer.from("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "base64");
  const headers = signedHeaders(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, '{"test": 2432232314}');
  expect(headers["webhook-signature"]).toBe("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
});

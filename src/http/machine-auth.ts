// Machine authentication: from a web request to a verified caller and the bytes it signed, or the answer that refuses.
import {
  type BodyError,
  type KnownKey,
  type MachineRoute,
  maySubmit,
  type VerifiedRequest,
  type VerifyDeps,
  verifyMachineRequest,
} from "../identity/verify-request.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { AUTH_HEADER } from "../protocol/auth-envelope.ts";
import { pathOf, refuseSigned } from "./refusals.ts";

/** Largest body on machine routes. */
export const MAX_MACHINE_BODY_BYTES = 1024 * 1024;

/**
 * Verifies a request and reads its body. The route must not have parsed the body: it is hashed as received.
 * `maxClientBytes`: largest body of a key that may submit jobs; every other key has the bound of machine routes.
 * The refusal is ready to be sent.
 */
export async function authenticateMachine(
  deps: VerifyDeps,
  request: Request,
  route: MachineRoute,
  maxClientBytes = MAX_MACHINE_BODY_BYTES,
): Promise<Result<VerifiedRequest, Response>> {
  const limit = (known: KnownKey | undefined) => (maySubmit(known) ? maxClientBytes : MAX_MACHINE_BODY_BYTES);
  const verified = await verifyMachineRequest(
    deps,
    {
      method: request.method,
      pathWithQuery: pathWithQuery(request.url),
      header: request.headers.get(AUTH_HEADER),
      body: (known) => readBounded(request, limit(known)),
    },
    route,
  );
  return verified.ok ? verified : err(refuseSigned(pathOf(request.url), verified.error));
}

/** The path and query of a request's address, as the server gives them: not parsed again, so nothing is normalised. */
function pathWithQuery(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  return start === -1 ? "/" : url.slice(start);
}

/** The raw body. A declared length over the limit is refused unread, an undeclared one as soon as it goes over. */
export async function readBounded(request: Request, limitBytes: number): Promise<Result<Uint8Array, BodyError>> {
  const declared = request.headers.get("content-length");
  if (declared !== null && Number(declared) > limitBytes) return err("body_too_large");
  if (request.body === null) return ok(new Uint8Array(0));
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const reader = request.body.getReader();
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      bytes += piece.value.byteLength;
      if (bytes > limitBytes) {
        await reader.cancel();
        return err("body_too_large");
      }
      chunks.push(piece.value);
    }
  } catch {
    // The connection broke; there is nobody left to tell more.
    return err("body_incomplete");
  }
  return ok(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, bytes));
}

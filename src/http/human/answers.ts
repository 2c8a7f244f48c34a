// Answers of the human routes: plain JSON objects, errors in OpenAI's shape; bodies come as JSON or from a form.
import type { z } from "zod";
import { err, ok, type Result } from "../../lib/result.ts";
import { errorResponse } from "../errors.ts";
import { check, parsePlainJson } from "../openai/chat-request.ts";
import type { HumanCall } from "../routes.ts";

type WithBody = Pick<HumanCall, "request" | "body">;

/** Whether the body comes from a form, rather than as JSON. */
export const isForm = ({ headers }: Request): boolean =>
  headers.get("content-type")?.toLowerCase().startsWith("application/x-www-form-urlencoded") === true;

/** The fields of a body that can be read; none of one that cannot. */
export function bodyFields(call: WithBody): Record<string, unknown> {
  const fields = fieldsOf(call);
  return fields.ok ? fields.value : {};
}

function fieldsOf({ request, body }: WithBody): Result<Record<string, unknown>, Response> {
  const text = body();
  if (isForm(request)) return ok(Object.fromEntries(new URLSearchParams(text)));
  const json = text === "" ? ok({}) : parsePlainJson(text);
  if (!json.ok) return err(errorResponse(json.error.code, json.error.message));
  if (typeof json.value !== "object" || json.value === null || Array.isArray(json.value)) {
    return err(errorResponse("invalid_value", "the body must be a JSON object"));
  }
  return ok(json.value as Record<string, unknown>);
}

/** The body as the route takes it, or the answer that refuses it. */
export function bodyOf<T>(call: WithBody, schema: z.ZodType<T>): Result<T, Response> {
  const fields = fieldsOf(call);
  if (!fields.ok) return fields;
  const { csrf_token: _, ...rest } = fields.value;
  const parsed = check(schema, rest);
  if (parsed.ok) return parsed;
  const { code, message, param } = parsed.error;
  return err(errorResponse(code, message, { param }));
}

/** JSON, with cookies to set. */
export function data(value: object, cookies: readonly string[] = []): Response {
  const response = Response.json(value);
  for (const cookie of cookies) response.headers.append("set-cookie", cookie);
  return response;
}

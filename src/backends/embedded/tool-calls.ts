// Tool calls: the form that Hermes and Qwen models write them in: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`
// in the text. Other forms are not read, and such models are offered without tools.
import { err, ok, type Result } from "../../lib/result.ts";
import { isRecord } from "../record.ts";
import type { CalledFunction } from "./json-grammar.ts";

export const CALL_OPEN = "<tool_call>";
export const CALL_CLOSE = "</tool_call>";

/** The model's template knows tools, in the form that is read here. */
export const templateHasTools = (template: string | null): boolean =>
  template?.includes(CALL_OPEN) === true && /\btools\b/.test(template);

/** What a request says about tools. `forced`: one of these must be called. */
export type WantedTools = { tools: unknown[]; forced: CalledFunction[] | null };

/** Null where no tools are asked for. The error is a sentence for the client. */
export function readTools(body: Record<string, unknown>, hasTools: boolean): Result<WantedTools | null, string> {
  const { tools, tool_choice: choice = "auto" } = body;
  if (!Array.isArray(tools) || tools.length === 0 || choice === "none") return ok(null);
  if (!hasTools) return err("this model cannot call tools");
  const functions: CalledFunction[] = [];
  for (const [i, tool] of tools.entries()) {
    const fn = isRecord(tool) ? tool.function : null;
    if (!isRecord(fn) || typeof fn.name !== "string") return err(`tools[${i}] is no function with a name`);
    functions.push({ name: fn.name, parameters: fn.parameters });
  }
  if (choice === "auto" || choice === null) return ok({ tools, forced: null });
  if (choice === "required") return ok({ tools, forced: functions });
  const named = isRecord(choice) && isRecord(choice.function) ? choice.function.name : null;
  const forced = functions.filter(({ name }) => name === named);
  return forced.length > 0 ? ok({ tools, forced }) : err("tool_choice names no function of tools");
}

/** A call read from text; arguments are JSON text. */
export type ReadCall = { name: string; arguments: string };

/** Parts text as it comes into content and calls; holds back no more than could still become a call. */
export class ToolCallText {
  private held = "";
  private inside = false;
  /** White space around calls belongs to no text. */
  private gap = false;

  push(text: string): { content: string; calls: ReadCall[] } {
    this.held += text;
    let content = "";
    const calls: ReadCall[] = [];
    for (;;) {
      const mark = this.inside ? CALL_CLOSE : CALL_OPEN;
      const at = this.held.indexOf(mark);
      if (at < 0) break;
      const before = this.held.slice(0, at);
      this.held = this.held.slice(at + mark.length);
      if (this.inside) {
        const call = readCall(before);
        if (call === null) content += CALL_OPEN + before + CALL_CLOSE;
        else calls.push(call);
        this.gap = call !== null;
      } else content += this.outside(before.trimEnd());
      this.inside = !this.inside;
    }
    if (!this.inside) {
      const keep = heldLength(this.held);
      content += this.outside(this.held.slice(0, this.held.length - keep));
      this.held = this.held.slice(this.held.length - keep);
    }
    return { content, calls };
  }

  /** The text is over: a call that is not closed may be whole all the same. */
  end(): { content: string; calls: ReadCall[] } {
    const rest = this.held;
    this.held = "";
    if (!this.inside) return { content: this.outside(rest), calls: [] };
    const call = readCall(rest);
    return call === null ? { content: CALL_OPEN + rest, calls: [] } : { content: "", calls: [call] };
  }

  private outside(text: string): string {
    const given = this.gap ? text.replace(/^\s+/, "") : text;
    if (given !== "") this.gap = false;
    return given;
  }
}

function readCall(source: string): ReadCall | null {
  try {
    const call: unknown = JSON.parse(source);
    if (!isRecord(call) || typeof call.name !== "string") return null;
    const { arguments: args = {} } = call;
    return { name: call.name, arguments: typeof args === "string" ? args : JSON.stringify(args) };
  } catch {
    return null; // Text between the marks that is no call.
  }
}

/** Length of the longest end of `text` that begins a call, white space before it too. */
function heldLength(text: string): number {
  for (let length = Math.min(CALL_OPEN.length - 1, text.length); length > 0; length--) {
    if (!text.endsWith(CALL_OPEN.slice(0, length))) continue;
    return length + (/\s*$/.exec(text.slice(0, -length))?.[0].length ?? 0);
  }
  return /\s*$/.exec(text)?.[0].length ?? 0;
}

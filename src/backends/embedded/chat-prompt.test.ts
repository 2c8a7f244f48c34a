import { describe, expect, test } from "bun:test";
import { chatPrompt } from "./chat-prompt.ts";

const tokens = { eos: "</s>", knowsChatMl: true };
const user = (content: unknown) => ({ role: "user", content });

describe("chat prompt", () => {
  test("the model's own template is used", () => {
    const prompt = chatPrompt(
      "{% for m in messages %}[{{m.role}}]{{m.content}}{{eos_token}}{% endfor %}{% if add_generation_prompt %}>{% endif %}",
      tokens,
    );
    expect(prompt.render([user("hi")])).toEqual({ ok: true, value: { text: "[user]hi</s>>", continued: "" } });
  });
  test("without one, ChatML where the vocabulary has it, else plain lines that stop at the next turn", () => {
    expect(chatPrompt(null, tokens).render([user("hi")])).toEqual({
      ok: true,
      value: { text: "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n", continued: "" },
    });
    const plain = chatPrompt(null, { ...tokens, knowsChatMl: false });
    expect(plain.render([user("hi")])).toEqual({ ok: true, value: { text: "user: hi\nassistant:", continued: "" } });
    expect(plain.stops).toContain("\nuser:");
  });
  test("an assistant's last message is left open", () => {
    expect(chatPrompt(null, tokens).render([user("hi"), { role: "assistant", content: "Hel" }])).toEqual({
      ok: true,
      value: { text: "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nHel", continued: "Hel" },
    });
  });
  test("an assistant's last message keeps its spaces, whatever the template trims", () => {
    const prompt = chatPrompt(
      "{% for m in messages %}<{{m.role}}>{{m.content | trim}}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}",
      tokens,
    );
    const content = "  Hel \n\t ";
    expect(prompt.render([user(" hi "), { role: "assistant", content }])).toEqual({
      ok: true,
      value: { text: `<user>hi<assistant>${content}`, continued: content },
    });
  });
  test("tools and earlier calls reach the template, arguments as an object", () => {
    const prompt = chatPrompt(
      "{% for t in tools %}{{t.function.name}};{% endfor %}{% for m in messages %}{% if m.tool_calls %}{{m.tool_calls[0].function.arguments.a}}{% endif %}{% endfor %}",
      tokens,
    );
    const calls = [{ id: "c", type: "function", function: { name: "f", arguments: '{"a":7}' } }];
    const messages = [
      user("hi"),
      { role: "assistant", content: null, tool_calls: calls },
      { role: "tool", content: "x" },
    ];
    expect(prompt.render(messages, { tools: [{ type: "function", function: { name: "f" } }] })).toEqual({
      ok: true,
      value: { text: "f;7", continued: "" },
    });
  });
  test("thoughts that the template opens are closed before an answer that has begun, or where none are wanted", () => {
    const prompt = chatPrompt("{{messages[0].content + '<think>\n'}}", tokens);
    const text = (...args: Parameters<typeof prompt.render>) => {
      const rendered = prompt.render(...args);
      return rendered.ok ? rendered.value.text : rendered.error;
    };
    expect(text([user("hi")])).toBe("hi<think>\n");
    expect(text([user("hi"), { role: "assistant", content: "Yes" }])).toBe("hi<think>\n\n</think>\n\nYes");
    expect(text([user("hi")], { thinking: false })).toBe("hi<think>\n\n</think>\n\n");
  });
  test("text parts are joined, developer means system", () => {
    const prompt = chatPrompt("{% for m in messages %}{{m.role}}:{{m.content}};{% endfor %}", tokens);
    const parts = [
      { type: "text", text: "a" },
      { type: "text", text: "b" },
    ];
    expect(prompt.render([{ role: "developer", content: "s" }, user(parts)])).toEqual({
      ok: true,
      value: { text: "system:s;user:ab;", continued: "" },
    });
  });
  test("what it cannot read is an error that says where", () => {
    const prompt = chatPrompt("{{ raise_exception('only user') }}", tokens);
    for (const messages of [[], [5], [{ content: "x" }], [user([{ type: "image_url" }])], [user(7)], [user("x")]]) {
      expect(prompt.render(messages).ok).toBe(false);
    }
    expect(prompt.render([user("x")])).toMatchObject({ error: expect.stringContaining("only user") });
  });
});

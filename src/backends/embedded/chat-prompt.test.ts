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
    expect(prompt.render([user("hi")])).toEqual({ ok: true, value: "[user]hi</s>>" });
  });
  test("without one, ChatML where the vocabulary has it, else plain lines that stop at the next turn", () => {
    expect(chatPrompt(null, tokens).render([user("hi")])).toEqual({
      ok: true,
      value: "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
    });
    const plain = chatPrompt(null, { ...tokens, knowsChatMl: false });
    expect(plain.render([user("hi")])).toEqual({ ok: true, value: "user: hi\nassistant:" });
    expect(plain.stops).toContain("\nuser:");
  });
  test("an assistant's last message is left open", () => {
    expect(chatPrompt(null, tokens).render([user("hi"), { role: "assistant", content: "Hel" }])).toEqual({
      ok: true,
      value: "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nHel",
    });
  });
  test("text parts are joined, developer means system", () => {
    const prompt = chatPrompt("{% for m in messages %}{{m.role}}:{{m.content}};{% endfor %}", tokens);
    const parts = [
      { type: "text", text: "a" },
      { type: "text", text: "b" },
    ];
    expect(prompt.render([{ role: "developer", content: "s" }, user(parts)])).toEqual({
      ok: true,
      value: "system:s;user:ab;",
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

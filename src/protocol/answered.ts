// Answered: a conversation whose last answer has begun, as it is given to who goes on with it.

/** The conversation with the answer so far at its end. A client may have begun that answer itself. */
export function withAnswer(messages: readonly unknown[], answered: string): unknown[] {
  const last: unknown = messages.at(-1);
  if (typeof last === "object" && last !== null && "role" in last && last.role === "assistant" && "content" in last) {
    if (typeof last.content === "string")
      return [...messages.slice(0, -1), { ...last, content: last.content + answered }];
  }
  return [...messages, { role: "assistant", content: answered }];
}

// Tokens: the reply text that the synthetic backend sends and the load client expects.

/** Text of token `index`. Token 1 holds multi-byte characters, so a target that cuts UTF-8 at a chunk's edge is caught. */
export function tokenText(index: number): string {
  return index === 1 ? "é✓ " : `tok${index} `;
}

/** The whole reply of `count` tokens. */
export function replyText(count: number): string {
  let text = "";
  for (let index = 0; index < count; index++) text += tokenText(index);
  return text;
}

// Words: what programs say, as people read it.

/** A message of the API as a sentence: it begins with a capital and ends with a stop. */
export function sentence(message: string): string {
  const text = message.trim();
  if (text === "") return "That did not work.";
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}

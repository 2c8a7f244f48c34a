// Model href: where a model has its page. Names may hold slashes, which stay; and halves of signs, which no address takes.

export const modelHref = (name: string): string =>
  `/models/${name.toWellFormed().split("/").map(encodeURIComponent).join("/")}`;

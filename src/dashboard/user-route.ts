// User route: pages and acts for whoever is signed in.
import type { HttpRoute, SignedInCall } from "../http/routes.ts";

type UserRoute = {
  method?: "GET" | "POST";
  path: string;
  summary: string;
  handle(call: SignedInCall): Response | Promise<Response>;
};

export const userRoute = ({ method = "GET", ...route }: UserRoute): HttpRoute => ({
  ...route,
  method,
  answers: "text/html",
  tier: "human",
  access: "user",
});

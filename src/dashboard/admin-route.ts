// Admin route: pages, acts and streams for admins only.
import type { HttpRoute, SignedInCall } from "../http/routes.ts";

type AdminRoute = {
  method?: "GET" | "POST";
  path: string;
  summary: string;
  answers?: string;
  maxBodyBytes?: number;
  handle(call: SignedInCall): Response | Promise<Response>;
};

export const adminRoute = ({ method = "GET", answers = "text/html", ...route }: AdminRoute): HttpRoute => ({
  ...route,
  method,
  answers,
  tier: "human",
  access: "user",
  role: "admin",
});

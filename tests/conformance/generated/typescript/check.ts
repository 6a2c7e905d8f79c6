// Types generated from the description, with openapi-fetch. Prints a line for each thing that works.
import assert from "node:assert";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

const api = createClient<paths>({
  baseUrl: process.env.HOLDFAST_ADDR,
  headers: { Authorization: `Bearer ${process.env.HOLDFAST_TOKEN}` },
});
const mine = { params: { path: { name: "gen-ts" } } };

const written = await api.PUT("/v1/secrets/{name}", { ...mine, body: { value: "välue" } });
const secret = await api.GET("/v1/secrets/{name}", mine);
assert(secret.data && written.data, "refused");
assert.equal(secret.data.value, "välue");
assert.equal(secret.data.version, written.data.version);
console.log("ok set and get");

const changes: components["schemas"]["UpdateSecret"] = { expires_at: "2099-01-01T00:00:00Z", tags: { team: "payments" } };
const updated = await api.PATCH("/v1/secrets/{name}", { ...mine, body: changes });
assert.equal(updated.data?.tags.team, "payments");
assert.equal(Date.parse(updated.data?.expires_at ?? ""), Date.UTC(2099, 0, 1));
console.log("ok an update");

const rule: components["schemas"]["PutGrant"] = { pattern: "gen-*", user_id: "somebody", permissions: ["get"] };
const granted = await api.PUT("/v1/grants", { body: rule });
assert.deepEqual(granted.data?.permissions, ["get"]);
console.log("ok an enum");

const refused = await api.GET("/v1/secrets/{name}", { params: { path: { name: "gen-none" } } });
assert.equal(refused.error?.code, "secret_not_found");
console.log("ok a refusal");

const lines = await api.GET("/v1/audit/export", { parseAs: "text" });
assert(lines.data?.includes("gen-ts"), "not in the trail");
console.log("ok lines of the audit trail");

const deleted = await api.DELETE("/v1/secrets/{name}", mine);
assert.equal(deleted.data?.state, "deleted");
console.log("ok delete");

// No plugin, no validator, nothing kept: a token is forgotten when the page is left. Requests go to this very server.
const show = (spec) => SwaggerUIBundle({
  dom_id: "#api",
  spec: { ...spec, servers: [{ url: "/" }] },
  validatorUrl: null,
  persistAuthorization: false,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  defaultModelRendering: "example",
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
});
const load = async () => {
  const answer = await fetch("openapi.json");
  if (!answer.ok) throw new Error(answer.status);
  show(await answer.json());
};
load().catch((error) => {
  document.getElementById("api").textContent = `The description cannot be loaded (${error.message}). Reload the page.`;
});

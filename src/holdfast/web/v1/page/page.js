// No plugin, no validator, nothing kept: a token is forgotten when the page is left.
SwaggerUIBundle({
  dom_id: "#api",
  url: "openapi.json",
  validatorUrl: null,
  persistAuthorization: false,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
});

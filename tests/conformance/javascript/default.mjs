// A program whose credential is found in its environment. Prints a line for each thing that works.
import assert from "node:assert/strict";
import { DefaultAzureCredential } from "@azure/identity";
import { SecretClient } from "@azure/keyvault-secrets";

const vault = new SecretClient(process.env.VAULT_URL, new DefaultAzureCredential());
assert.equal((await vault.getSecret("seed")).value, "a value from the vault");
console.log("ok reads");
await vault.setSecret("set-by-js", "JavaScript");
assert.equal((await vault.getSecret("set-by-js")).value, "JavaScript");
console.log("ok writes");
await assert.rejects(vault.getSecret("none"), { statusCode: 404, code: "SecretNotFound" });
console.log("ok misses");

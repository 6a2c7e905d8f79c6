// Settings from App Configuration, whose secrets are in a vault. Prints a line for each thing that works.
import assert from "node:assert/strict";
import { load } from "@azure/app-configuration-provider";
import { DefaultAzureCredential } from "@azure/identity";

const settings = await load(process.env.STORE, { keyVaultOptions: { credential: new DefaultAzureCredential() } });
assert.equal(settings.get("latest"), "a value from the vault");
console.log("ok reads");
assert.equal(settings.get("pinned"), "a value from the vault");
console.log("ok reads a version");
process.exit(0); // it would go on looking for changes

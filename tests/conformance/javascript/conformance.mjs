// Azure's JavaScript SDK through its whole surface for secrets. Prints a line for each thing that works.
import assert from "node:assert/strict";
import { ClientSecretCredential } from "@azure/identity";
import { SecretClient } from "@azure/keyvault-secrets";

const { VAULT_URL, AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, AZURE_AUTHORITY_HOST } = process.env;
const { STRANGER_ID, STRANGER_SECRET } = process.env;
const quickly = { intervalInMs: 50 };

function client(id, secret) {
  const options = { authorityHost: AZURE_AUTHORITY_HOST, disableInstanceDiscovery: true };
  return new SecretClient(VAULT_URL, new ClientSecretCredential(AZURE_TENANT_ID, id, secret, options));
}

const vault = client(AZURE_CLIENT_ID, AZURE_CLIENT_SECRET);

async function all(listing) {
  const found = [];
  for await (const item of listing) found.push(item);
  return found;
}

async function refused(attempt, status, code, words) {
  const error = await attempt.then(
    () => assert.fail("it was allowed"),
    (error) => error,
  );
  assert.equal(error.statusCode, status, error);
  if (code) assert.equal(error.code, code);
  if (words) assert.ok(error.message.startsWith(words), error.message);
}

const checks = {
  "set and get": async () => {
    const made = await vault.setSecret("JS-First", "one", { contentType: "text/plain", tags: { team: "core" } });
    assert.equal(made.value, "one");
    const found = await vault.getSecret("js-first");
    assert.deepEqual([found.value, found.properties.version], ["one", made.properties.version]);
    assert.deepEqual([found.name, found.properties.contentType], ["JS-First", "text/plain"]);
    assert.deepEqual({ ...found.properties.tags }, { team: "core" });
  },
  "any text is a value": async () => {
    for (const value of ["", "ünï \u{1F600} \0 \n \"\\", "x".repeat(25600)]) {
      await vault.setSecret("js-text", value);
      assert.equal((await vault.getSecret("js-text")).value, value);
    }
  },
  "versions, and a pinned one": async () => {
    const first = await vault.setSecret("js-versions", "1");
    const second = await vault.setSecret("js-versions", "2");
    const { version } = first.properties;
    assert.equal((await vault.getSecret("js-versions", { version })).value, "1");
    const listed = await all(vault.listPropertiesOfSecretVersions("js-versions"));
    assert.deepEqual(listed.map((each) => each.version).sort(), [version, second.properties.version].sort());
  },
  "an update": async () => {
    const { properties } = await vault.setSecret("js-update", "v", { contentType: "a", tags: { k: "v" } });
    const expiresOn = new Date("2037-12-31T00:00:00Z");
    await vault.updateSecretProperties("js-update", properties.version, { expiresOn, contentType: "b" });
    const found = (await vault.getSecret("js-update")).properties;
    assert.deepEqual([found.expiresOn, found.contentType, found.tags.k], [expiresOn, "b", "v"]);
    assert.equal(found.version, properties.version);
  },
  "15 tags": async () => {
    const tags = Object.fromEntries(Array.from({ length: 15 }, (_, n) => [`k${n}`, `v${n}`]));
    await vault.setSecret("js-tags", "v", { tags });
    assert.deepEqual({ ...(await vault.getSecret("js-tags")).properties.tags }, tags);
  },
  "an empty map of tags": async () => {
    await vault.setSecret("js-no-tags", "v", { tags: {} });
    assert.deepEqual({ ...(await vault.getSecret("js-no-tags")).properties.tags }, {});
    assert.notEqual((await vault.getSecret("js-no-tags")).properties.tags, undefined);
  },
  dates: async () => {
    const notBefore = new Date("2020-01-01T00:00:00Z");
    const expiresOn = new Date("2030-01-01T00:00:00Z");
    await vault.setSecret("js-dates", "v", { notBefore, expiresOn });
    const found = (await vault.getSecret("js-dates")).properties;
    assert.deepEqual([found.notBefore, found.expiresOn], [notBefore, expiresOn]);
    assert.ok(found.createdOn instanceof Date && found.updatedOn instanceof Date);
    // This client cuts dates after 2038 to 32 bits; nobody is to believe that it set them.
    const cut = vault.setSecret("js-dates", "v", { expiresOn: new Date("2099-01-01T00:00:00Z") });
    await refused(cut, 400, "BadParameter", "attributes.exp must be");
  },
  "a disabled secret": async () => {
    const { properties } = await vault.setSecret("js-disabled", "v", { enabled: false });
    const words = "Operation get is not allowed on a disabled secret.";
    await refused(vault.getSecret("js-disabled"), 403, "Forbidden", words);
    await vault.updateSecretProperties("js-disabled", properties.version, { enabled: true });
    assert.equal((await vault.getSecret("js-disabled")).value, "v");
  },
  "a listing in pages": async () => {
    const names = Array.from({ length: 27 }, (_, n) => `js-page-${n}`);
    for (const name of names) await vault.setSecret(name, "v");
    const listed = (await all(vault.listPropertiesOfSecrets())).map((each) => each.name);
    assert.deepEqual(listed.filter((name) => name.startsWith("js-page-")).sort(), names.sort());
    for await (const page of vault.listPropertiesOfSecrets().byPage({ maxPageSize: 2 })) assert.ok(page.length <= 2);
  },
  "delete and poll": async () => {
    await vault.setSecret("JS-Delete", "v");
    const poller = await vault.beginDeleteSecret("JS-Delete", quickly);
    const deleted = await poller.pollUntilDone();
    assert.ok(deleted.properties.deletedOn && deleted.properties.scheduledPurgeDate);
    assert.equal((await vault.getDeletedSecret("js-delete")).name, "JS-Delete");
    const words = "A secret with (name/id) JS-Delete was not found in this key vault.";
    await refused(vault.getSecret("JS-Delete"), 404, "SecretNotFound", words);
  },
  "the name of a deleted secret": async () => {
    const words = "Secret JS-Delete is currently in a deleted but recoverable state";
    await refused(vault.setSecret("JS-Delete", "v"), 409, "Conflict", words);
  },
  "deleted secrets": async () => {
    assert.ok((await all(vault.listDeletedSecrets())).some((each) => each.name === "JS-Delete"));
    await refused(vault.getDeletedSecret("js-none"), 404, "SecretNotFound", "Deleted Secret not found: js-none");
  },
  "recover and poll": async () => {
    const poller = await vault.beginRecoverDeletedSecret("js-delete", quickly);
    assert.equal((await poller.pollUntilDone()).name, "JS-Delete");
    assert.equal((await vault.getSecret("js-delete")).value, "v");
  },
  purge: async () => {
    await (await vault.beginDeleteSecret("js-delete", quickly)).pollUntilDone();
    await vault.purgeDeletedSecret("js-delete");
    await refused(vault.getDeletedSecret("js-delete"), 404, "SecretNotFound");
  },
  "backup and restore": async () => {
    const { properties } = await vault.setSecret("js-backup", "1");
    await vault.setSecret("js-backup", "2");
    const backup = await vault.backupSecret("js-backup");
    await (await vault.beginDeleteSecret("js-backup", quickly)).pollUntilDone();
    await vault.purgeDeletedSecret("js-backup");
    assert.equal((await vault.restoreSecretBackup(backup)).name, "js-backup");
    assert.equal((await vault.getSecret("js-backup", { version: properties.version })).value, "1");
    await refused(vault.restoreSecretBackup(new Uint8Array(40)), 400, "Malformed backup blob");
  },
  "what is not there": async () => {
    await refused(vault.getSecret("js-none"), 404, "SecretNotFound");
    await refused(vault.getSecret("js-first", { version: "0".repeat(32) }), 404, "SecretNotFound");
    assert.deepEqual(await all(vault.listPropertiesOfSecretVersions("js-none")), []);
  },
  "whoever may nothing": async () => {
    const stranger = client(STRANGER_ID, STRANGER_SECRET);
    const words = "Caller is not authorized to perform action on resource.";
    await refused(stranger.getSecret("js-first"), 403, "Forbidden", words);
    await refused(stranger.setSecret("js-first", "v"), 403, "Forbidden", words);
    await refused(all(stranger.listPropertiesOfSecrets()), 403);
  },
  "a wrong client secret": async () => {
    const error = await client(AZURE_CLIENT_ID, "wrong").getSecret("js-first").catch((error) => error);
    assert.match(error.name, /^Authentication/);
    assert.match(error.message, /7000215/);
  },
};

for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`ok ${name}`);
  } catch (error) {
    console.log(`FAILED ${name}: ${error.stack}`);
    process.exitCode = 1;
  }
}

import com.azure.core.exception.HttpResponseException;
import com.azure.core.util.polling.SyncPoller;
import com.azure.identity.ClientSecretCredentialBuilder;
import com.azure.security.keyvault.secrets.SecretClient;
import com.azure.security.keyvault.secrets.SecretClientBuilder;
import com.azure.security.keyvault.secrets.models.DeletedSecret;
import com.azure.security.keyvault.secrets.models.KeyVaultSecret;
import com.azure.security.keyvault.secrets.models.SecretProperties;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Azure's Java SDK through its whole surface for secrets. Prints a line for each thing that works. */
public final class Conformance {
    private static final Map<String, String> ENVIRON = System.getenv();
    private static final SecretClient VAULT = client(ENVIRON.get("AZURE_CLIENT_ID"), ENVIRON.get("AZURE_CLIENT_SECRET"));

    private static SecretClient client(String id, String secret) {
        var credential = new ClientSecretCredentialBuilder()
            .authorityHost(ENVIRON.get("AZURE_AUTHORITY_HOST"))
            .tenantId(ENVIRON.get("AZURE_TENANT_ID"))
            .disableInstanceDiscovery()
            .clientId(id)
            .clientSecret(secret)
            .build();
        return new SecretClientBuilder().vaultUrl(ENVIRON.get("VAULT_URL")).credential(credential).buildClient();
    }

    private static void same(Object found, Object wanted) {
        if (!Objects.equals(found, wanted)) {
            throw new AssertionError(found + " instead of " + wanted);
        }
    }

    private static void refused(Runnable attempt, int status, String words) {
        try {
            attempt.run();
        } catch (HttpResponseException refusal) {
            same(refusal.getResponse().getStatusCode(), status);
            if (!refusal.getMessage().contains(words)) {
                throw new AssertionError("refused in other words", refusal);
            }
            return;
        }
        throw new AssertionError("it was allowed");
    }

    private static DeletedSecret delete(String name) {
        SyncPoller<DeletedSecret, Void> poller = VAULT.beginDeleteSecret(name).setPollInterval(Duration.ofMillis(50));
        poller.waitForCompletion();
        return poller.poll().getValue();
    }

    private static void setAndGet() {
        var properties = new SecretProperties().setContentType("text/plain").setTags(Map.of("team", "core"));
        var made = VAULT.setSecret(new KeyVaultSecret("Java-First", "one").setProperties(properties));
        var found = VAULT.getSecret("java-first");
        same(found.getValue(), "one");
        same(found.getId(), made.getId());
        same(found.getName(), "Java-First");
        same(found.getProperties().getContentType(), "text/plain");
        same(found.getProperties().getTags(), Map.of("team", "core"));
    }

    private static void anyText() {
        for (String value : List.of("", "ünï \uD83D\uDE00 \0 \n \"\\", "x".repeat(25600))) {
            VAULT.setSecret("java-text", value);
            same(VAULT.getSecret("java-text").getValue(), value);
        }
    }

    private static void versions() {
        var first = VAULT.setSecret("java-versions", "1").getProperties().getVersion();
        var second = VAULT.setSecret("java-versions", "2").getProperties().getVersion();
        same(VAULT.getSecret("java-versions", first).getValue(), "1");
        var listed = VAULT.listPropertiesOfSecretVersions("java-versions").stream().map(SecretProperties::getVersion);
        same(listed.sorted().toList(), List.of(first, second).stream().sorted().toList());
    }

    private static void update() {
        var made = VAULT.setSecret("java-update", "v").getProperties();
        var expires = OffsetDateTime.parse("2099-12-31T00:00:00Z");
        VAULT.updateSecretProperties(made.setExpiresOn(expires).setContentType("b"));
        var found = VAULT.getSecret("java-update").getProperties();
        same(found.getExpiresOn(), expires);
        same(found.getContentType(), "b");
        same(found.getVersion(), made.getVersion());
    }

    private static void fifteenTags() {
        var tags = IntStream.range(0, 15).boxed().collect(Collectors.toMap(n -> "k" + n, n -> "v" + n));
        var properties = new SecretProperties().setTags(tags);
        VAULT.setSecret(new KeyVaultSecret("java-tags", "v").setProperties(properties));
        same(VAULT.getSecret("java-tags").getProperties().getTags(), tags);
    }

    private static void noTags() {
        var properties = new SecretProperties().setTags(new HashMap<>());
        VAULT.setSecret(new KeyVaultSecret("java-no-tags", "v").setProperties(properties));
        same(VAULT.getSecret("java-no-tags").getProperties().getTags(), Map.of());
    }

    private static void dates() {
        var begins = OffsetDateTime.parse("2020-01-01T00:00:00Z");
        var ends = OffsetDateTime.parse("2100-01-01T00:00:00Z");
        var properties = new SecretProperties().setNotBefore(begins).setExpiresOn(ends);
        VAULT.setSecret(new KeyVaultSecret("java-dates", "v").setProperties(properties));
        var found = VAULT.getSecret("java-dates").getProperties();
        same(found.getNotBefore(), begins);
        same(found.getExpiresOn(), ends);
        same(found.getCreatedOn() != null && found.getUpdatedOn() != null, true);
    }

    private static void disabled() {
        var properties = new SecretProperties().setEnabled(false);
        var made = VAULT.setSecret(new KeyVaultSecret("java-disabled", "v").setProperties(properties)).getProperties();
        refused(() -> VAULT.getSecret("java-disabled"), 403, "Operation get is not allowed on a disabled secret.");
        VAULT.updateSecretProperties(made.setEnabled(true));
        same(VAULT.getSecret("java-disabled").getValue(), "v");
    }

    private static void pages() {
        var names = IntStream.range(0, 27).mapToObj(n -> "java-page-" + n).sorted().toList();
        names.forEach(name -> VAULT.setSecret(name, "v"));
        var listed = VAULT.listPropertiesOfSecrets().stream().map(SecretProperties::getName);
        same(listed.filter(name -> name.startsWith("java-page-")).sorted().toList(), names);
        VAULT.listPropertiesOfSecrets().iterableByPage().forEach(page -> same(page.getValue().size() <= 25, true));
    }

    private static void deleteAndPoll() {
        VAULT.setSecret("Java-Delete", "v");
        var deleted = delete("Java-Delete");
        same(deleted.getDeletedOn() != null && deleted.getScheduledPurgeDate() != null, true);
        same(VAULT.getDeletedSecret("java-delete").getName(), "Java-Delete");
        var words = "A secret with (name/id) Java-Delete was not found in this key vault.";
        refused(() -> VAULT.getSecret("Java-Delete"), 404, words);
    }

    private static void nameTaken() {
        var words = "Secret Java-Delete is currently in a deleted but recoverable state";
        refused(() -> VAULT.setSecret("Java-Delete", "v"), 409, words);
    }

    private static void deletedSecrets() {
        same(VAULT.listDeletedSecrets().stream().anyMatch(each -> each.getName().equals("Java-Delete")), true);
        refused(() -> VAULT.getDeletedSecret("java-none"), 404, "Deleted Secret not found: java-none");
    }

    private static void recoverAndPoll() {
        var poller = VAULT.beginRecoverDeletedSecret("java-delete").setPollInterval(Duration.ofMillis(50));
        poller.waitForCompletion();
        same(VAULT.getSecret("java-delete").getValue(), "v");
    }

    private static void purge() {
        delete("java-delete");
        VAULT.purgeDeletedSecret("java-delete");
        refused(() -> VAULT.getDeletedSecret("java-delete"), 404, "Deleted Secret not found: java-delete");
    }

    private static void backupAndRestore() {
        var first = VAULT.setSecret("java-backup", "1").getProperties().getVersion();
        VAULT.setSecret("java-backup", "2");
        byte[] backup = VAULT.backupSecret("java-backup");
        delete("java-backup");
        VAULT.purgeDeletedSecret("java-backup");
        same(VAULT.restoreSecretBackup(backup).getName(), "java-backup");
        same(VAULT.getSecret("java-backup", first).getValue(), "1");
        refused(() -> VAULT.restoreSecretBackup(new byte[40]), 400, "Backup blob is corrupt.");
    }

    private static void notThere() {
        refused(() -> VAULT.getSecret("java-none"), 404, "java-none was not found in this key vault.");
        refused(() -> VAULT.getSecret("java-first", "0".repeat(32)), 404, "was not found in this key vault.");
        same(VAULT.listPropertiesOfSecretVersions("java-none").stream().count(), 0L);
    }

    private static void stranger() {
        var stranger = client(ENVIRON.get("STRANGER_ID"), ENVIRON.get("STRANGER_SECRET"));
        var words = "Caller is not authorized to perform action on resource.";
        refused(() -> stranger.getSecret("java-first"), 403, words);
        refused(() -> stranger.setSecret("java-first", "v"), 403, words);
        refused(() -> stranger.listPropertiesOfSecrets().stream().count(), 403, words);
    }

    private static void wrongSecret() {
        try {
            client(ENVIRON.get("AZURE_CLIENT_ID"), "wrong").getSecret("java-first");
        } catch (RuntimeException error) {
            same(error.toString().contains("7000215"), true);
            return;
        }
        throw new AssertionError("it was let in");
    }

    private static boolean passes(String name, Runnable check) {
        try {
            check.run();
        } catch (RuntimeException | AssertionError failure) {
            System.out.println("FAILED " + name + ": " + failure);
            return false;
        }
        System.out.println("ok " + name);
        return true;
    }

    public static void main(String[] arguments) {
        Map<String, Runnable> checks = new LinkedHashMap<>();
        checks.put("set and get", Conformance::setAndGet);
        checks.put("any text is a value", Conformance::anyText);
        checks.put("versions, and a pinned one", Conformance::versions);
        checks.put("an update", Conformance::update);
        checks.put("15 tags", Conformance::fifteenTags);
        checks.put("an empty map of tags", Conformance::noTags);
        checks.put("dates", Conformance::dates);
        checks.put("a disabled secret", Conformance::disabled);
        checks.put("a listing in pages", Conformance::pages);
        checks.put("delete and poll", Conformance::deleteAndPoll);
        checks.put("the name of a deleted secret", Conformance::nameTaken);
        checks.put("deleted secrets", Conformance::deletedSecrets);
        checks.put("recover and poll", Conformance::recoverAndPoll);
        checks.put("purge", Conformance::purge);
        checks.put("backup and restore", Conformance::backupAndRestore);
        checks.put("what is not there", Conformance::notThere);
        checks.put("whoever may nothing", Conformance::stranger);
        checks.put("a wrong client secret", Conformance::wrongSecret);
        var failed = checks.entrySet().stream().filter(each -> !passes(each.getKey(), each.getValue())).count();
        System.exit(failed == 0 ? 0 : 1);
    }
}

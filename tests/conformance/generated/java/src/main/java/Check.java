import java.io.ByteArrayInputStream;
import java.net.http.HttpClient;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Map;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.AccessApi;
import org.openapitools.client.api.AuditApi;
import org.openapitools.client.api.DeletionAndBackupApi;
import org.openapitools.client.api.SecretsApi;
import org.openapitools.client.model.Permission;
import org.openapitools.client.model.Problem;
import org.openapitools.client.model.PutGrant;
import org.openapitools.client.model.SecretDocument;
import org.openapitools.client.model.SetSecret;
import org.openapitools.client.model.Source;
import org.openapitools.client.model.State;
import org.openapitools.client.model.UpdateSecret;

/** A client generated from the description. Prints a line for each thing that works. */
public final class Check {
    private static SSLContext trusted() throws Exception {
        var ca = Files.readAllBytes(Path.of(System.getenv("HOLDFAST_CA")));
        var store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        store.setCertificateEntry(
            "ca", CertificateFactory.getInstance("X.509").generateCertificate(new ByteArrayInputStream(ca)));
        var managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        managers.init(store);
        var context = SSLContext.getInstance("TLS");
        context.init(null, managers.getTrustManagers(), null);
        return context;
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    public static void main(String[] arguments) throws Exception {
        var client = new ApiClient();
        client.updateBaseUri(System.getenv("HOLDFAST_ADDR"));
        client.setHttpClientBuilder(HttpClient.newBuilder().sslContext(trusted()));
        var token = "Bearer " + System.getenv("HOLDFAST_TOKEN");
        client.setRequestInterceptor(request -> request.header("Authorization", token));

        var secrets = new SecretsApi(client);
        var written = secrets.setSecret("gen-java", new SetSecret().value("välue"), null, null, null, null);
        var secret = secrets.getSecret("gen-java", null, null);
        check(secret.getValue().equals("välue") && secret.getVersion().equals(written.getVersion()), "not what was set");
        System.out.println("ok set and get");

        var expires = OffsetDateTime.parse("2099-01-01T00:00:00Z");
        var changes = new UpdateSecret().expiresAt(expires).tags(Map.of("team", "payments"));
        secrets.updateSecret("gen-java", changes, null, null);
        secret = secrets.getSecret("gen-java", null, null);
        check(secret.getExpiresAt().isEqual(expires), "another date");
        check(secret.getTags().get("team").equals("payments"), "another tag");
        System.out.println("ok an update");

        var rule = new PutGrant().pattern("gen-*").userId("somebody").permissions(List.of(Permission.PERMISSION_GET));
        var granted = new AccessApi(client).putGrant(rule, null);
        check(granted.getPermissions().equals(List.of(Permission.PERMISSION_GET)), "another permission");
        System.out.println("ok an enum");

        try {
            secrets.getSecret("gen-none", null, null);
        } catch (ApiException refusal) {
            var problem = ApiClient.createDefaultObjectMapper().readValue(refusal.getResponseBody(), Problem.class);
            check(problem.getCode().equals("secret_not_found"), "another problem");
            System.out.println("ok a refusal");
        }

        var lines = new AuditApi(client).exportAudit(null, null, null);
        check(Files.readString(lines.toPath()).contains("gen-java"), "not in the trail");
        lines.delete();
        System.out.println("ok lines of the audit trail");

        var deleted = new DeletionAndBackupApi(client).deleteSecret("gen-java", null);
        check(deleted.getState() == State.STATE_DELETED, "not deleted");
        System.out.println("ok delete");

        var mapper = ApiClient.createDefaultObjectMapper();
        var later = mapper.valueToTree(secret).toString().replaceFirst("\\{", "{\"more\": [1],");
        later = later.replaceFirst("\"source\":\"\\w+\"", "\"source\":\"elsewhere\"");
        var read = mapper.readValue(later, SecretDocument.class);
        check(read.getValue().equals("välue"), "another value");
        check(read.getSource() == Source.UNKNOWN_DEFAULT_OPEN_API, "not unknown");
        System.out.println("ok a later answer");
    }
}

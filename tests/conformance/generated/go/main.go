// A client generated from the description. Prints a line for each thing that works.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"conformance/holdfast"
)

var (
	ctx = context.WithValue(context.Background(), openapi.ContextAccessToken, os.Getenv("HOLDFAST_TOKEN"))
	api = client()
)

func client() *openapi.APIClient {
	roots := x509.NewCertPool()
	check(roots.AppendCertsFromPEM(must(os.ReadFile(os.Getenv("HOLDFAST_CA")))))
	configuration := openapi.NewConfiguration()
	configuration.Servers = openapi.ServerConfigurations{{URL: os.Getenv("HOLDFAST_ADDR")}}
	configuration.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	return openapi.NewAPIClient(configuration)
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func answer[T any](value T, _ *http.Response, err error) T {
	return must(value, err)
}

func check(holds bool, what ...any) {
	if !holds {
		panic(fmt.Sprint(what...))
	}
}

func main() {
	written := answer(api.SecretsAPI.SetSecret(ctx, "gen-go").SetSecret(*openapi.NewSetSecret("välue")).Execute())
	secret := answer(api.SecretsAPI.GetSecret(ctx, "gen-go").Execute())
	check(secret.Value == "välue" && secret.Version == written.Version, "not what was set")
	fmt.Println("ok set and get")

	expires := time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	changes := openapi.NewUpdateSecret()
	changes.SetExpiresAt(expires)
	changes.SetTags(map[string]string{"team": "payments"})
	answer(api.SecretsAPI.UpdateSecret(ctx, "gen-go").UpdateSecret(*changes).Execute())
	secret = answer(api.SecretsAPI.GetSecret(ctx, "gen-go").Execute())
	check(secret.ExpiresAt.Get().Equal(expires) && secret.Tags["team"] == "payments", "not what was changed")
	fmt.Println("ok an update")

	rule := openapi.NewPutGrant("gen-*", "somebody", []openapi.Permission{openapi.PERMISSION_GET})
	grant := answer(api.AccessAPI.PutGrant(ctx).PutGrant(*rule).Execute())
	check(grant.Permissions[0] == openapi.PERMISSION_GET, "another permission")
	fmt.Println("ok an enum")

	_, _, err := api.SecretsAPI.GetSecret(ctx, "gen-none").Execute()
	var refusal *openapi.GenericOpenAPIError
	check(errors.As(err, &refusal), "no refusal: ", err)
	problem := refusal.Model().(openapi.Problem)
	check(problem.Code == "secret_not_found" && problem.Status == 404, "another problem: ", problem.Code)
	fmt.Println("ok a refusal")

	lines := answer(api.AuditAPI.ExportAudit(ctx).Execute())
	defer os.Remove(lines.Name())
	check(strings.Contains(string(must(os.ReadFile(lines.Name()))), "gen-go"), "not in the trail")
	fmt.Println("ok lines of the audit trail")

	deleted := answer(api.DeletionAndBackupAPI.DeleteSecret(ctx, "gen-go").Execute())
	check(*deleted.State == openapi.STATE_DELETED, "not deleted")
	fmt.Println("ok delete")

	later := map[string]any{}
	check(json.Unmarshal(must(json.Marshal(secret)), &later) == nil)
	later["source"], later["more"] = "elsewhere", []int{1}
	var read openapi.SecretDocument
	check(json.Unmarshal(must(json.Marshal(later)), &read) == nil && read.Value == "välue", "a later answer is refused")
	check(read.Source == openapi.SOURCE_UNKNOWN_DEFAULT_OPEN_API, "not unknown: ", read.Source)
	fmt.Println("ok a later answer")
}

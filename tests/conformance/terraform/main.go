// What Terraform's provider azurerm does before it reads a secret, by the package that it does it with. The provider
// itself, and the package with all of the resource manager's calls, are too large to be built here.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/go-azure-sdk/sdk/auth"
	"github.com/hashicorp/go-azure-sdk/sdk/claims"
	"github.com/hashicorp/go-azure-sdk/sdk/environments"
	"golang.org/x/oauth2"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func check(name string, holds bool) {
	if !holds {
		panic(name)
	}
	fmt.Println("ok", name)
}

func get(address string, token *oauth2.Token, into any) {
	request := must(http.NewRequest(http.MethodGet, address, nil))
	token.SetAuthHeader(request)
	answer := must(http.DefaultClient.Do(request))
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		panic(address + " " + answer.Status)
	}
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
		panic(err)
	}
}

func main() {
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	cloud := must(environments.FromEndpoint(ctx, os.Getenv("VAULT_URL")))
	check("finds the cloud", cloud.Name == "Holdfast" && !cloud.IsAzureStack())

	credentials := auth.Credentials{
		Environment:  *cloud,
		TenantID:     os.Getenv("AZURE_TENANT_ID"),
		ClientID:     os.Getenv("AZURE_CLIENT_ID"),
		ClientSecret: os.Getenv("AZURE_CLIENT_SECRET"),

		EnableAuthenticatingUsingClientSecret: true,
	}
	tokens := map[string]*oauth2.Token{}
	for _, api := range []environments.Api{cloud.ResourceManager, cloud.MicrosoftGraph, cloud.KeyVault} {
		authorizer := must(auth.NewAuthorizerFromCredentials(ctx, credentials, api))
		tokens[api.Name()] = must(authorizer.Token(ctx, &http.Request{}))
	}
	said := must(claims.ParseClaims(tokens[cloud.MicrosoftGraph.Name()]))
	check("gets its tokens", said.ObjectId != "" && said.AppId == os.Getenv("AZURE_CLIENT_ID"))

	manager, _ := cloud.ResourceManager.Endpoint()
	subscription := *manager + "/subscriptions/" + said.TenantId
	filter := "?api-version=2015-11-01&%24filter=resourceType+eq+%27Microsoft.KeyVault%2Fvaults%27"
	var resources struct {
		Value []struct{ Id string }
	}
	get(subscription+"/resources"+filter, tokens[cloud.ResourceManager.Name()], &resources)
	var vault struct {
		Properties struct{ VaultUri string }
	}
	address := *manager + resources.Value[0].Id + "?api-version=2026-02-01"
	get(address, tokens[cloud.ResourceManager.Name()], &vault)
	check("finds the vault", strings.TrimSuffix(vault.Properties.VaultUri, "/") == os.Getenv("VAULT_URL"))

	var secret struct{ Value string }
	get(vault.Properties.VaultUri+"secrets/seed?api-version=7.4", tokens[cloud.KeyVault.Name()], &secret)
	check("reads", secret.Value == "a value from the vault")
}

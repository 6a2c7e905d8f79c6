// A program whose credential is found in its environment. Prints a line for each thing that works.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

var ctx = context.Background()

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

func main() {
	credential := must(azidentity.NewDefaultAzureCredential(nil))
	vault := must(azsecrets.NewClient(os.Getenv("VAULT_URL"), credential, nil))
	check("reads", *must(vault.GetSecret(ctx, "seed", "", nil)).Value == "a value from the vault")
	value := "Go"
	must(vault.SetSecret(ctx, "set-by-go", azsecrets.SetSecretParameters{Value: &value}, nil))
	check("writes", *must(vault.GetSecret(ctx, "set-by-go", "", nil)).Value == value)
	_, err := vault.GetSecret(ctx, "none", "", nil)
	var answer *azcore.ResponseError
	check("misses", errors.As(err, &answer) && answer.StatusCode == 404 && answer.ErrorCode == "SecretNotFound")
}

// Azure's Go SDK through its whole surface for secrets. Prints a line for each thing that works.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

var (
	ctx   = context.Background()
	vault = client(os.Getenv("AZURE_CLIENT_ID"), os.Getenv("AZURE_CLIENT_SECRET"))
)

func client(id, secret string) *azsecrets.Client {
	options := azidentity.ClientSecretCredentialOptions{DisableInstanceDiscovery: true}
	options.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: os.Getenv("AZURE_AUTHORITY_HOST")}
	credential := must(azidentity.NewClientSecretCredential(os.Getenv("AZURE_TENANT_ID"), id, secret, &options))
	return must(azsecrets.NewClient(os.Getenv("VAULT_URL"), credential, nil))
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func check(holds bool, what ...any) {
	if !holds {
		panic(fmt.Sprint(what...))
	}
}

func refused[T any](_ T, err error) func(status int, code string, words string) {
	return func(status int, code string, words string) {
		var answer *azcore.ResponseError
		check(errors.As(err, &answer), "no refusal: ", err)
		check(answer.StatusCode == status && answer.ErrorCode == code, "refused otherwise: ", err)
		check(strings.Contains(err.Error(), words), "refused in other words: ", err)
	}
}

func set(name, value string) azsecrets.SetSecretResponse {
	return must(vault.SetSecret(ctx, name, azsecrets.SetSecretParameters{Value: &value}, nil))
}

func get(name, version string) azsecrets.GetSecretResponse {
	return must(vault.GetSecret(ctx, name, version, nil))
}

// Deletes, and waits until the deleted secret is there, as the SDK's own examples do.
func remove(name string) azsecrets.DeleteSecretResponse {
	deleted := must(vault.DeleteSecret(ctx, name, nil))
	await(func() error { _, err := vault.GetDeletedSecret(ctx, name, nil); return err })
	return deleted
}

func await(look func() error) {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if err := look(); err == nil {
			return
		} else if time.Now().After(deadline) {
			panic(err)
		}
	}
}

func names(listed *azsecrets.ListSecretPropertiesOptions) []string {
	var found []string
	for pager := vault.NewListSecretPropertiesPager(listed); pager.More(); {
		page := must(pager.NextPage(ctx))
		check(len(page.Value) <= 25, "a page of ", len(page.Value))
		for _, each := range page.Value {
			found = append(found, each.ID.Name())
		}
	}
	return found
}

func setAndGet() {
	parameters := azsecrets.SetSecretParameters{
		Value: to.Ptr("one"), ContentType: to.Ptr("text/plain"), Tags: map[string]*string{"team": to.Ptr("core")},
	}
	made := must(vault.SetSecret(ctx, "Go-First", parameters, nil))
	found := get("go-first", "")
	check(*found.Value == "one" && *found.ContentType == "text/plain" && *found.Tags["team"] == "core", found)
	check(*found.ID == *made.ID && found.ID.Name() == "Go-First", found.ID)
}

func anyText() {
	for _, value := range []string{"", "ünï \U0001F600 \x00 \n \"\\", strings.Repeat("x", 25600)} {
		set("go-text", value)
		check(*get("go-text", "").Value == value, "another value")
	}
}

func versions() {
	first, second := set("go-versions", "1"), set("go-versions", "2")
	check(*get("go-versions", first.ID.Version()).Value == "1", "another version")
	var listed []string
	for pager := vault.NewListSecretPropertiesVersionsPager("go-versions", nil); pager.More(); {
		for _, each := range must(pager.NextPage(ctx)).Value {
			listed = append(listed, each.ID.Version())
		}
	}
	wanted := []string{first.ID.Version(), second.ID.Version()}
	slices.Sort(listed)
	slices.Sort(wanted)
	check(slices.Equal(listed, wanted), listed)
}

func update() {
	made := set("go-update", "v")
	expires := time.Date(2099, 12, 31, 0, 0, 0, 0, time.UTC)
	change := azsecrets.UpdateSecretPropertiesParameters{
		ContentType: to.Ptr("b"), SecretAttributes: &azsecrets.SecretAttributes{Expires: &expires},
	}
	must(vault.UpdateSecretProperties(ctx, "go-update", made.ID.Version(), change, nil))
	found := get("go-update", "")
	check(*found.ContentType == "b" && found.Attributes.Expires.Equal(expires) && *found.ID == *made.ID, found)
}

func fifteenTags() {
	tags := map[string]*string{}
	for n := range 15 {
		tags[fmt.Sprint("k", n)] = to.Ptr(fmt.Sprint("v", n))
	}
	must(vault.SetSecret(ctx, "go-tags", azsecrets.SetSecretParameters{Value: to.Ptr("v"), Tags: tags}, nil))
	check(len(get("go-tags", "").Tags) == 15, "other tags")
}

func noTags() {
	parameters := azsecrets.SetSecretParameters{Value: to.Ptr("v"), Tags: map[string]*string{}}
	must(vault.SetSecret(ctx, "go-no-tags", parameters, nil))
	found := get("go-no-tags", "").Tags
	check(found != nil && len(found) == 0, "tags: ", found)
}

func dates() {
	begins, ends := time.Unix(1577836800, 0), time.Unix(4102444800, 0)
	attributes := azsecrets.SecretAttributes{NotBefore: &begins, Expires: &ends}
	parameters := azsecrets.SetSecretParameters{Value: to.Ptr("v"), SecretAttributes: &attributes}
	must(vault.SetSecret(ctx, "go-dates", parameters, nil))
	found := get("go-dates", "").Attributes
	check(found.NotBefore.Equal(begins) && found.Expires.Equal(ends), found)
	check(!found.Created.IsZero() && !found.Updated.IsZero(), found)
}

func disabled() {
	off := azsecrets.SetSecretParameters{
		Value: to.Ptr("v"), SecretAttributes: &azsecrets.SecretAttributes{Enabled: to.Ptr(false)},
	}
	must(vault.SetSecret(ctx, "go-disabled", off, nil))
	refused(vault.GetSecret(ctx, "go-disabled", "", nil))(403, "Forbidden", "Operation get is not allowed on a disabled")
	on := azsecrets.UpdateSecretPropertiesParameters{
		SecretAttributes: &azsecrets.SecretAttributes{Enabled: to.Ptr(true)},
	}
	must(vault.UpdateSecretProperties(ctx, "go-disabled", "", on, nil))
	check(*get("go-disabled", "").Value == "v", "another value")
}

func pages() {
	var made []string
	for n := range 27 {
		made = append(made, fmt.Sprint("go-page-", n))
		set(made[n], "v")
	}
	listed := slices.DeleteFunc(names(nil), func(name string) bool { return !strings.HasPrefix(name, "go-page-") })
	slices.Sort(listed)
	slices.Sort(made)
	check(slices.Equal(listed, made), listed)
}

func deleteAndPoll() {
	set("Go-Delete", "v")
	deleted := remove("go-delete")
	check(deleted.DeletedDate != nil && deleted.ScheduledPurgeDate != nil && deleted.RecoveryID != nil, deleted)
	words := "A secret with (name/id) Go-Delete was not found in this key vault."
	refused(vault.GetSecret(ctx, "Go-Delete", "", nil))(404, "SecretNotFound", words)
}

func nameTaken() {
	parameters := azsecrets.SetSecretParameters{Value: to.Ptr("v")}
	words := "Secret Go-Delete is currently in a deleted but recoverable state"
	refused(vault.SetSecret(ctx, "Go-Delete", parameters, nil))(409, "Conflict", words)
}

func deletedSecrets() {
	var listed []string
	for pager := vault.NewListDeletedSecretPropertiesPager(nil); pager.More(); {
		for _, each := range must(pager.NextPage(ctx)).Value {
			listed = append(listed, each.ID.Name())
		}
	}
	check(slices.Contains(listed, "Go-Delete"), listed)
	_, err := vault.GetDeletedSecret(ctx, "go-none", nil)
	refused(0, err)(404, "SecretNotFound", "Deleted Secret not found: go-none")
}

func recoverAndPoll() {
	must(vault.RecoverDeletedSecret(ctx, "go-delete", nil))
	await(func() error { _, err := vault.GetSecret(ctx, "go-delete", "", nil); return err })
	check(*get("go-delete", "").Value == "v", "another value")
}

func purge() {
	remove("go-delete")
	must(vault.PurgeDeletedSecret(ctx, "go-delete", nil))
	refused(vault.GetDeletedSecret(ctx, "go-delete", nil))(404, "SecretNotFound", "Deleted Secret not found: go-delete")
}

func backupAndRestore() {
	first := set("go-backup", "1")
	set("go-backup", "2")
	backup := must(vault.BackupSecret(ctx, "go-backup", nil))
	remove("go-backup")
	must(vault.PurgeDeletedSecret(ctx, "go-backup", nil))
	must(vault.RestoreSecret(ctx, azsecrets.RestoreSecretParameters{SecretBackup: backup.Value}, nil))
	check(*get("go-backup", first.ID.Version()).Value == "1", "another value")
	broken := azsecrets.RestoreSecretParameters{SecretBackup: make([]byte, 40)}
	refused(vault.RestoreSecret(ctx, broken, nil))(400, "Malformed backup blob", "Backup blob is corrupt.")
}

func notThere() {
	refused(vault.GetSecret(ctx, "go-none", "", nil))(404, "SecretNotFound", "go-none was not found in this key vault.")
	refused(vault.GetSecret(ctx, "go-first", strings.Repeat("0", 32), nil))(404, "SecretNotFound", "was not found")
	page := must(vault.NewListSecretPropertiesVersionsPager("go-none", nil).NextPage(ctx))
	check(len(page.Value) == 0, page)
}

func stranger() {
	stranger := client(os.Getenv("STRANGER_ID"), os.Getenv("STRANGER_SECRET"))
	words := "Caller is not authorized to perform action on resource."
	refused(stranger.GetSecret(ctx, "go-first", "", nil))(403, "Forbidden", words)
	refused(stranger.SetSecret(ctx, "go-first", azsecrets.SetSecretParameters{Value: to.Ptr("v")}, nil))(403, "Forbidden", words)
	refused(stranger.NewListSecretPropertiesPager(nil).NextPage(ctx))(403, "Forbidden", words)
}

func wrongSecret() {
	_, err := client(os.Getenv("AZURE_CLIENT_ID"), "wrong").GetSecret(ctx, "go-first", "", nil)
	var failed *azidentity.AuthenticationFailedError
	check(errors.As(err, &failed) && strings.Contains(err.Error(), "7000215"), err)
}

// Runs one check, and says how it ended.
func try(name string, run func()) (failed bool) {
	defer func() {
		if why := recover(); why != nil {
			fmt.Println("FAILED", name+":", why)
			failed = true
		}
	}()
	run()
	fmt.Println("ok", name)
	return false
}

func main() {
	failed := false
	for _, each := range []struct {
		name string
		run  func()
	}{
		{"set and get", setAndGet},
		{"any text is a value", anyText},
		{"versions, and a pinned one", versions},
		{"an update", update},
		{"15 tags", fifteenTags},
		{"an empty map of tags", noTags},
		{"dates", dates},
		{"a disabled secret", disabled},
		{"a listing in pages", pages},
		{"delete and poll", deleteAndPoll},
		{"the name of a deleted secret", nameTaken},
		{"deleted secrets", deletedSecrets},
		{"recover and poll", recoverAndPoll},
		{"purge", purge},
		{"backup and restore", backupAndRestore},
		{"what is not there", notThere},
		{"whoever may nothing", stranger},
		{"a wrong client secret", wrongSecret},
	} {
		failed = try(each.name, each.run) || failed
	}
	if failed {
		os.Exit(1)
	}
}

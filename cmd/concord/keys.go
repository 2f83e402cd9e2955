package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/web"
)

func (a *app) keys() *cobra.Command {
	return a.clientFlags(group(&cobra.Command{
		Use:   "key",
		Short: "Make, list and revoke keys of the API",
		Long: `Make, list and revoke keys of the API. A service gets the role service; people get viewer, operator, resolver
or admin, each of which has the rights of those before it. The token is shown once, when the key is made; commands take
it from the environment variable CONCORD_TOKEN.`,
	}, a.keyCreate(), a.keyList(), a.keyRevoke()))
}

func (a *app) keyCreate() *cobra.Command {
	var body web.KeyRequest
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a key and show its token, once",
		Example: `  concord key create shop --role service --application shop
  concord key create kim --role operator --reason "on call"`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] == "" {
				return fmt.Errorf("name one key: %s NAME", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			body.Name = args[0]
			var key web.NewKeyView
			raw, err := a.call(cmd.Context(), http.MethodPost, "/keys", body, &key)
			if err != nil || a.output == "json" {
				return orPrint(a, raw, err)
			}
			_, err = fmt.Fprintf(a.stdout, "Key %s (%s) with %s is made. Its token is shown this once:\n\n%s\n", key.Name,
				key.ID, strings.Join(key.Roles, ", "), key.Token)
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&body.Roles, "role", nil, "what it may do: service, viewer, operator, resolver or admin")
	flags.StringSliceVar(&body.Applications, "application", nil, "only transactions of these applications")
	flags.StringSliceVar(&body.Groups, "group", nil, "only transactions of these groups")
	flags.StringVar(&body.Note, "note", "", "for people")
	flags.StringVar(&body.ExpiresAt, "expires", "", "when it ends, such as 2030-01-31T12:00:00Z; never if absent")
	flags.StringVar(&body.Reason, "reason", "", "why; it is kept in the journal")
	return cmd
}

func (a *app) keyList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the keys", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var page web.Page[web.KeyView]
			raw, err := a.get(cmd.Context(), "/keys", nil, &page)
			if err != nil || a.output == "json" {
				return orPrint(a, raw, err)
			}
			header := "KEY\tNAME\tROLES\tAPPLICATIONS\tEXPIRES\tLAST USED\tMADE BY"
			return a.table("There is no key.", header, len(page.Items), func(w io.Writer, i int) {
				k := &page.Items[i]
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, strings.Join(k.Roles, ","),
					dash(strings.Join(k.Applications, ",")), dash(k.ExpiresAt), dash(ago(k.LastUsedAt)), k.CreatedBy)
			})
		},
	}
}

func (a *app) keyRevoke() *cobra.Command {
	return &cobra.Command{
		Use: "revoke KEY", Short: "End a key, at once and for ever", Example: "  concord key revoke 7f3c",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] == "" {
				return fmt.Errorf("name one key by its id: %s KEY", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var key web.KeyView
			raw, err := a.call(cmd.Context(), http.MethodDelete, "/keys/"+url.PathEscape(args[0]), nil, &key)
			if err != nil || a.output == "json" {
				return orPrint(a, raw, err)
			}
			_, err = fmt.Fprintf(a.stdout, "Key %s (%s) is revoked.\n", key.Name, key.ID)
			return err
		},
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/web"
)

// asked reports whether an answer says that a second person is needed, and says so then.
func (a *app) asked(raw json.RawMessage) (bool, error) {
	var answer web.AskedView
	if json.Unmarshal(raw, &answer) != nil || answer.Approval.ID == "" {
		return false, nil
	}
	if a.output == "json" {
		return true, a.printJSON(raw)
	}
	x := &answer.Approval
	_, err := fmt.Fprintf(a.stdout, "Nothing is done yet: %s needs a second person, until %s. Another resolver does it "+
		"with:\n  concord approval approve %s --reason \"...\"\n", x.Action, x.ExpiresAt, x.ID)
	return true, err
}

func (a *app) approvals() *cobra.Command {
	return a.clientFlags(group(&cobra.Command{
		Use:   "approval",
		Short: "Approve or reject what needs two people",
		Long: `Approve or reject what needs two people: the operations that the setting access.fourEyes names. One person
asks, as in "concord tx skip"; another one approves the same plan within an hour, and it is carried out.`,
	}, a.approvalList(), a.approvalShow(),
		a.approvalAnswer("approve", "Approve what somebody else asked for; it is done at once"),
		a.approvalAnswer("reject", "Reject what somebody asked for, or take back your own request")))
}

func (a *app) approvalList() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "list", Short: "List what waits for a second person, newest first", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			query := url.Values{"state": {string(web.ApprovalPending)}}
			if all {
				query = url.Values{}
			}
			var found web.Page[web.Approval]
			for {
				var page web.Page[web.Approval]
				if _, err := a.get(cmd.Context(), "/approvals", query, &page); err != nil {
					return err
				}
				found.Items = append(found.Items, page.Items...)
				if page.Next == "" {
					break
				}
				query.Set("cursor", page.Next)
			}
			if a.output == "json" {
				return a.printValue(found)
			}
			header := "APPROVAL\tSTATE\tACTION\tOF\tASKED BY\tREASON\tANSWERED BY\tUNTIL"
			return a.table("Nothing waits for a second person.", header, len(found.Items), func(w io.Writer, i int) {
				x := &found.Items[i]
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.ID, x.State, x.Action, subject(x), x.Asker,
					x.Reason, dash(x.Answerer), x.ExpiresAt)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "also what was answered, and what nobody came for")
	return cmd
}

// subject says what an approval is about.
func subject(x *web.Approval) string {
	switch {
	case x.Branch != "":
		return x.XID + " branch " + x.Branch
	case x.XID != "":
		return x.XID
	case x.Job != "":
		return "job " + x.Job
	case x.Letter != "":
		return fmt.Sprintf("dead letter %s of %s", x.Letter, x.Group)
	}
	return "group " + x.Group
}

func oneApproval(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return fmt.Errorf("name one approval: %s APPROVAL", cmd.CommandPath())
	}
	return nil
}

func (a *app) approvalShow() *cobra.Command {
	return &cobra.Command{
		Use: "show APPROVAL", Short: "Show who asks for what, and what would be done", Args: oneApproval,
		RunE: func(cmd *cobra.Command, args []string) error {
			var x web.Approval
			raw, err := a.get(cmd.Context(), "/approvals/"+url.PathEscape(args[0]), nil, &x)
			if err != nil || a.output == "json" {
				return orPrint(a, raw, err)
			}
			return a.drawApproval(a.stdout, &x)
		},
	}
}

// drawApproval says in words who asks for what.
func (a *app) drawApproval(w io.Writer, x *web.Approval) error {
	_, err := fmt.Fprintf(w, "%s of %s is %s. %s asks: %s\n", x.Action, subject(x), x.State, x.Asker, x.Reason)
	if err == nil && x.Answerer != "" {
		_, err = fmt.Fprintf(w, "%s says: %s\n", x.Answerer, x.AnswerReason)
	}
	if err == nil && x.Detail != "" {
		_, err = fmt.Fprintln(w, x.Detail)
	}
	if err != nil || x.Plan == nil {
		return err
	}
	return a.drawPlan(w, x.Plan)
}

func (a *app) approvalAnswer(verb, short string) *cobra.Command {
	var reason string
	var yes bool
	cmd := &cobra.Command{
		Use: verb + " APPROVAL", Short: short, Args: oneApproval,
		Example: "  concord approval " + verb + ` 1700000000000-abcdefgh --reason "looked at the ledger"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if reason == "" {
				return usageError{fmt.Errorf("say why with --reason; it is kept in the journal")}
			}
			path := "/approvals/" + url.PathEscape(args[0])
			var x web.Approval
			if _, err := a.get(cmd.Context(), path, nil, &x); err != nil {
				return err
			}
			if !yes && x.State == web.ApprovalPending {
				if err := a.drawApproval(a.stderr, &x); err != nil {
					return err
				}
				if err := a.confirm(cmd.InOrStdin()); err != nil {
					return err
				}
			}
			body := map[string]string{"digest": x.Digest, "reason": reason}
			raw, err := a.call(cmd.Context(), http.MethodPost, path+"/"+verb, body, &x)
			if err != nil || a.output == "json" {
				return orPrint(a, raw, err)
			}
			return a.drawApproval(a.stdout, &x)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; it is kept in the journal")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

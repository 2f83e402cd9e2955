package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/web"
)

// deadLetters are the commands for what consumer groups have failed to handle too often.
func (a *app) deadLetters() *cobra.Command {
	return group(&cobra.Command{
		Use:   "deadletters",
		Short: "Look at, replay and discard what consumers have failed to handle too often",
		Long: `Look at dead letters, the messages that a consumer group has failed to handle too often, give one to its group
again, or discard it. It is the same whether Concord keeps the events itself or they are on RocketMQ.`,
		Example: `  concord decisions deadletters groups
  concord decisions deadletters list mail
  concord decisions deadletters show mail 17
  concord decisions deadletters replay mail 17 --reason "the mail server is back"
  concord decisions deadletters discard mail 18 --reason "the customer is gone"`,
	}, a.letterGroups(), a.letterList(), a.letterShow(), a.letterReplay(), a.letterDiscard())
}

func (a *app) letterGroups() *cobra.Command {
	return &cobra.Command{
		Use: "groups", Short: "Show the consumer groups and how many dead letters each has", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var page web.Page[web.LetterGroup]
			raw, err := a.get(cmd.Context(), "/events/deadletters", nil, &page)
			if err != nil || a.output == "json" {
				return orPrint(a, raw, err)
			}
			return a.table("There is no consumer group.", "GROUP\tDEAD LETTERS", len(page.Items), func(w io.Writer, i int) {
				g := &page.Items[i]
				about := ""
				switch {
				case g.More:
					about = " or more"
				case g.AtMost:
					about = " at most"
				}
				_, _ = fmt.Fprintf(w, "%s\t%d%s\n", g.Group, g.Letters, about)
			})
		},
	}
}

// letterArgs checks that there are a group and perhaps a letter.
func letterArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return fmt.Errorf("%s takes %v", cmd.CommandPath(), names)
		}
		return nil
	}
}

// lettersOf is the path of a group's dead letters.
func lettersOf(group string) string {
	return "/events/groups/" + url.PathEscape(group) + "/deadletters"
}

func (a *app) letterList() *cobra.Command {
	var limit int
	var cursor string
	cmd := &cobra.Command{
		Use: "list GROUP", Short: "List the dead letters of a consumer group, oldest first", Args: letterArgs("GROUP"),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := url.Values{}
			if cursor != "" {
				q.Set("cursor", cursor)
			}
			page, err := pages[web.EventLetter](cmd.Context(), a, lettersOf(args[0]), q, limit)
			if err != nil {
				return err
			}
			return a.showList(cmd, page, func(any) error {
				header := "ID\tFAILED\tATTEMPTS\tTOPIC\tORIGIN\tEVENTS\tREASON"
				return a.table("It has no dead letter.", header, len(page.Items), func(w io.Writer, i int) {
					l := &page.Items[i]
					_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", l.ID, l.FailedAt, l.Attempts, l.Topic,
						originOf(l.Origin), subjectsOf(l.Event), dash(l.Reason))
				})
			})
		},
	}
	pageFlags(cmd, &limit, &cursor)
	return cmd
}

// originOf says where the original of a dead letter is.
func originOf(o *web.LetterOrigin) string {
	if o == nil || !o.Found {
		return "-"
	}
	return fmt.Sprintf("%s queue %d offset %d", o.Broker, o.Queue, o.Offset)
}

// subjectsOf names the transactions of an event, or of a batch.
func subjectsOf(event json.RawMessage) string {
	type subject struct{ Subject string }
	var all []subject
	if json.Unmarshal(event, &all) != nil {
		all = make([]subject, 1)
		_ = json.Unmarshal(event, &all[0]) // what is no event has no subject
	}
	switch {
	case len(all) == 0 || all[0].Subject == "":
		return "-"
	case len(all) > 1:
		return fmt.Sprintf("%s and %d more", all[0].Subject, len(all)-1)
	}
	return all[0].Subject
}

func (a *app) letterShow() *cobra.Command {
	return &cobra.Command{
		Use: "show GROUP ID", Short: "Show one dead letter, as JSON", Args: letterArgs("GROUP", "ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var l web.EventLetter
			raw, err := a.get(cmd.Context(), lettersOf(args[0])+"/"+url.PathEscape(args[1]), nil, &l)
			return orPrint(a, raw, err)
		},
	}
}

func (a *app) letterReplay() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "replay GROUP ID", Short: "Give a dead letter to its group again", Args: letterArgs("GROUP", "ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := lettersOf(args[0]) + "/" + url.PathEscape(args[1]) + "/replay"
			if _, err := a.call(cmd.Context(), http.MethodPost, path, map[string]string{"reason": reason}, nil); err != nil {
				return err
			}
			_, err := fmt.Fprintf(a.stdout, "%s gets dead letter %s again.\n", args[0], args[1])
			return err
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; it is written into the journal")
	return cmd
}

func (a *app) letterDiscard() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "discard GROUP ID", Short: "Have a dead letter never shown again", Args: letterArgs("GROUP", "ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if reason == "" {
				return usageError{errors.New("say why with --reason; it is written into the journal")}
			}
			path := lettersOf(args[0]) + "/" + url.PathEscape(args[1])
			raw, err := a.call(cmd.Context(), http.MethodDelete, path, map[string]string{"reason": reason}, &web.AskedView{})
			if err != nil {
				return err
			}
			if asked, err := a.asked(raw); asked {
				return err
			}
			_, err = fmt.Fprintf(a.stdout, "Dead letter %s of %s is discarded.\n", args[1], args[0])
			return err
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; it is written into the journal")
	return cmd
}

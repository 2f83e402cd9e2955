package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/tc/seata"
)

// mailbox is a resource: it sends a mail when the transaction commits, and forgets it when that is rolled back.
type mailbox struct{}

func (mailbox) ID() string             { return "mailbox" }
func (mailbox) Type() seata.BranchType { return seata.BranchTCC }

func (mailbox) Commit(_ context.Context, b client.Branch) (seata.BranchStatus, error) {
	fmt.Println("send", b.Data)
	return seata.BranchCommitted, nil
}

func (mailbox) Rollback(_ context.Context, b client.Branch) (seata.BranchStatus, error) {
	fmt.Println("forget", b.Data)
	return seata.BranchRollbacked, nil
}

func ExampleOpen() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := client.Open(ctx, client.Options{
		Application: "orders",
		Nodes:       client.Static("tc-1:8091", "tc-2:8091", "tc-3:8091"),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.Serve(ctx, mailbox{}); err != nil {
		log.Fatal(err)
	}
	xid, err := c.Begin(ctx, "welcome", time.Minute) // package tm does all of this
	if err != nil {
		log.Fatal(err)
	}
	if _, err := c.RegisterBranch(ctx, client.Branch{
		XID: xid, Type: seata.BranchTCC, Resource: "mailbox", Data: `{"to": "someone"}`,
	}); err != nil {
		log.Fatal(err)
	}
	status, err := c.Commit(ctx, xid)
	switch {
	case errors.Is(err, client.ErrUnknown):
		fmt.Println("ask c.Status later")
	case err != nil:
		log.Fatal(err)
	}
	fmt.Println(status)
}

func ExampleWithXID() {
	ctx := client.WithXID(context.Background(), "10.0.0.1:8091:42")
	fmt.Println(client.XID(ctx))
	fmt.Printf("%q\n", client.XID(client.WithXID(ctx, "")))
	// Output:
	// 10.0.0.1:8091:42
	// ""
}

package client

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/concord-tx/concord/tc/seata"
)

// Branch is a part of a global transaction.
type Branch struct {
	// XID is the global transaction, "host:port:number".
	XID string
	// ID is what the coordinator calls the branch; 0 before it is registered.
	ID int64
	// Type is the transaction mode.
	Type seata.BranchType
	// Resource is the id of the [Resource] that does the second phase.
	Resource string
	// Locks are the rows that the branch locks, "table:pk1,pk2;table2:pk", for AT; "" locks nothing.
	Locks string
	// Data is application data, JSON by custom, which the second phase gets unchanged. At most 4 MiB.
	Data string
}

// RegisterBranch adds a branch to its global transaction, locks its rows, and returns its id. While rows are locked by
// others the coordinator waits, up to 3 s by default, then the error is an [ErrLocked]; it is an [ErrLockedFailFast]
// at once if they belong to a transaction that rolls back, and an [ErrNotActive] or [ErrNotFound] if the transaction
// cannot be joined. After an [ErrUnknown] the branch may be registered.
func (c *Client) RegisterBranch(ctx context.Context, b Branch) (id int64, err error) {
	_, wait := c.StartBranch(ctx, b)
	return wait()
}

// StartBranch is RegisterBranch in two halves, for who has something to do meanwhile: the request is sent when it
// returns, if that needs no waiting, and wait returns what RegisterBranch would. wait has to be called, once. What is
// done before it is called is no part of Options.RequestTimeout.
//
// A Concord coordinator gives ids ahead to clients that lock rows: likely is the id that the branch has if wait returns
// the same, or 0 if none is known before. It is taken in vain if wait returns another one or an error.
func (c *Client) StartBranch(ctx context.Context, b Branch) (likely int64, wait func() (int64, error)) {
	const op = "register branch"
	if err := b.check(op); err != nil {
		return 0, func() (int64, error) { return 0, err }
	}
	// Merged registrations do not wait for locks at the coordinator, so one with locks travels alone.
	q := question{
		op: op, xid: b.XID, merges: b.Locks == "" && small(b.Data), ahead: b.Locks != "",
		msg: &seata.BranchRegisterRequest{
			XID: b.XID, BranchType: b.Type, ResourceID: b.Resource, LockKey: b.Locks, ApplicationData: b.Data,
		},
	}
	a := c.begin(ctx, q)
	if a != nil {
		likely = a.r.branch
	}
	return likely, func() (int64, error) {
		ctx, cancel := context.WithTimeout(ctx, c.o.RequestTimeout)
		defer cancel()
		reply, err := c.goOn(ctx, q, a)
		if err != nil {
			return 0, err
		}
		m, ok := reply.(*seata.BranchRegisterResponse)
		switch {
		case !ok:
			return 0, unexpected(op, b.XID, reply)
		case m.Failed():
			return 0, refusal(op, b.XID, m.Result)
		}
		return m.BranchID, nil
	}
}

// ReportBranch tells how the first phase of a branch went: seata.BranchPhaseOneFailed takes it out of the transaction.
// Data replaces the application data unless it is empty.
func (c *Client) ReportBranch(ctx context.Context, b Branch, status seata.BranchStatus) error {
	const op = "report branch"
	if err := b.check(op); err != nil {
		return err
	}
	reply, err := c.ask(ctx, question{op: op, xid: b.XID, merges: small(b.Data), msg: &seata.BranchReportRequest{
		XID: b.XID, BranchID: b.ID, Status: status, ResourceID: b.Resource, ApplicationData: b.Data, BranchType: b.Type,
	}})
	if err != nil {
		return err
	}
	m, ok := reply.(*seata.BranchReportResponse)
	switch {
	case !ok:
		return unexpected(op, b.XID, reply)
	case m.Failed():
		return refusal(op, b.XID, m.Result)
	}
	return nil
}

// Lockable reports whether the rows b.Locks of b.Resource are locked by no transaction but b.XID, which may be empty.
func (c *Client) Lockable(ctx context.Context, b Branch) (bool, error) {
	const op = "query locks"
	if b.Locks == "" {
		return true, nil
	}
	reply, err := c.ask(ctx, question{
		op: op, xid: b.XID, merges: small(b.Locks, b.Data), repeatable: true,
		msg: &seata.GlobalLockQueryRequest{
			XID: b.XID, BranchType: b.Type, ResourceID: b.Resource, LockKey: b.Locks, ApplicationData: b.Data,
		},
	})
	if err != nil {
		return false, err
	}
	m, ok := reply.(*seata.GlobalLockQueryResponse)
	switch {
	case !ok:
		return false, unexpected(op, b.XID, reply)
	case m.Failed():
		return false, refusal(op, b.XID, m.Result)
	}
	return m.Lockable, nil
}

func (b Branch) check(op string) error {
	switch {
	case b.XID == "":
		return fmt.Errorf("%s: no xid is given", op)
	case b.Resource == "":
		return fmt.Errorf("%s: no resource is named", op)
	}
	return nil
}

// registerTM tells the coordinator who we are, signed if there are keys. Seata TmNettyRemotingClient.java:
// getExtraData.
func (l *link) registerTM(ctx context.Context) error {
	o := l.client.o
	text, _ := version()
	extra := seata.ExtraData{
		AccessKey: o.AccessKey, Timestamp: strconv.FormatInt(time.Now().UnixMilli(), 10), AuthVersion: "V4",
		VGroup: o.Group, IP: localIP(l.conn),
	}
	extra.Digest = extra.SignedText()
	if o.SecretKey != "" {
		millis, _ := strconv.ParseInt(extra.Timestamp, 10, 64) // it was made from one just now
		extra.Digest = seata.Sign(extra.SignedText(), o.SecretKey, millis)
	}
	reply, err := l.roundTrip(ctx, &seata.RegisterTMRequest{
		Version: text, ApplicationID: o.Application, TransactionServiceGroup: o.Group, ExtraData: extra.String(),
	})
	if err != nil {
		return fmt.Errorf("register at %s: %w", l.node.address, err)
	}
	if m, ok := reply.(*seata.RegisterTMResponse); !ok || !m.Identified {
		return fmt.Errorf("register at %s: %w", l.node.address, ErrRefused)
	}
	return nil
}

// registerRM tells the coordinator what we serve. Sets of ids add up.
func (l *link) registerRM(ctx context.Context, ids []string) error {
	text, _ := version()
	reply, err := l.roundTrip(ctx, &seata.RegisterRMRequest{
		Version: text, ApplicationID: l.client.o.Application, TransactionServiceGroup: l.client.o.Group,
		ResourceIDs: strings.Join(ids, ","),
	})
	if err != nil {
		return fmt.Errorf("register resources at %s: %w", l.node.address, err)
	}
	if m, ok := reply.(*seata.RegisterRMResponse); !ok || !m.Identified {
		return fmt.Errorf("register resources at %s: %w", l.node.address, ErrRefused)
	}
	return nil
}

// localIP is our own view of our address.
func localIP(conn net.Conn) string {
	host, _, err := net.SplitHostPort(conn.LocalAddr().String())
	if err != nil {
		return ""
	}
	return host
}

package orchestrator

import (
	"errors"
	"fmt"

	"github.com/concord-tx/concord/orchestrator/txn"
)

// Routes is the Transport that hands each command to the one for its branch's kind. It is read only once it is used.
type Routes map[txn.Kind]Transport

// anyKind is the key of the transport for the kinds that have none of their own.
const anyKind txn.Kind = 0

// errNoTransport: this node cannot reach branches of that kind.
var errNoTransport = errors.New("no transport for branches of this kind")

// Fallback returns r with t for all kinds that have no transport of their own.
func (r Routes) Fallback(t Transport) Routes {
	r[anyKind] = t
	return r
}

// Send implements Transport.
func (r Routes) Send(cmd txn.Command) error {
	t := r[cmd.Kind]
	if t == nil {
		t = r[anyKind]
	}
	if t == nil {
		return fmt.Errorf("send to a branch of kind %s: %w", cmd.Kind, errNoTransport)
	}
	return t.Send(cmd)
}

var _ Transport = Routes(nil)

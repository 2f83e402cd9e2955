package mysql

import (
	"context"
	"net"
)

// dial connects over TCP.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Control: boundArrival}
	return d.DialContext(ctx, network, address)
}

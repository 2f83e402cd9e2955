//go:build !unix

package callback

import "net"

// quiet cannot look here; a connection that was closed is noticed when it is used.
func quiet(net.Conn) bool { return true }

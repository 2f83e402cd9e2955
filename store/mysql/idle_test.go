package mysql

import (
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"
)

// TestTheServerDoesNotGiveUpTheConnectionThatRenews: whatever the lease, the connection is used again well before the
// server's patience with it ends, or we have closed it ourselves by then. Otherwise every renewal would be a race with
// the server, as it was with a lease of 3 s and a patience of 1 s.
func TestTheServerDoesNotGiveUpTheConnectionThatRenews(t *testing.T) {
	t.Parallel()
	const margin, pool = 250 * time.Millisecond, time.Second // the pool looks for idle connections that often
	for lease := time.Second; lease <= time.Minute; lease += 50 * time.Millisecond {
		patience := idleOf(lease)
		c := &driver.Config{Params: map[string]string{}}
		setIdle(c, patience)
		if pause := lease / 3; pause+margin > patience && idleOurs(c)+pool+margin > patience {
			t.Errorf("lease %v: renewed every %v, the server waits %v, we %v", lease, pause, patience, idleOurs(c))
		}
		if patience > lease {
			t.Errorf("lease %v: a node that was cut off holds its rows for %v", lease, patience)
		}
	}
}

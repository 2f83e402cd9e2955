package sqlfence_test

import (
	"github.com/concord-tx/concord/client/fence"
	"github.com/concord-tx/concord/client/fence/sqlfence"
	"github.com/concord-tx/concord/client/message"
	"github.com/concord-tx/concord/client/outbox"
	"github.com/concord-tx/concord/client/worker"
)

// A store is what the packages that need a fence ask for.
var (
	_ fence.Barrier = (*sqlfence.Store)(nil)
	_ message.Store = (*sqlfence.Store)(nil)
	_ worker.Store  = (*sqlfence.Store)(nil)
	_ outbox.Store  = (*sqlfence.Store)(nil)
)

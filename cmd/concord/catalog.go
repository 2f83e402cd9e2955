package main

import (
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/saga/catalog"
)

// openCatalog makes what has the definitions of sagas, and gives it to the coordinator. The engine is open.
func (n *node) openCatalog(o *orchestrator.Options) {
	documents, clock := n.engine.documents()
	n.catalog = catalog.New(catalog.Options{
		Documents: documents, Clock: clock, Logger: n.logger, Deadline: n.config.Saga.Deadline,
		CheckTopic: n.engine.checkTopic, CheckTarget: n.callback.Check, Alone: !n.config.Clustered(),
		Languages: []catalog.Language{catalog.Seata()}, BranchesMax: n.branchesMax,
	})
	o.Sagas = n.catalog
}

// branchesMax is how many branches a run may have now.
func (n *node) branchesMax() int {
	if m, clustered := n.engine.(*cluster); clustered {
		if now := m.live.Load(); now != nil {
			return now.config.Limits.BranchesMax
		}
	}
	return n.config.Limits.BranchesMax
}

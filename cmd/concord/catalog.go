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
		Languages: []catalog.Language{catalog.Seata()},
	})
	o.Sagas = n.catalog
}

package main

import (
	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/saga/catalog"
)

// openCatalog makes what has the definitions of sagas, and gives it to the coordinator. The engine is open.
func (n *node) openCatalog(o *orchestrator.Options) {
	documents, clock := n.engine.documents()
	n.catalog = catalog.New(catalog.Options{
		Documents: documents, Clock: clock, Logger: n.logger, CheckTopic: n.engine.checkTopic,
		Languages: []catalog.Language{catalog.Seata()}, Alone: !n.config.Clustered(),
		Deadline: n.config.Saga.Deadline,
	})
	o.Sagas = n.catalog
}

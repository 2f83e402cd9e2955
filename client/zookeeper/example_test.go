package zookeeper_test

import (
	"context"
	"log"
	"time"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/zookeeper"
)

func ExampleNodes() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := client.Open(ctx, client.Options{
		Application: "orders",
		Nodes: zookeeper.Nodes(zookeeper.Options{
			Servers: []string{"zk-1:2181", "zk-2:2181", "zk-3:2181"},
			Cluster: "default", // zookeeper.cluster of the coordinators
		}),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = c.Close() }()
}

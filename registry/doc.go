// Package registry is the room of the registries in which Seata clients find the nodes of a cluster. Each registry is a
// package of its own; so far there is registry/zookeeper.
//
// A list of addresses in a client's own configuration (registry type "file", service.default.grouplist) needs nothing
// of the server, so there is no package for it.
package registry

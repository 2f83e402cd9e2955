//go:build !parts

package zookeeper

func startParts() (stop func()) { return func() {} }

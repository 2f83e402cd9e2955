// Package eventtx carries transaction and trace in extension attributes of CloudEvents, for the CloudEvents SDK; see
// package propagation for checks. Names of attributes have neither dashes nor underscores: the xid is in txxid;
// traceparent and tracestate are those of the specification's extension for traces.
//
// txxid invites to take part in a transaction that is still going on, see package rockettx for what that means. The
// events of Concord's decisions do not have it: they tell of a transaction that is decided, in their subject.
package eventtx

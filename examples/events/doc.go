// Command events is an example of an event-driven service: it credits points to customers for committed transactions,
// exactly once in effect, although events are delivered at least once.
//
// The trick is in ledger.go: the effect and the id of its event are one atomic write, so that a repeated event is
// recognised however the service died before. Where the events come from does not matter to it: http.go reads them from
// Concord's own log, rocketmq.go from a broker, and both hand over the same bytes.
package main

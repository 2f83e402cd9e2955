// Package eventfence puts a fence in front of a consumer of events, however they come: each event has its effect once,
// although brokers deliver at least once, and steps of sagas that come as messages are done and undone in the right
// order.
//
// An event is recognised by its source and id, for each consumer by itself, so that several may share a table. Events
// with which Concord asks for the step of a saga have ids XID/BRANCH/OPERATION; they are fenced as action and
// compensation of that branch.
//
//	handle := eventfence.Handler(store,
//		eventfence.Options[event.Event]{Consumer: "mail", ID: eventfence.CloudEvent}, send)
//
// # Invariants
//
//   - A handler's error leaves nothing recorded: the event has to come again, so it must not be acknowledged.
//   - No error means that the event may be acknowledged: it has had its effect, now or before, or must have none.
//   - Records are needed for as long as the broker, or Concord, may deliver an event again.
//
// # Where to start reading
//
// [Handler]. Package rocketfence is the same for RocketMQ.
package eventfence

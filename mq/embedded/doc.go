// Package embedded is the decision log without a broker: decisions are the entries of the store's outbox, and consumers
// read them there.
//
// [Log.Record] gives the change to the store with its event; store and event are one durable write, so an event is
// visible if, and only if, its decision is durable. [Log.Consume] is the coordinator's own consumer. Event-driven
// services use groups: [Log.Subscribe], [Log.Poll], [Log.Ack], [Log.Nack], with delayed retries and dead letters.
//
// # Delivery
//
// At least once, in the order of the outbox; a delivery that fails does not hold up the others. A group's offset is the
// lowest entry that is not settled. It is stored lazily, so after a crash some entries are delivered again. What was
// refused (Nack, or no answer in time) is copied under a key of its own with the time of the next attempt, and counts
// as settled for the offset; after [Options.AttemptsMax] it becomes a dead letter. Order of writes: a copy is in the
// store's log before any offset that passes its entry.
//
// # Bounds
//
// There are at most 1,000 groups. Per group at most [Options.InFlightMax] deliveries and 64 MiB of events are
// unanswered, and at most windowMax entries lie between the offset and the newest delivery. Retries and dead letters
// are on disk only.
//
// # Where to start reading
//
// log.go for the coordinator's side, group.go and poll.go for groups, state.go for the keys.
package embedded

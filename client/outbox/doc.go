// Package outbox is for services that tell others by events what they have done, and for those that listen.
//
// Who tells writes the event into a table of its own database, in the local transaction of the business: [Outbox.Add].
// A [Relay] publishes it, through Concord ([NewConcordPublisher]) or RocketMQ (package outbox/rocketmq). Who listens
// reads with a [Consumer], and an [Inbox] has each event take effect once.
//
// # Invariants
//
//   - An event is published if, and only if, the transaction that wrote it has committed; at least once, with an id
//     that stays the same. Nothing is deleted before it is published.
//   - Events with one key are published in the order in which they were written, one after the other; one that fails
//     holds up those behind it with its key, and no others. One relay publishes at a time; after one that was stopped
//     for longer than its lease, old events may come again, also behind newer ones. Consumers know them by their ids.
//   - What may be published yet, because its transaction at Concord is decided and has not ended, is not published by
//     another one: the row's failure names the transaction, for whichever relay tries next.
//   - The order of writing is that of the statements, so write an event after what it is about: the rows that were
//     changed keep others with the same key out until the commit.
//   - The effect of an event and the record that it was had are one local transaction.
//   - Reading, publishing and answering are in bounded batches.
//
// # Where to start reading
//
// event.go is what travels, outbox.go writes it, relay.go publishes it, hold.go passes over what has failed,
// consumer.go reads it, inbox.go remembers it.
package outbox

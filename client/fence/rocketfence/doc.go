// Package rocketfence puts a fence in front of a consumer of RocketMQ: decisions of Concord and messages of its topic
// branches, which come in batches, messages of steps of sagas, and messages of others. Package eventfence says what
// that means.
//
// # Invariants
//
//   - Each event of a batch has a local transaction of its own. If one fails the message comes again, and those that
//     were done are passed over.
//   - A message that cannot be read, and one whose handler panics, comes again and becomes a dead letter at last: it is
//     not acknowledged. rocketmq-client-go would do neither after a panic.
//
// # Where to start reading
//
// [Consumer].
package rocketfence

// Package rockettx carries transaction and trace in the properties of RocketMQ's messages, for rocketmq-client-go; see
// package propagation for names and checks.
//
// Think before you carry an xid in a message. It tells the consumer to take part in a transaction that has to be still
// going on when the message is consumed: its launcher must wait for the consumer, as in a request and its reply.
// Otherwise the transaction is decided by then, and what the consumer does is refused: registering a branch fails with
// client.ErrNotActive however often the message comes back. A message that tells what was committed belongs to the
// outbox, or to a topic branch, and needs no xid.
//
// [Inject] is for single messages and for each message of a batch. [Producer] is an interceptor that does it for every
// message that a producer sends alone; messages of a batch are encoded before interceptors see them. [Consumer] gives
// each message its own context.
package rockettx

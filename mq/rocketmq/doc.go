// Package rocketmq is the decision log on RocketMQ: each decision travels in a transactional message, in a pack with
// others of its topic and group, and the store's write is the local transaction.
//
// Invariants:
//
//   - A decision is true from the store's write alone. A message becomes visible only if the write of its pack is
//     durable: the end of the half is sent after it, and check-backs are answered from the store, fenced by pack id.
//   - What is published has the bytes that the store wrote with the decision, however often it is published.
//   - An entry of the outbox is cleared only when our own consumer has read its message and handed it to Consume's
//     handle. Whatever gets lost on the way (half, end, message, offset) is published again under a new pack id.
//   - In mode queue no caller waits for a broker that does not answer: its decision is stored, driven at once on this
//     node, and published later.
//   - Every queue, worker and wait has a bound.
//
// Transactional and ordinary messages are sent with rocketmq-client-go v2.1.2, kept behind producer.go, which works
// round its defects; DEFECTS.md lists them, with what is done and which test shows it. What the library lacks or does
// badly (routes that are fresh, probes, topics that are made with an answer, a consumer that survives a change of
// leader and ends when told to, reading a topic from end to end) is done with a small client of the remoting
// protocol, wire.go.
//
// Start reading at log.go (Open, Record, Run), then pack.go (how decisions become packs and what becomes of them),
// producer.go and checkback.go (the library), fences.go (storms of check-backs), routes.go (which brokers there are),
// outbox.go (what is published again), consumer.go (reading), maxtopic.go (what the broker has given up), and reader.go
// (replay for audits). What people look at is in browse.go (pages, by time and by key), follow.go (streams), and
// dead.go, settled.go and replay.go (dead letters).
package rocketmq

// Package mq says what consumers see of a decision: the topics, and the CloudEvents 1.0 JSON event of one decision.
//
// The bytes of an event are made once, by [AppendDecision], from the state that carries the decision, and stored with
// it; whoever publishes it later, on whatever way, publishes the same bytes.
//
// Beside decisions there are the messages of branches of kind topic, which [AppendMessage] makes and [TopicTransport]
// publishes when their transaction has committed. Both kinds have a JSON Schema; docs/EVENTS.md explains them to those
// who consume them.
//
// Below it: package embedded is the decision log without a broker, package rocketmq the one with it, and package
// mqtest what both must pass.
package mq

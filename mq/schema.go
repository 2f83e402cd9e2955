package mq

import _ "embed"

// DecisionSchema is the JSON Schema of a decision's event; its $defs/batch is that of a batch.
//
//go:embed decision.schema.json
var DecisionSchema []byte

// MessageSchema is the JSON Schema of the message of a branch of kind topic; its $defs/batch is that of a batch.
//
//go:embed message.schema.json
var MessageSchema []byte

// HeuristicSchema is the JSON Schema of the event of a heuristic operation; its $defs/batch is that of a batch.
//
//go:embed heuristic.schema.json
var HeuristicSchema []byte

// StepSchema is the JSON Schema of the message of a saga's step as an event; its $defs/batch is that of a batch.
//
//go:embed step.schema.json
var StepSchema []byte

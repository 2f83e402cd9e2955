package mq

import _ "embed"

// DecisionSchema is the JSON Schema of a decision's event; its $defs/batch is that of a batch.
//
//go:embed decision.schema.json
var DecisionSchema []byte

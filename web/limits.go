package web

import "time"

// The bounds of what the API takes. Those of the runtime, which hold for Seata clients too, are orchestrator.Limits;
// the length of a whole body is the setting web.bodyBytesMax.
const (
	// branchesPerRequestMax bounds the branches that are registered with one request.
	branchesPerRequestMax = 200
	// callHeadersMax bounds the headers that a branch has sent along, callURLBytesMax each of its URLs.
	callHeadersMax  = 20
	callURLBytesMax = 2048
	// callTimeoutMax is the longest time for one attempt at a branch.
	callTimeoutMax = 5 * time.Minute
	// retryPauseMax is the longest pause between attempts that a branch may ask for.
	retryPauseMax = 24 * time.Hour
	// waitMax is how long an answer may be put off until a transaction has ended, waitDefault how long that of a commit
	// or rollback is unless the request says otherwise.
	waitMax     = 25 * time.Second
	waitDefault = 10 * time.Second
	// reasonBytesMax bounds what a person gives as a reason, messageBytesMax what a participant reports.
	reasonBytesMax  = 160
	messageBytesMax = 256
	// keyBytesMax bounds an idempotency key.
	keyBytesMax = 200
)

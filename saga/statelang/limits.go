package statelang

// The bounds of a definition. Those of expressions and of their evaluation are in the package spel.
const (
	// bytesMax is the longest text.
	bytesMax = 2 << 20
	// depthMax is how deep values may be nested.
	depthMax = 100
	// statesMax is how many states a machine may have.
	statesMax = 1_000
	// retriesMax is the most attempts that a retry may ask for.
	retriesMax = 1_000
	// loopItemsMax is how many elements a loop goes through.
	loopItemsMax = 10_000
)

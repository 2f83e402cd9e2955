package machine

// Limits of machines that run. What goes beyond them breaks the machine off.
const (
	// transitionsMax is how many states one look at a run goes through.
	transitionsMax         = 25_000
	exploredTransitionsMax = 2_000
	// forksMax is how deep forks are nested.
	forksMax = 3
	// depthMax is how deep machines call each other.
	depthMax = 8
	// payloadBytesMax is the largest input, answer or result, as JSON.
	payloadBytesMax = 1 << 20
	// bindingsBytesMax is the longest text of bindings.
	bindingsBytesMax = 1 << 20
	// connectsMax is how often an address where nobody answers is tried before that is an exception.
	connectsMax = 3
	// attemptsMax is the most that a binding may ask for.
	attemptsMax = 1000
	// exceptionsMax is how many classes or causes of an exception are kept.
	exceptionsMax = 20
)

// Package clienttest has what tests of clients need: a real coordinator in the process ([Start]) or as a process of
// its own ([Run]), a connection to it ([Open]), a proxy that breaks connections where it is told to ([NewProxy]), and
// a real MariaDB ([MariaDB], [Database]).
//
// Only tests import it: it brings the whole coordinator along. Everything that it starts ends with the test, or with
// the test binary where that is said.
package clienttest

// Package direct is the decision log that publishes nothing: decisions are stored, and the node that took one drives
// its phase two itself. It is for a cluster whose services need no events, and for measuring what publication costs.
//
// Invariant: what is forgotten here, by a crash or because the queue is full, is found by the sweeper, since the
// decision's change has stored a due time.
package direct

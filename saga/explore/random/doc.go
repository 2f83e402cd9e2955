// Package random composes definitions of sagas at random, sound by construction: whatever happens to one, it ends done
// or compensated. The simulation runs them, and the tests of the explorer compare what it says with what happens.
//
// # Invariants
//
//   - The same numbers give the same definition.
//   - The lint finds no error in one, and the exploration no failure.
//   - Where a step goes says what it is: "read" changes nothing, "do" changes something and can be undone, "pivot" is
//     the point of no return, "after" and "maybe" change something behind it, "undo" compensates.
package random

// Package migrate says whether a run of a saga can go on by another version of its definition, and what becomes of its
// steps then.
//
// # Invariants
//
//   - A verdict is a pure function of both versions and of the record. It is made from the state that is changed.
//   - A run is moved only if the new version, with the same results, would have begun all that was begun: then nothing
//     is begun anew that has run, and nothing comes after what is behind it.
//   - All that may have run can be undone as before, and the point of no return is where it was.
//   - Where something is not known to be sound the run stays.
//
// # Where to start reading
//
// judge.go; names.go for the names of steps.
package migrate

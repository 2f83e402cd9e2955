// Package catalog keeps the definitions of sagas that are published, and has them ready to plan.
//
// # Invariants
//
//   - A version that is published never changes and never goes away; the text that was given is kept, with comments.
//   - Only what its [Language] finds sound is published. The same definition again is the same version.
//   - The versions of sub-sagas are those that were the newest when the saga was published: a run can be recovered
//     after a crash by what is in its record alone.
//   - A text is stored before the version that refers to it, under its hash. A version is one small document, whose
//     writing publishes it: of two people at once one gets [orchestrator.ErrConflict]. What is left of a publication
//     that was cut off, is a text that the next attempt finds.
//   - What was compiled stays in memory. There are few definitions, each is at most a megabyte.
//
// # Where to start reading
//
// language.go says what a language has to do, and concord.go does it for ours; publish.go is what people do; ready.go
// what the coordinator does.
package catalog

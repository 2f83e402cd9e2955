// Package catalog keeps the definitions of sagas that are published, and has them ready to plan.
//
// # Invariants
//
//   - A version that is published never changes and never goes away; the text that was given is kept, with comments.
//   - Only what the lint and the exploration find sound is published. The same definition again is the same version.
//   - The versions of sub-sagas are those that were the newest when the saga was published: a run can be recovered
//     after a crash by what is in its record alone.
//   - What was compiled stays in memory. There are few definitions, each is at most a megabyte.
//
// # Where to start reading
//
// publish.go is what people do; ready.go what the coordinator does.
package catalog

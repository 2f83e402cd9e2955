// Package explore looks at everything that can happen to a saga before it goes live: it runs the real planner and the
// real core through every outcome of every step, and reports the paths that end neither done nor compensated.
//
// # What is explored
//
// Each answer to a step: done, refused, and lost, which is that nobody knows whether it has run after all attempts.
// Each answer that comes when the rollback has been decided already. Signals that come, are refused, or do not come in
// time. The deadline, at every moment. Each way of each condition, choice and repetition, whatever their expressions
// say, and loops over none, one and two items. Every answer is given twice at once, and once more after the next one.
//
// Crashes: after an event, the same event on the state before it gives the same record, which is a crash before the
// record was written; and what is read from the record goes on as what was in memory does, which is one behind it. An
// answer that is lost with a crash is one of the answers above. With many branches this is tried at some of the events
// only: [Report.Crashes] says at how many.
//
// # Two languages
//
// What is looked at is a [Subject]: our own language is one, and saga/machine makes one of a state machine of Seata.
// Each says which answers there are, and what a good end is. Whatever comes from outside, crashes, and what is
// delivered twice or late, is the same for both. Cycles that can be gone through for ever are left after some rounds.
//
// # What is not
//
// Data: an expression that fails at run time is not found here. The order in which steps that run side by side answer:
// that of their beginning is taken, since all that depends on it is the order of compensations, which the core has
// proven for itself, and the simulation looks at. Answers that come after the decision are the same for all steps under
// way.
//
// # Many steps
//
// What is left when nothing can be chosen any more, the way back, is gone but not remembered. Beyond
// [Options.StatesMax] the exploration is cut, or by itself when it has become too much work: that is counted, not
// timed, so the same definition is always cut at the same place. The paths on which one thing goes wrong are first;
// if all are too many, then those on which two things do, and so on. [Report.Part] says which part was looked at as a
// whole.
package explore

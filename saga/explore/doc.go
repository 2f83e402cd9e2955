// Package explore looks at everything that can happen to a saga before it goes live: it runs the real planner and the
// real core through every outcome of every step, and reports the paths that end neither done nor compensated.
//
// # What is explored
//
// Each answer to a step: done, refused, and lost, which is that nobody knows whether it has run after all attempts.
// Each answer that comes when the rollback has been decided already. Signals that come, are refused, or do not come in
// time. The deadline, at every moment. Each way of each condition, choice and repetition, whatever their expressions
// say, and loops over none, one and two items. Every answer is given twice. Crashes need no paths of their own: what
// comes next is computed from the record alone, before and after.
//
// # What is not
//
// Data: an expression that fails at run time is not found here. The order in which steps that run side by side answer:
// that of their beginning is taken, since all that depends on it is the order of compensations, which the core has
// proven for itself. Answers that come after the decision are the same for all steps under way. Beyond
// [Options.StatesMax] the exploration is cut, and the report says so.
package explore

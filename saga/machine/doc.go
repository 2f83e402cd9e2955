// Package machine runs Seata's state machines: it makes a planner of a definition that saga/statelang has read, and
// says where the services of the definition are called.
//
// # Invariants
//
//   - A planner keeps nothing between two calls. It runs the machine from its start with the answers that are in the
//     record, up to where one is missing; what it asks for next is what is missing.
//   - Each call of a service is a branch, and so is each retry and each compensation. The name of a branch is that of
//     its state, with "(2)" when the state is entered again, "-loop-3" for an instance of a loop, "#2" for a retry, and
//     "~Undo" for its compensation by the state Undo; in a sub state machine behind the state that it is: "Trip/Hotel".
//   - A machine ends with the statuses that Seata's engine gives it. Each end is one of the record's: SU is a commit;
//     FA, and whatever was compensated, a rollback; UN without a compensation waits for a person.
//   - What a CompensationTrigger has compensated is not compensated again. What it has not, is undone by the core after
//     the rollback, again and again, as Seata's coordinator has it.
//
// # Where to start reading
//
// next.go is the planner, frame.go a machine on its way, fork.go its branches side by side, task.go one state,
// compensate.go what is undone; answer.go what an answer means; source.go and bindings.go what is published; explore.go
// looks at all that can happen.
package machine

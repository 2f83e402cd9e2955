package sim

import (
	"time"

	"github.com/concord-tx/concord/orchestrator/txn"
	"github.com/concord-tx/concord/sim/check"
)

// Mutation is a defect built into the simulated parts on purpose. A checker that finds none of them is worth nothing.
type Mutation uint8

// The mutations.
const (
	NoMutation   Mutation = iota
	EarlyAnswer           // the store answers before a change is durable
	TwoDecisions          // the topic gets the other decision too
	ForgetBranch          // a restart forgets the last branch of each record
	EarlyRelease          // a rollback decision frees the rows before they are undone
	LeakLocks             // rows are never freed
	NoLocks               // rows are never refused
	PartialGrant          // a refused branch keeps the rows that were free
	ReuseIDs              // a restart reserves the same ids again
	WrongCommand          // some rollbacks are sent as commits
	ExtraCommand          // some commands go to a branch that does not exist
	OtherPayload          // a retry carries other data
	NoFence               // participants keep no fence
	WrongOrder            // sagas are compensated in the wrong order
	StaleLoad             // the store loads an old state
	Zombie                // a crashed coordinator goes on writing and sending
	NeverDue              // nothing is ever due
	Miscount              // the store's numbers are wrong
	Forgetful             // a change that was reported as unknown is taken back
	SlowRelease           // rows are freed long after the change that frees them
	Reorder               // a write makes its changes durable in another order
	HastyCheck            // a sender that is still at it is taken for one that has rolled back
	CallSkipped           // a participant that was skipped is called all the same
	MuteNotices           // consumers are not told of operations that are heuristic
	IdleRelease           // a release is answered, but not carried out
	ForgetKeys            // the store does not keep the keys of branches
	PartEnlist            // branches that are to join together are registered one after the other
	DeafAfter             // nobody tells when a participant wants to be asked again
	Drowsy                // what is due is found minutes late
	Hasty                 // the coordinator does not wait between attempts
	Tireless              // the coordinator goes on as before when its budget of attempts is spent
	Renumber              // some attempts say that they are an earlier one

	// Defects of what runs sagas.

	HastyUndo     // a compensation is told to be done before it is
	HastyStep     // the store tells that a step is stored before it is
	LoseSeq       // the store does not keep in which order steps were done
	ForgetUndo    // the planner forgets that some steps have to be undone
	NoPivot       // the planner does not know of pivots
	Twice         // the planner begins a step again after a restart
	WallClock     // the planner looks at another clock
	AlwaysDone    // the planner takes a saga that has failed for one that is done
	LostIsRefused // no answer is taken for a no
	Deaf          // a no is taken for a yes

	// Defects of clusters.

	NoFencing   // the store accepts the writes of nodes that were declared dead
	FromMemory  // a check-back is answered from what the node has stored itself
	PartPack    // a pack is stored in part if one of its changes is refused
	EarlyClear  // the outbox is cleared before the message was read
	AtOnce      // a decision is stored without waiting for its half message, where it must
	Overstay    // a node goes on sending when its lease is over
	CachedReads // until the world heals, a node reads what it has read or written last
	Lonely      // nodes do not know that there are others
	DeafEnds    // who waits for an end is not told of one on another node
	DeafRows    // who waits for a row is not told that another node has freed it
	LocalCycles // nodes do not tell each other who waits for whom
	LocalClock  // a node goes by its own clock
	HastyLazy   // a lazy change is told to be durable when it is not known yet whether the database takes it
	mutations
)

// inCluster reports whether the defect is one of clusters.
func (m Mutation) inCluster() bool { return m >= NoFencing }

// inSagas reports whether the defect is one of what runs sagas.
func (m Mutation) inSagas() bool { return m >= HastyUndo && m <= Deaf }

// String returns the mutation's name.
func (m Mutation) String() string {
	return [...]string{
		"none", "EarlyAnswer", "TwoDecisions", "ForgetBranch", "EarlyRelease", "LeakLocks", "NoLocks",
		"PartialGrant", "ReuseIDs", "WrongCommand", "ExtraCommand", "OtherPayload", "NoFence", "WrongOrder",
		"StaleLoad", "Zombie", "NeverDue", "Miscount", "Forgetful", "SlowRelease", "Reorder", "HastyCheck",
		"CallSkipped", "MuteNotices", "IdleRelease", "ForgetKeys", "PartEnlist", "DeafAfter", "Drowsy",
		"Hasty", "Tireless", "Renumber",
		"HastyUndo", "HastyStep", "LoseSeq", "ForgetUndo", "NoPivot", "Twice", "WallClock", "AlwaysDone",
		"LostIsRefused", "Deaf", "NoFencing", "FromMemory", "PartPack", "EarlyClear", "AtOnce", "Overstay",
		"CachedReads", "Lonely", "DeafEnds", "DeafRows", "LocalCycles", "LocalClock", "HastyLazy",
	}[m]
}

// prepare makes the plan one in which the defect matters.
func (m Mutation) prepare(p *plan) {
	switch m {
	case EarlyAnswer, ForgetBranch, ReuseIDs, Zombie, StaleLoad:
		p.crashes = 60
	case EarlyRelease, NoLocks, LeakLocks, PartialGrant, SlowRelease:
		p.kinds, p.sweeperOff = bank, false
	case HastyCheck:
		p.kinds, p.sweeperOff = called, false
	case CallSkipped, MuteNotices:
		p.beHeuristic()
	case IdleRelease:
		p.beHeuristic()
		p.kinds = bank
	case ForgetKeys, PartEnlist:
		p.kinds, p.sweeperOff, p.crashes = called, false, 60
		p.beKeyed()
	case DeafAfter, Drowsy:
		p.kinds, p.sweeperOff, p.clockJumps, p.fail, p.waits = called, false, 0, 0.5, true
	case WrongOrder:
		p.kinds = sagas
	case NeverDue:
		p.clientCrash, p.sweeperOff = 0.5, false
	case NoFence:
		p.dup, p.hang = 0.3, 0.3
	case OtherPayload, Hasty, Renumber:
		p.fail = 0.5
	case Tireless:
		p.fail, p.spread = 0.8, time.Minute
	case HastyStep, Twice, LoseSeq:
		p.crashes = 60
	case ForgetUndo, AlwaysDone, Deaf, HastyUndo:
		p.refuse = max(p.refuse, 0.1)
	case NoPivot, LostIsRefused:
		p.loss, p.hang = 0.2, 0.2
	case NoFencing, Overstay:
		p.pauses = 6
	case AtOnce:
		p.halfFirst = true
	case FromMemory:
		p.lostEnds = 0.5
	case EarlyClear:
		p.lostEnds, p.forgetful, p.brokerOutages = 0.3, true, 3
	case LocalClock:
		p.clocks = true
	case HastyLazy:
		p.kinds, p.transactions, p.sweeperOff = called, 60, false
		p.fsync, p.fail = 200*time.Millisecond, 0.2
	case DeafEnds:
		p.beCalm()
		p.kinds = tcc
	case LocalCycles, DeafRows:
		p.beCalm()
		p.kinds = hot
	}
}

// command spoils a command on its way to the network.
func (m Mutation) command(w *World, cmd *txn.Command) {
	switch {
	case m == WrongCommand && cmd.Op == txn.Rollback && w.chance(0.3):
		cmd.Op = txn.Commit
	case m == ExtraCommand && w.chance(0.1):
		cmd.BranchID += 1000
	case m == CallSkipped && cmd.Resource == check.NoticeTopic:
		w.callSkipped(cmd)
	case m == OtherPayload && cmd.Attempt > 1:
		cmd.Data += "!"
	case m == Renumber && cmd.Attempt > 1 && w.chance(0.2):
		cmd.Attempt--
	}
}

// rules are those of the coordinators.
func (m Mutation) rules() txn.Rules {
	r := rules()
	switch m {
	case Hasty:
		r.Retry.First, r.Retry.Max, r.Retry.Unreachable = time.Millisecond, time.Millisecond, time.Millisecond
	case Tireless:
		r.Retry.SlowDelay = r.Retry.Max
	}
	return r
}

// callSkipped makes the command that tells of a skip one for the branch that was skipped.
func (w *World) callSkipped(cmd *txn.Command) {
	for _, o := range w.logs.Operations {
		if o.Notice != cmd.Data || o.Action != txn.ActionSkip {
			continue
		}
		for _, s := range w.logs.Sent {
			if s.Command.BranchID == o.Branch {
				*cmd = s.Command
			}
		}
	}
}

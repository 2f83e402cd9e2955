package tm

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// TimeoutDefault is how long a transaction may take from its begin to the request to commit it if Options say nothing.
const TimeoutDefault = 60 * time.Second

// Options say what [Manager.Run] does. The zero value is a transaction without a name that takes at most
// [TimeoutDefault], or part in the one of the context.
type Options struct {
	// Name is what people see of the transaction: a constant such as "place order". At most 128 bytes with servers of
	// Seata.
	Name string
	// Timeout is how long the transaction may take from its begin to the request to commit it [TimeoutDefault]. After
	// it the coordinator rolls back. The context of the work has it as a deadline. Those who take part have no say.
	Timeout time.Duration
	// Propagation says what becomes of a transaction that the context is in already [Required].
	Propagation Propagation
	// CommitOn says of an error of the work that it is no reason to roll back [all are]. The transaction is committed,
	// and Run returns a [CommittedError] with the error in it.
	CommitOn func(err error) bool
}

func (o Options) check() error {
	if o.Timeout < 0 {
		return fmt.Errorf("timeout %s is negative", o.Timeout)
	}
	if o.Propagation > NotSupported {
		return fmt.Errorf("%s is none of the constants", o.Propagation)
	}
	return nil
}

// Propagation says what a function does with the transaction of its context. The zero value is [Required].
type Propagation uint8

// The ways of Seata and Spring.
const (
	// Required takes part in the transaction of the context, or begins one.
	Required Propagation = 1 + iota
	// RequiresNew begins a transaction in any case. That of the context goes on untouched; it is not ended with this
	// one, nor the other way round.
	RequiresNew
	// Supports takes part in the transaction of the context, or runs without.
	Supports
	// Mandatory takes part in the transaction of the context, or refuses with [ErrNoTransaction].
	Mandatory
	// Never runs without, and refuses with [ErrInTransaction] if the context has one.
	Never
	// NotSupported runs without; the work's context has none.
	NotSupported
)

// String names the constant.
func (p Propagation) String() string {
	switch p {
	case 0, Required:
		return "required"
	case RequiresNew:
		return "requires new"
	case Supports:
		return "supports"
	case Mandatory:
		return "mandatory"
	case Never:
		return "never"
	case NotSupported:
		return "not supported"
	}
	return "Propagation(" + strconv.Itoa(int(p)) + ")"
}

// Refusals of [Manager.Run] before the work ran.
var (
	// ErrNoTransaction means that [Mandatory] found no transaction in the context.
	ErrNoTransaction = errors.New("a transaction is mandatory, and the context has none")
	// ErrInTransaction means that [Never] found a transaction in the context.
	ErrInTransaction = errors.New("the context has a transaction, and must not")
)

// action is what follows from a propagation.
type action uint8

const (
	join    action = 1 + iota // run the work with the context as it is
	begin                     // launch a transaction
	without                   // run the work with a context that is in no transaction
	refuse                    // ErrNoTransaction or ErrInTransaction
)

// actionOf is the table of propagation.
func (p Propagation) actionOf(inTransaction bool) action {
	switch {
	case p == RequiresNew, (p == Required || p == 0) && !inTransaction:
		return begin
	case p == Mandatory && !inTransaction, p == Never && inTransaction:
		return refuse
	case p == NotSupported:
		return without
	}
	return join // Required, Supports, Mandatory with one; Supports, Never without
}

package web

import (
	"errors"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

// The fake runs no sagas; the tests of sagas have a real coordinator.

func (f *fake) ReserveID() (int64, error) { return 0, errors.New("no sagas") }

func (f *fake) StartSaga(_ orchestrator.SagaRequest, done func(*txn.Global, error)) {
	done(nil, errors.New("no sagas"))
}

func (f *fake) Signal(id int64, ev txn.Signal, done func(*txn.Global, error)) { f.apply(id, ev, done) }

func (f *fake) MoveSaga(
	id int64, _ uint32, judge func(*txn.Global, txn.Millis) (txn.Move, error), done func(*txn.Global, error),
) {
	f.Get(id, func(g *txn.Global, err error) {
		if err == nil {
			_, err = judge(g, f.now)
		}
		done(g, err)
	})
}

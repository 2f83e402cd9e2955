//go:build parts

package main

import (
	"net/http"
	"testing"
	"time"
)

func TestAWorkerAtOneNodeDoesTheStepsOfAnother(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared)
	a := publishFulfil(t, s.node("a"))
	b := desk{s.node("b")}
	a.sees("b", "alive")

	// It polls before the run begins, so that the task comes at once.
	got := make(chan map[string]any)
	go func() { got <- b.take("charge") }()
	a.until(`"nodes":["b"]`, func() string {
		_, text := a.get("/api/v1/sagas/tasks")
		return text
	})
	began := time.Now()
	xid := a.run("o-1")
	charge := <-got
	t.Logf("a task came to the worker at another node after %v", time.Since(began).Round(time.Millisecond))
	a.end(charge, "done", `{"result":{"payment":"p-1"}}`, http.StatusOK) // at the other node than it was given

	// What is parked at one node goes to the other as soon as a worker polls there.
	a.until(`"task":"ship"`, func() string {
		_, text := a.get("/api/v1/sagas/tasks")
		return text
	})
	began = time.Now()
	ship := b.take("ship")
	t.Logf("a task that was parked came after %v", time.Since(began).Round(time.Millisecond))
	b.end(ship, "refused", `{"reason":"sold out"}`, http.StatusOK)
	b.end(b.take("refund"), "done", ``, http.StatusOK)
	a.becomes(xid, "RolledBack")
	b.becomes(xid, "RolledBack")
}

func TestTheTasksOfAKilledNodeAreDone(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared)
	a := publishFulfil(t, s.node("a"))
	b := desk{s.node("b")}
	a.sees("b", "alive")
	first, second := a.run("o-1"), a.run("o-2")
	leased := a.take("charge") // the other one is parked there
	a.kill()
	b.end(leased, "done", `{"result":{"payment":"p-1"}}`, http.StatusOK)
	for range 2 {
		for _, task := range []string{"charge", "ship"} {
			if task == "charge" && leased != nil {
				leased = nil
				continue // done
			}
			b.end(b.take(task), "done", `{"result":{"payment":"p"}}`, http.StatusOK)
		}
	}
	b.becomes(first, "Committed")
	b.becomes(second, "Committed")
}

package tasks

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/concord-tx/concord/orchestrator"
	"github.com/concord-tx/concord/orchestrator/txn"
)

func TestTenThousandAreParkedAndGivenInOrder(t *testing.T) {
	t.Parallel()
	q, command := newStill()
	const n = 10_000
	names := []string{"a", "b", "c", "d"}
	for i := range int64(n) {
		cmd := command(i + 1)
		cmd.Resource, cmd.Application = names[i%4], names[i/7%3]
		if err := q.Send(cmd); err != nil {
			t.Fatal(err)
		}
	}
	if v := q.Views(); len(v) != 4 || v[2].Parked != n/4 || v[2].Waiting != 0 || v[2].Oldest == 0 {
		t.Fatalf("%+v", v)
	}
	var got []int64
	for len(got) < n {
		batch, err := q.Poll(context.Background(), orchestrator.TaskPoll{Tasks: names, Max: 100})
		if err != nil || len(batch.Tasks) == 0 {
			t.Fatal(err, len(got))
		}
		for _, task := range batch.Tasks {
			got = append(got, task.ID.Global)
		}
		if len(got)%300 == 0 && len(got) < n/2 {
			batch.Settle(false)
			got = got[:len(got)-100]
			more, err := q.Poll(context.Background(), orchestrator.TaskPoll{Tasks: names, Max: 100})
			if err != nil {
				t.Fatal(err)
			}
			for _, task := range more.Tasks {
				got = append(got, task.ID.Global)
			}
		}
	}
	if !slices.IsSorted(got) || got[n-1] != n {
		t.Error("not first come, first served")
	}
}

func TestNothingIsLostOrDoubledAmongManyWorkers(t *testing.T) {
	t.Parallel()
	q, command := newStill()
	const n, workers = 5000, 16
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	type got struct {
		id   int64
		name string
	}
	ended := make(chan got, n*2)
	names := []string{"a", "b", "c"}
	for w := range workers {
		go func() {
			for i := 0; ctx.Err() == nil; i++ {
				poll := orchestrator.TaskPoll{Tasks: names[w%3:], Max: 1 + w, Wait: time.Duration(w%3) * time.Second}
				if w%4 == 1 {
					poll.Applications = []string{"x"}
				}
				batch, err := q.Poll(ctx, poll)
				if err != nil {
					return
				}
				if i%5 == 4 {
					batch.Settle(false)
					continue
				}
				batch.Settle(true)
				for _, task := range batch.Tasks {
					if w%4 == 1 && task.Command.Application != "x" {
						t.Error("a restricted worker got a task of another application")
					}
					if _, err := q.End(ctx, task.ID, txn.Reply{Result: txn.ResultDone}); err == nil {
						ended <- got{task.ID.Global, task.Command.Resource}
					}
				}
			}
		}()
	}
	for i := range int64(n) {
		cmd := command(i + 1)
		cmd.Resource, cmd.Application = names[i%3], []string{"x", "y"}[i%2]
		if err := q.Send(cmd); err != nil {
			t.Fatal(err)
		}
		if i%100 == 0 {
			q.Tick()
		}
	}
	seen := map[int64]bool{}
	timeout := time.After(30 * time.Second)
	for len(seen) < n {
		select {
		case x := <-ended:
			if seen[x.id] {
				t.Fatalf("task %d was given twice", x.id)
			}
			seen[x.id] = true
		case <-timeout:
			t.Fatalf("%d of %d were done: %+v", len(seen), n, q.Numbers())
		}
	}
	if c := q.Numbers(); c.Parked != 0 || c.ParkedBytes != 0 || c.Leased != 0 {
		t.Errorf("%+v", c)
	}
}

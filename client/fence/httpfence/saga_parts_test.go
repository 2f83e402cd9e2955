//go:build parts

package httpfence_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/concord-tx/concord/client/api"
	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/client/fence/httpfence"
	"github.com/concord-tx/concord/client/fence/sqlfence"
	"github.com/concord-tx/concord/client/saga"
)

// reservations is a service with steps of sagas: a reservation is a row, whose number is the step's output.
func (p *participant) reservations(t *testing.T) {
	t.Helper()
	const table = "CREATE TABLE place (id INT AUTO_INCREMENT PRIMARY KEY, xid VARCHAR(128), branch BIGINT)"
	if _, err := p.db.Exec(table); err != nil {
		t.Fatal(err)
	}
	store, err := sqlfence.New(p.db, sqlfence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	answer := func(w http.ResponseWriter, r *http.Request, call httpfence.Call) {
		var id int
		err := p.db.QueryRowContext(r.Context(), "SELECT id FROM place WHERE xid = ? AND branch = ?", call.XID, call.Branch).
			Scan(&id)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]int{"place": id})
	}
	fenced := httpfence.Handler(store, httpfence.Options{
		Secrets: [][]byte{[]byte(secret)},
		Again: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if call, _ := httpfence.FromContext(r.Context()); call.Operation == "forward" {
				answer(w, r, call)
			}
		}),
	}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		call, _ := httpfence.FromContext(ctx)
		tx := sqlfence.Tx(ctx)
		var err error
		switch {
		case r.URL.Path == "/fail":
			http.Error(w, "no money", http.StatusConflict)
			return
		case call.Operation == "compensate" && r.Method == http.MethodDelete:
			_, err = tx.ExecContext(ctx, "UPDATE place SET id = -id WHERE xid = ? AND branch = ?", call.XID, call.Branch)
		case call.Operation == "forward":
			result, failure := tx.ExecContext(ctx, "INSERT INTO place (xid, branch) VALUES (?, ?)", call.XID, call.Branch)
			if err = failure; err == nil {
				id, _ := result.LastInsertId()
				_ = json.NewEncoder(w).Encode(map[string]int64{"place": id})
			}
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	p.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.loses(r) {
			fenced.ServeHTTP(w, r)
			return
		}
		fenced.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	})
}

// TestStepsOfASagaAreEachDoneOnce: answers are lost, the output is that of the first, and what was done is undone once.
func TestStepsOfASagaAreEachDoneOnce(t *testing.T) {
	t.Parallel()
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	c := clienttest.Run(t, "--callback-secrets", secret, "--retry-first", "100ms", "--retry-max", "500ms")
	p := newParticipant(t)
	p.reservations(t)
	server, err := api.New(api.Options{Endpoints: []string{c.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	sagas := saga.NewClient(server)
	publish := func(name, last string) saga.Saga[map[string]any, map[string]any] {
		d, err := saga.Define(name).Step(
			saga.Do("reserve", saga.POST(p.server.URL+"/reserve", saga.Map{})).
				Compensate(saga.DELETE(p.server.URL+"/reserve")),
			saga.Do("last", saga.POST(p.server.URL+last, saga.Map{})).
				Compensate(saga.DELETE(p.server.URL+last)),
		).Output(saga.Map{"place": saga.E("steps.reserve.output.place")}).Build()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sagas.Publish(t.Context(), d, ""); err != nil {
			t.Fatal(err)
		}
		return saga.Of[map[string]any, map[string]any](sagas, name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	run := func(s saga.Saga[map[string]any, map[string]any]) (map[string]any, error) {
		p.mu.Lock()
		p.lose["/reserve"] = 2
		p.mu.Unlock()
		r, err := s.Start(ctx, "run", map[string]any{})
		if err != nil {
			t.Fatal(err)
		}
		return r.Await(ctx)
	}
	output, err := run(publish("good", "/reserve"))
	if err != nil || output["place"] != 1.0 {
		t.Errorf("the output is %v, %v", output, err)
	}
	var undone *saga.CompensatedError
	if _, err = run(publish("bad", "/fail")); !errors.As(err, &undone) {
		t.Errorf("the saga that cannot: %v", err)
	}
	rows, err := p.db.Query("SELECT id FROM place ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var places []int
	for rows.Next() {
		var id int
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		places = append(places, id)
	}
	if want := []int{-3, 1, 2}; !slices.Equal(places, want) {
		t.Errorf("places are %v; want %v", places, want)
	}
	if p.lost != 4 {
		t.Errorf("%d answers were lost", p.lost)
	}
}

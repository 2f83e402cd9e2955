//go:build parts

package httpfence_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"

	"github.com/concord-tx/concord/client/clienttest"
	"github.com/concord-tx/concord/client/fence/httpfence"
	"github.com/concord-tx/concord/client/fence/sqlfence"
)

// participant is a service with a fence in MariaDB, which the real coordinator calls.
type participant struct {
	db     *sql.DB
	server *httptest.Server

	mu   sync.Mutex
	lose map[string]int // answers to lose, by path: the work is done by then
	lost int
}

func newParticipant(t *testing.T) *participant {
	t.Helper()
	db, err := sql.Open("mysql", clienttest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for _, query := range []string{
		sqlfence.MySQL.Schema(""), "CREATE TABLE effect (branch BIGINT, operation VARCHAR(20), body VARCHAR(100))",
	} {
		if _, err := db.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	store, err := sqlfence.New(db, sqlfence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := &participant{db: db, lose: map[string]int{}}
	fenced := httpfence.Handler(store, httpfence.Options{Secrets: [][]byte{[]byte(secret)}}, http.HandlerFunc(p.work))
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.loses(r) {
			fenced.ServeHTTP(w, r)
			return
		}
		fenced.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(p.server.Close)
	return p
}

// loses reports whether the answer to a request gets lost.
func (p *participant) loses(r *http.Request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lose[r.URL.Path] == 0 {
		return false
	}
	p.lose[r.URL.Path]--
	p.lost++
	return true
}

// work is what the service does, in the local transaction of the fence.
func (p *participant) work(w http.ResponseWriter, r *http.Request) {
	call, _ := httpfence.FromContext(r.Context())
	body, err := io.ReadAll(r.Body)
	if err == nil {
		_, err = sqlfence.Tx(r.Context()).ExecContext(r.Context(), "INSERT INTO effect VALUES (?, ?, ?)",
			call.Branch, call.Operation, body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// effects lists what was done for a branch.
func (p *participant) effects(t *testing.T, branch int64) (all []string) {
	t.Helper()
	rows, err := p.db.Query("SELECT operation, body FROM effect WHERE branch = ?", branch)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var operation, body string
		if err := rows.Scan(&operation, &body); err != nil {
			t.Fatal(err)
		}
		all = append(all, operation+" "+body)
	}
	return all
}

// try sends the request of phase one, as the service that began the transaction does.
func (p *participant) try(ctx context.Context, t *testing.T, xid string, branch int64) int {
	t.Helper()
	u, err := url.Parse(p.server.URL + "/try")
	if err != nil {
		t.Fatal(err)
	}
	httpfence.Call{XID: xid, Branch: branch, Operation: "try"}.Name(u)
	body := []byte(`{"sku":7}`)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	httpfence.Sign(r, body, []byte(secret), time.Now())
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	return answer.StatusCode
}

// post asks the coordinator and reads its answer.
func post(t *testing.T, method, url, body string) (answer struct {
	XID, ID, Status string
	Branches        []struct{ ID string }
}) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", fmt.Sprint(time.Now().UnixNano()))
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Body.Close() }()
	text, err := io.ReadAll(a.Body)
	if err != nil || a.StatusCode >= 300 {
		t.Fatalf("%s: %d %s, %v", url, a.StatusCode, text, err)
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatalf("%s: %s: %v", url, text, err)
	}
	return answer
}

// TestTheCoordinatorsCallsAreEachDoneOnce: it signs them, it repeats those whose answer was lost, and a try that comes
// after its cancel is refused.
func TestTheCoordinatorsCallsAreEachDoneOnce(t *testing.T) {
	t.Parallel()
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	c := clienttest.Run(t, "--callback-secrets", secret, "--retry-first", "100ms", "--retry-max", "500ms")
	p := newParticipant(t)
	api := c.URL() + "/api/v1/transactions"
	begin := func() (xid, id string, branch int64) {
		g := post(t, http.MethodPost, api, fmt.Sprintf(`{"application": "shop", "name": "buy", "branches": [{"kind": "tcc",
			"confirmUrl": "%[1]s/confirm", "cancelUrl": "%[1]s/cancel", "payload": {"sku": 7}}]}`, p.server.URL))
		branch, err := strconv.ParseInt(g.Branches[0].ID, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return g.XID, g.ID, branch
	}
	end := func(id, how, want string) {
		t.Helper()
		post(t, http.MethodPost, api+"/"+id+"/"+how, "")
		clienttest.Eventually(t, id+" is "+want, func() bool {
			return post(t, http.MethodGet, api+"/"+id, "").Status == want
		})
	}
	for how, want := range map[string][2]string{"commit": {"confirm", "Committed"}, "rollback": {"cancel", "RolledBack"}} {
		xid, id, branch := begin()
		for range 2 {
			if code := p.try(t.Context(), t, xid, branch); code != http.StatusOK {
				t.Fatalf("try: %d", code)
			}
		}
		p.mu.Lock()
		p.lose["/"+want[0]] = 2
		p.mu.Unlock()
		end(id, how, want[1])
		got, all := p.effects(t, branch), []string{`try {"sku":7}`, want[0] + ` {"sku":7}`}
		if fmt.Sprint(got) != fmt.Sprint(all) {
			t.Errorf("%s: effects are %q", how, got)
		}
	}
	xid, id, branch := begin()
	end(id, "rollback", "RolledBack")
	if code := p.try(t.Context(), t, xid, branch); code != http.StatusConflict {
		t.Errorf("a try after its cancel: %d", code)
	}
	if got := p.effects(t, branch); got != nil {
		t.Errorf("effects are %q", got)
	}
	if p.lost != 4 {
		t.Errorf("%d answers were lost", p.lost)
	}
}

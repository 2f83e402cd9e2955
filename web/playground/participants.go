package playground

import (
	"encoding/json"
	"hash/fnv"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Path is where the participants are.
const Path = "/playground/participants/"

// What can go wrong with a transaction or a saga.
const (
	None    = "none"
	Refuse  = "refuse"  // a participant says that it can never be done
	Unknown = "unknown" // the first answers are errors: it may have been done or not
	Slow    = "slow"    // answers take their time
	Timeout = "timeout" // the first answer does not come in time
	Crash   = "crash"   // whoever acts goes away in the middle
	Stuck   = "stuck"   // what has to be done is refused for ever, so that a person is needed
)

// Bounds of the participants.
const (
	slowMax    = 30 * time.Second
	waitersMax = 256
	tooLong    = 20 * time.Second // longer than any sample waits
)

// Participants answers the calls to the services that take part in samples. What they do is said by their URLs: fail is
// what goes wrong, seconds how long slow is. They keep nothing, so that all of it goes on after a restart.
func (p *Playground) Participants() http.Handler {
	var mu sync.Mutex
	waiting := 0
	wait := func(r *http.Request, d time.Duration) bool {
		mu.Lock()
		full := waiting >= waitersMax
		if !full {
			waiting++
		}
		mu.Unlock()
		if full {
			return false
		}
		defer func() {
			mu.Lock()
			waiting--
			mu.Unlock()
		}()
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return true
		case <-r.Context().Done(): // whoever called has given up
		case <-p.ended:
		}
		return false
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Concord-Xid") == "" {
			say(w, http.StatusBadRequest, map[string]any{"detail": "this service takes part in transactions only"})
			return
		}
		attempt, _ := strconv.Atoi(r.Header.Get("Concord-Attempt")) // 0 if there is none
		q := r.URL.Query()
		switch q.Get("fail") {
		case Refuse, Stuck:
			say(w, http.StatusConflict, map[string]any{"detail": why(r) + " was refused: not today"})
			return
		case Unknown:
			if attempt <= 2 {
				say(w, http.StatusServiceUnavailable, map[string]any{"detail": why(r) + " is not there at the moment"})
				return
			}
		case Crash:
			if attempt <= 2 {
				panic(http.ErrAbortHandler) // the connection ends, as when a process does
			}
		case Timeout:
			if attempt <= 1 {
				wait(r, tooLong)
				say(w, http.StatusServiceUnavailable, map[string]any{"detail": why(r) + " took too long"})
				return
			}
		case Slow:
			seconds, _ := strconv.Atoi(q.Get("seconds"))
			if !wait(r, min(max(time.Duration(seconds)*time.Second, time.Second), slowMax)) {
				say(w, http.StatusServiceUnavailable, map[string]any{"detail": why(r) + " has too much to do"})
				return
			}
		}
		say(w, http.StatusOK, booking(r, attempt))
	})
}

// why names the service in a sentence.
func why(r *http.Request) string { return "sample service " + service(r) }

func service(r *http.Request) string { return strings.TrimPrefix(r.URL.Path, Path) }

// booking is what is answered when it is done: always the same for one branch.
func booking(r *http.Request, attempt int) map[string]any {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(r.Header.Get("Concord-Xid") + "/" + r.Header.Get("Concord-Branch"))) // never fails
	n := sum.Sum32()
	state := "open"
	if attempt%2 == 0 || n%3 == 0 {
		state = "settled"
	}
	name := service(r)
	return map[string]any{
		"id":    strings.ToUpper(name[:min(2, len(name))]) + "-" + strconv.FormatUint(uint64(n%100_000), 10),
		"price": 40 + n%400, "state": state,
	}
}

func say(w http.ResponseWriter, status int, body map[string]any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if status >= http.StatusBadRequest {
		h.Set("Content-Type", "application/problem+json")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // whoever does not read it asks again
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fragile is a state machine of Seata that is killed wherever it may be.
const fragile = `{"Name": "fragile", "StartState": "Take", "States": {
  "Take": {"Type": "ServiceTask", "ServiceName": "stock", "ServiceMethod": "take", "CompensateState": "PutBack",
    "Input": ["$.[order]"], "Catch": [CATCH], "Next": "Pay"},
  "Pay": {"Type": "ServiceTask", "ServiceName": "bank", "ServiceMethod": "pay", "CompensateState": "Refund",
    "Input": ["$.[order]"], "Catch": [CATCH], "Next": "Done"},
  "PutBack": {"Type": "ServiceTask", "ServiceName": "stock", "ServiceMethod": "putBack", "Input": ["$.[order]"]},
  "Refund": {"Type": "ServiceTask", "ServiceName": "bank", "ServiceMethod": "refund", "Input": ["$.[order]"]},
  "Undo": {"Type": "CompensationTrigger", "Next": "Failed"},
  "Failed": {"Type": "Fail", "ErrorCode": "NO", "Message": "not ordered"}, "Done": {"Type": "Succeed"}}}`

// trader has the services of the machine. An order is called by where the server is to die: "pay-before" in the call
// of pay, before that has an effect.
type trader struct {
	*httptest.Server
	mu      sync.Mutex
	calls   map[string]int      // by order and service
	known   map[string]string   // requests by their keys
	effects map[string][]string // by order
	there   chan string         // orders that are where the server is to die
}

func newTrader(t *testing.T) *trader {
	t.Helper()
	s := &trader{
		calls: map[string]int{}, known: map[string]string{}, effects: map[string][]string{},
		there: make(chan string, len(deaths())),
	}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *trader) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var order [1]string
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &order)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	service := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	key, request := r.Header.Get("Idempotency-Key"), r.Method+" "+r.URL.Path+" "+string(body)
	dies, when, _ := strings.Cut(order[0], "-")
	s.mu.Lock()
	s.calls[order[0]+" "+service]++
	first := s.calls[order[0]+" "+service] == 1 && dies == service
	broken := service == "pay" && (dies == "refund" || dies == "putBack")
	strange := s.known[key] != "" && s.known[key] != request
	if !(first && when == "before") && !broken && s.known[key] == "" {
		s.known[key] = request
		s.effects[order[0]] = append(s.effects[order[0]], service)
	}
	s.mu.Unlock()
	switch {
	case first:
		s.there <- order[0]
		<-r.Context().Done() // until the server dies
	case strange: // a key is for one request
		w.WriteHeader(http.StatusUnprocessableEntity)
	case broken:
		w.WriteHeader(http.StatusInternalServerError)
	default:
		_, _ = io.WriteString(w, "true")
	}
}

// deaths are all the places.
func deaths() (all []string) {
	for _, service := range []string{"take", "pay", "refund", "putBack"} {
		all = append(all, service+"-before", service+"-after")
	}
	return all
}

// TestAMachineGoesOnWhereverTheServerDies kills the server in each call, before and after it had its effect, and has
// the runs go on.
func TestAMachineGoesOnWhereverTheServerDies(t *testing.T) {
	t.Parallel()
	const gone, halfGone = "UN SU", "UN UN" // Seata's statuses; the core does the rest of what is UN
	for attempts, want := range map[int]map[string]string{
		1: { // a lost answer is a timeout, and what may have been done is undone
			"take-before": gone + ": putBack", "take-after": gone + ": take putBack",
			"pay-before": gone + ": take refund putBack", "pay-after": gone + ": take pay refund putBack",
			"refund-before": halfGone + ": take refund putBack", "refund-after": halfGone + ": take refund putBack",
			"putBack-before": halfGone + ": take refund putBack", "putBack-after": halfGone + ": take refund putBack",
		},
		3: { // it is asked again, as the same call
			"take-before": "SU: take pay", "take-after": "SU: take pay", "pay-before": "SU: take pay",
			"pay-after":     "SU: take pay",
			"refund-before": gone + ": take refund putBack", "refund-after": gone + ": take refund putBack",
			"putBack-before": gone + ": take refund putBack", "putBack-after": gone + ": take refund putBack",
		},
	} {
		t.Run(fmt.Sprint(attempts, " attempts"), func(t *testing.T) {
			t.Parallel()
			s, data := newTrader(t), t.TempDir()
			p := start(t, data, "--dev", "--retry-first", "100ms", "--retry-max", "300ms")
			p.post("POST", "/sagas/definitions", seataMachine(fragile, fmt.Sprintf(
				"default: {call: {url: '%s/{service}/{method}'}, timeout: 5s, attempts: %d}\n", s.URL, attempts)), nil)
			ids := map[string]string{}
			for _, order := range deaths() {
				ids[order] = p.run("fragile", order, `{"order":"`+order+`"}`)
			}
			for there := []string{}; len(there) < len(deaths()); {
				select {
				case order := <-s.there:
					there = append(there, order)
				case <-time.After(patience):
					t.Fatalf("only %q are where they should be:\n%s", there, p.logs())
				}
			}
			p.kill()
			p = start(t, data, "--dev", "--retry-first", "100ms", "--retry-max", "300ms")
			got := map[string]string{}
			for _, order := range deaths() {
				seata, _, _ := strings.Cut(want[order], ":")
				status := "RolledBack"
				if seata == "SU" {
					status = "Committed"
				}
				p.endsAs(ids[order], status, seata)
				if again := p.run("fragile", order, `{"order":"`+order+`"}`); again != ids[order] {
					t.Errorf("%s is begun again: %s", order, again)
				}
				s.mu.Lock()
				got[order] = seata + ": " + strings.Join(s.effects[order], " ")
				s.mu.Unlock()
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			for what, n := range s.calls { // what has answered is not asked again
				order, service, _ := strings.Cut(what, " ")
				most := 1
				if dies, _, _ := strings.Cut(order, "-"); dies == service && (attempts > 1 || want[order][:5] == halfGone) {
					most = 2
				}
				if n != most {
					t.Errorf("%s was called %d times, not %d", what, n, most)
				}
			}
		})
	}
}

package playground

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// begun is what the API answers to a begin.
type begun struct {
	XID string `json:"xid"`
	ID  string `json:"id"`
}

// at is the URL of a participant with which something goes wrong. Those that are silent, late or broken have an origin
// of their own: the coordinator leaves such an origin alone for a while, and the others are not to wait for that.
func (p *Playground) at(service, failure string, seconds int) string {
	base := p.o.Base
	switch failure {
	case "", None:
		return base + Path + service
	case Unknown, Slow, Timeout, Crash:
		base = p.shaky
	}
	address := base + Path + service
	q := url.Values{"fail": {failure}}
	if failure == Slow {
		q.Set("seconds", strconv.Itoa(seconds))
	}
	return address + "?" + q.Encode()
}

// shakyOf is another name of the same address, so that it counts as another origin; base itself if there is none.
func shakyOf(base string) string {
	if rest, ok := strings.CutPrefix(base, "http://127.0.0.1:"); ok {
		return "http://localhost:" + rest
	}
	return base
}

// slowness is how many seconds slow ones take. Where the seconds are those of the run, it is less than anybody waits.
func (r *run) slowness() int {
	if r.scenario.Timed {
		return 2
	}
	return r.wish.Seconds
}

// work is what an application does between begin and end: it takes some time.
func work(ctx context.Context) bool {
	return pause(ctx, 100*time.Millisecond+rand.N(900*time.Millisecond))
}

// atOnce does several things and waits for all of them.
func atOnce(todo []func() error) error {
	var group sync.WaitGroup
	errs := make([]error, len(todo))
	for i, do := range todo {
		group.Go(func() { errs[i] = do() })
	}
	group.Wait()
	return errors.Join(errs...)
}

func (p *Playground) tcc(ctx context.Context, r *run, _ int) error {
	return p.order(ctx, r, r.wish.Failure)
}

func (p *Playground) stuck(ctx context.Context, r *run, _ int) error { return p.order(ctx, r, Stuck) }

func (p *Playground) message(ctx context.Context, r *run, _ int) error {
	return p.deliver(ctx, r, r.wish.Failure)
}

// order is a transaction of a shop with two TCC branches and a message to whom it may concern.
func (p *Playground) order(ctx context.Context, r *run, failure string) error {
	number, timeout, payment := 1000+rand.IntN(9000), 30_000, failure
	switch failure {
	case Refuse: // the try was refused, so the shop rolls back
		payment = None
	case Crash: // the shop begins and is never heard of again
		payment, timeout = None, 5000
	}
	request := map[string]any{
		"application": "sample-shop", "group": "sample_tx_group", "name": "placeOrder", "timeoutMs": timeout,
		"data": map[string]any{"order": number},
		"branches": []map[string]any{
			{
				"kind": "tcc", "confirmUrl": p.at("stock/confirm", None, 0), "cancelUrl": p.at("stock/cancel", None, 0),
				"payload": map[string]any{"order": number, "sku": "tea-" + strconv.Itoa(number%7), "pieces": 1 + number%3},
			},
			{
				"kind": "tcc", "confirmUrl": p.at("payments/confirm", payment, r.slowness()),
				"cancelUrl": p.at("payments/cancel", None, 0), "timeoutMs": 4000,
				"retry":   map[string]any{"firstMs": 500, "maxMs": 3000},
				"payload": map[string]any{"order": number, "amount": number%300 + 5, "card": "4111 1111 1111 1111"},
			},
			{"kind": "topic", "topic": "sample-orders", "payload": map[string]any{"order": number}},
		},
	}
	var g begun
	if err := p.api.ask(ctx, "POST", "/transactions", request, &g); err != nil {
		return err
	}
	r.begun(g.XID)
	if failure == Crash || !work(ctx) {
		return nil
	}
	end := "/commit"
	if failure == Refuse {
		end = "/rollback"
	}
	err := p.api.ask(ctx, "POST", "/transactions/"+g.ID+end, map[string]any{"waitMs": 0}, nil)
	if refusedAs(err, "otherOutcomeDecided") { // its time was over
		return nil
	}
	return err
}

// deliver is a two-phase message: prepared, then submitted or withdrawn, or its sender is asked.
func (p *Playground) deliver(ctx context.Context, r *run, failure string) error {
	number, check, delivery := 1000+rand.IntN(9000), None, failure
	switch failure {
	case Refuse:
		delivery = None
	case Crash: // it is asked whether it has done its own work, and has not
		delivery, check = None, []string{None, Refuse}[rand.IntN(2)]
	}
	request := map[string]any{
		"application": "sample-shop", "group": "sample_tx_group", "name": "orderPlaced", "timeoutMs": 4000,
		"check": map[string]any{"url": p.at("shop/check", check, 0)},
		"deliveries": []map[string]any{
			{
				"url": p.at("points/add", delivery, r.slowness()), "timeoutMs": 4000,
				"payload": map[string]any{"order": number, "points": number % 50},
			},
			{"topic": "sample-mails", "payload": map[string]any{"order": number, "to": "customer@shop.example"}},
		},
	}
	var g begun
	if err := p.api.ask(ctx, "POST", "/messages", request, &g); err != nil {
		return err
	}
	r.begun(g.XID)
	if failure == Crash || !work(ctx) {
		return nil
	}
	end := "/submit"
	if failure == Refuse {
		end = "/withdraw"
	}
	err := p.api.ask(ctx, "POST", "/messages/"+g.ID+end, nil, nil)
	if refusedAs(err, "otherOutcomeDecided") { // it was asked about meanwhile
		return nil
	}
	return err
}

// job has what is stuck tried again, as people do it for many at once: planned first, then started with a reason.
func (p *Playground) job(ctx context.Context) error {
	var planned struct {
		ID, Digest string
		Total      int
	}
	err := p.api.ask(ctx, "POST", "/jobs", map[string]any{
		"action": "retry", "filter": map[string]any{"stuck": true, "application": "sample-shop"}, "ratePerSecond": 1,
	}, &planned)
	if err != nil || planned.Total == 0 {
		return err
	}
	return p.api.ask(ctx, "POST", "/jobs/"+planned.ID+"/start", map[string]any{
		"digest": planned.Digest, "reason": "the playground tries what is stuck again",
	}, nil)
}

// letterGroup is the consumer that cannot handle its events.
const letterGroup = "sample-mailer"

// letterTopic is what it reads.
const letterTopic = "sample-letters"

// deadLetters has a consumer refuse its events until they are put aside.
func deadLetters(ctx context.Context, p *Playground, r *run) error {
	const group = "/events/groups/" + letterGroup
	subscription := map[string]any{"topics": []string{letterTopic}, "from": "next"}
	if err := p.api.ask(ctx, "PUT", group, subscription, nil); err != nil {
		return err
	}
	before, err := p.letters(ctx, group)
	if err != nil {
		return err
	}
	count := min(max(r.wish.Count, 1), 20)
	if r.scenario.Name == "everything" {
		count = 2
	}
	for i := range count {
		var g begun
		err := p.api.ask(ctx, "POST", "/transactions", map[string]any{
			"application": "sample-shop", "name": "welcome", "timeoutMs": 30_000,
			"branches": []map[string]any{{
				"kind": "topic", "topic": letterTopic, "payload": map[string]any{"to": fmt.Sprintf("customer-%d@", i)},
			}},
		}, &g)
		if err == nil {
			r.begun(g.XID)
			err = p.api.ask(ctx, "POST", "/transactions/"+g.ID+"/commit", map[string]any{"waitMs": 0}, nil)
		}
		if err != nil {
			return err
		}
	}
	return p.refuseAll(ctx, group, before+count)
}

// letters counts the dead letters of a group.
func (p *Playground) letters(ctx context.Context, group string) (int, error) {
	var letters struct {
		Items []struct{} `json:"items"`
	}
	err := p.api.ask(ctx, "GET", group+"/deadletters?limit=1000", nil, &letters)
	return len(letters.Items), err
}

// refuseAll takes events of a group and gives them back as failed until it has so many dead letters, for half a minute.
func (p *Playground) refuseAll(ctx context.Context, group string, count int) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if letters, err := p.letters(ctx, group); err != nil || letters >= count {
			return err
		}
		var polled struct {
			Items []struct {
				Delivery string `json:"delivery"`
			} `json:"items"`
		}
		if err := p.api.ask(ctx, "POST", group+"/poll?wait=2s&limit=50", nil, &polled); err != nil {
			return err
		}
		if len(polled.Items) == 0 {
			continue
		}
		var deliveries []string
		for _, item := range polled.Items {
			deliveries = append(deliveries, item.Delivery)
		}
		err := p.api.ask(ctx, "POST", group+"/nack", map[string]any{
			"deliveries": deliveries, "reason": "550 no such mailbox: the address has no host",
		}, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

//go:build parts

package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/mq"
)

// TestServicesOfSeataAreAskedOnABroker: they are answered on a topic, whichever node asked and whichever is left.
func TestServicesOfSeataAreAskedOnABroker(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared)
	bindings := letterBindings
	var topics []string
	for _, name := range []string{"stock", "stock-back", "bank", "bank-back", "mails"} {
		topic := s.topic(s.name + "-" + strings.ReplaceAll(name, "-", ""))
		bindings = strings.NewReplacer("topic: "+name+",", "topic: "+topic+",", "topic: "+name+"}", "topic: "+topic+"}").
			Replace(bindings)
		topics = append(topics, topic)
	}
	bindings = strings.ReplaceAll(bindings, "reply: ", "reply: "+s.name+"-")
	stock := func(order string) string { return fmt.Sprintf(`stock forward [%q,{"count":2}]`, order) }
	bank := func(order string) string { return fmt.Sprintf(`bank forward [%q]`, order) }
	refund := func(order string) string { return fmt.Sprintf(`bankback compensate [%q]`, order) }
	c := s.clerk(topics...)
	done := []string{"done"}
	c.tell = map[string][]string{
		stock("twice"): {"done", "done"}, bank("twice"): {"ongoing", "done"},
		stock("refused"): done, bank("refused"): {"refused"}, refund("refused"): done,
		stock("cancel"): done, refund("cancel"): done,
		bank("orphan"):                done,
		`stockback compensate ["A4"]`: done,
	}
	a, b := s.node("a"), s.node("b")
	a.post("POST", "/sagas/definitions", seataMachine(letters, bindings), nil)
	run := func(order string) string { return a.run("letters", order, fmt.Sprintf(`{"order":%q}`, order)) }
	twice, refused, cancelled, orphan := run("twice"), run("refused"), run("cancel"), run("orphan")
	v := b.endsAs(twice, "Committed", "SU")
	if diff := cmp.Diff([]string{"Reserve done 1", "Pay done 1", "Tell done 1"}, stepsOf(v)); diff != "" {
		t.Error(diff)
	}
	v = b.endsAs(refused, "RolledBack", "UN SU")
	want := []string{"Reserve done 1", "Pay done 1", "Pay~Refund done 1", "Reserve~PutBack done 1"}
	if diff := cmp.Diff(want, stepsOf(v)); diff != "" ||
		!strings.HasPrefix(v.Steps[1].Failure, "java.lang.IllegalStateException") {
		t.Errorf("%s %+v", diff, v.Steps[1])
	}
	late := c.asked(bank("cancel"))
	b.post("POST", "/sagas/runs/"+cancelled+"/cancel", `{"reason":"no need"}`, nil)
	c.reply(late, "done") // it has run meanwhile, and is undone
	v = b.endsAs(cancelled, "RolledBack", "")
	want = []string{"Reserve done 1, undo done 1", "Pay done 1, undo done 1"}
	if diff := cmp.Diff(want, stepsOf(v)); diff != "" {
		t.Error(diff)
	}

	c.asked(`mails forward [{"place":"A4"}]`) // which nobody answers
	m := c.asked(stock("orphan"))
	a.kill()
	c.reply(m, "done")
	b.endsAs(orphan, "Committed", "SU")
	for what, want := range map[string]int{
		stock("twice"): 1, bank("twice"): 1, stock("orphan"): 1, bank("orphan"): 1,
		refund("refused"): 1, refund("cancel"): 1, `stockback compensate ["A4"]`: 2, // of two runs
	} {
		if n := c.times(what); n != want {
			t.Errorf("%s: %d messages, want %d; the clerk has %q", what, n, want, c.got)
		}
	}
	if m.GetTags() != "eu" || m.GetProperty(mq.PropertySaga) != "letters" ||
		m.GetProperty(mq.PropertyStep) != "Reserve" {
		t.Errorf("%s", m)
	}
}

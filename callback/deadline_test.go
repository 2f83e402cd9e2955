package callback

import (
	"net"
	"testing"
	"time"
)

// deadlines is a connection that notes what deadlines it gets.
type deadlines struct {
	net.Conn
	set []time.Time
}

func (d *deadlines) SetDeadline(at time.Time) error {
	d.set = append(d.set, at)
	return nil
}

func TestADeadlineStaysWhereItWillDo(t *testing.T) {
	t.Parallel()
	var d deadlines
	c := conn{Conn: &d}
	base := time.Now()
	for _, tt := range []struct {
		deadline, slack time.Duration
		want            int // how many were set until then
		armed           time.Duration
	}{
		{10 * time.Second, 500 * time.Millisecond, 1, 10500 * time.Millisecond},
		{10400 * time.Millisecond, 500 * time.Millisecond, 1, 10500 * time.Millisecond},
		{10500 * time.Millisecond, 500 * time.Millisecond, 1, 10500 * time.Millisecond},
		{10501 * time.Millisecond, 500 * time.Millisecond, 2, 11001 * time.Millisecond}, // else it would be too early
		{10501 * time.Millisecond, 499 * time.Millisecond, 3, 11 * time.Second},         // or too late
		{time.Second, 0, 4, time.Second},
		{time.Second, 0, 4, time.Second},
	} {
		c.arm(base.Add(tt.deadline), tt.slack)
		if len(d.set) != tt.want || !d.set[len(d.set)-1].Equal(base.Add(tt.armed)) || !c.armed.Equal(d.set[len(d.set)-1]) {
			t.Errorf("for %s it is %s, the %dth; want %s, the %dth", tt.deadline, d.set[len(d.set)-1].Sub(base), len(d.set),
				tt.armed, tt.want)
		}
	}
}

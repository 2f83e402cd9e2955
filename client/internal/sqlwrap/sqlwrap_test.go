package sqlwrap_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/concord-tx/concord/client/internal/sqlwrap"
)

// poor is a connection with nothing but what database/sql demands.
type poor struct{ closed *bool }

func (poor) Prepare(string) (driver.Stmt, error) { return nil, errors.New("unused") }
func (poor) Begin() (driver.Tx, error)           { return nil, errors.New("unused") }
func (p poor) Close() error                      { *p.closed = true; return nil }

type connector struct{ conn driver.Conn }

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.conn, nil }
func (connector) Driver() driver.Driver                          { return nil }

func TestAConnectionThatWouldLoseBehaviourIsRefusedAndClosed(t *testing.T) {
	t.Parallel()
	var closed bool
	_, err := sqlwrap.Connect(t.Context(), connector{poor{&closed}})
	if err == nil || !strings.Contains(err.Error(), "sqlwrap_test.poor") {
		t.Errorf("the error is %v, it should name the type", err)
	}
	if !closed {
		t.Error("the refused connection is still open")
	}
}

// rows yields numbers and then an error.
type rows struct {
	left   int
	end    error
	closed bool
}

func (r *rows) Columns() []string { return []string{"n"} }
func (r *rows) Close() error      { r.closed = true; return nil }
func (r *rows) Next(row []driver.Value) error {
	if r.left == 0 {
		return r.end
	}
	row[0] = int64(r.left)
	r.left--
	return nil
}

func TestDrainReadsAllAndAlwaysCloses(t *testing.T) {
	t.Parallel()
	broken, refused := errors.New("broken"), errors.New("refused")
	for _, c := range []struct {
		name    string
		end     error
		refuse  int64
		want    []int64
		wantErr error
	}{
		{"whole", io.EOF, 0, []int64{3, 2, 1}, nil},
		{"connection lost", broken, 0, []int64{3, 2, 1}, broken},
		{"reader refuses", io.EOF, 2, []int64{3}, refused},
	} {
		r := &rows{left: 3, end: c.end}
		var got []int64
		err := sqlwrap.Drain(r, func(row []driver.Value) error {
			if row[0] == c.refuse {
				return refused
			}
			got = append(got, row[0].(int64))
			return nil
		})
		if !errors.Is(err, c.wantErr) || c.wantErr == nil && err != nil {
			t.Errorf("%s: error %v, want %v", c.name, err, c.wantErr)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: rows (-want +got)\n%s", c.name, diff)
		}
		if !r.closed {
			t.Errorf("%s: the rows are still open", c.name)
		}
	}
}

func TestNamedCountsFromOne(t *testing.T) {
	t.Parallel()
	want := []driver.NamedValue{{Ordinal: 1, Value: "a"}, {Ordinal: 2, Value: nil}}
	if diff := cmp.Diff(want, sqlwrap.Named([]driver.Value{"a", nil})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

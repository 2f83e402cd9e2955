package propagation_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/propagation"
)

// seen returns a handler that answers the xid of its context.
func seen() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %d", client.XID(r.Context()), traceOf(r.Context()))
	})
}

func get(t testing.TB, c *http.Client, ctx context.Context, url string, header ...string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	before := r.Header.Clone()
	a, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(before) != fmt.Sprint(r.Header) {
		t.Errorf("the caller's headers became %v", r.Header)
	}
	return string(body)
}

func clientOf(t testing.TB, o propagation.Options) *http.Client {
	base := http.DefaultTransport.(*http.Transport).Clone()
	c := &http.Client{Transport: o.Transport(base)}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func TestServiceCallsService(t *testing.T) {
	t.Parallel()
	b := httptest.NewServer(propagation.Handler(seen()))
	defer b.Close()
	toB := clientOf(t, propagation.Options{})
	a := httptest.NewServer(propagation.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, get(t, toB, r.Context(), b.URL))
	})))
	defer a.Close()
	c := clientOf(t, propagation.Options{})
	if got := get(t, c, traced(client.WithXID(t.Context(), xid), 5), a.URL); got != xid+" 5" {
		t.Errorf("b saw %q", got)
	}
	if got := get(t, c, t.Context(), a.URL); got != " 0" {
		t.Errorf("b saw %q without a transaction", got)
	}
	if got := get(t, &http.Client{Transport: http.DefaultTransport}, t.Context(), a.URL, "TX_XID", xid); got != xid+" 0" {
		t.Errorf("b saw %q of a service of Seata", got)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestNoStrangerGetsTheXID(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	o := propagation.Options{
		Logger: slog.New(slog.NewTextHandler(&log, nil)), Only: propagation.Hosts("stock.example.com"),
	}
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header)
	}))
	defer stranger.Close()
	c := clientOf(t, o)
	ctx := traced(client.WithXID(t.Context(), xid), 5)
	for _, header := range [][]string{nil, {"TX_XID", xid}, {"Tx-Xid", xid, "TX_BRANCH_TYPE", "AT"}} {
		got := strings.ToLower(get(t, c, ctx, stranger.URL, header...))
		if strings.Contains(got, xid) || strings.Contains(got, "branch") || !strings.Contains(got, "traceparent") {
			t.Errorf("the stranger got %s", got)
		}
	}
	if !strings.Contains(log.String(), "xid is not sent to this host") {
		t.Errorf("logged %s", log.String())
	}
}

// A redirect goes on with the headers of the first request, and may lead to a stranger.
func TestRedirectDoesNotCarryTheXIDToAStranger(t *testing.T) {
	t.Parallel()
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header)
	}))
	defer stranger.Close()
	own := httptest.NewServer(propagation.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if client.XID(r.Context()) != xid {
			t.Errorf("own service saw %q", client.XID(r.Context()))
		}
		http.Redirect(w, r, strings.Replace(stranger.URL, "127.0.0.1", "localhost", 1), http.StatusFound)
	})))
	defer own.Close()
	c := clientOf(t, propagation.Options{Only: propagation.Hosts("127.0.0.1")})
	for _, header := range [][]string{nil, {"TX_XID", xid}} {
		if got := get(t, c, client.WithXID(t.Context(), xid), own.URL, header...); strings.Contains(got, xid) {
			t.Errorf("the stranger got %s", got)
		}
	}
}

func TestXIDIsTakenOnlyFromWhoIsAccepted(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	o := propagation.Options{
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Accept: func(_ context.Context, peer string) bool { return strings.HasPrefix(peer, "10.") },
	}
	for peer, want := range map[string]string{"10.1.2.3:4711": xid + " 0", "192.0.2.1:1234": " 0"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = peer
		r.Header.Set("TX_XID", xid)
		w := httptest.NewRecorder()
		o.Handler(seen()).ServeHTTP(w, r)
		if w.Body.String() != want {
			t.Errorf("%s: %q", peer, w.Body)
		}
	}
	if n := strings.Count(log.String(), "not accepted"); n != 1 {
		t.Errorf("logged %s", log.String())
	}
	log.Reset()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("TX_XID", "'; drop table")
	propagation.Options{Logger: o.Logger}.Handler(seen()).ServeHTTP(httptest.NewRecorder(), r)
	if text := log.String(); !strings.Contains(text, "xid is ignored") || strings.Contains(text, "drop") {
		t.Errorf("logged %s", text)
	}
}

func TestOwnHosts(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "stock": true, "stock.": true, "127.0.0.1": true, "::1": true, "[::1]": true, "10.2.3.4": true,
		"192.168.1.1": true, "172.16.0.1": true, "fd00::1": true, "169.254.1.1": true, "fe80::1%eth0": true,
		"::ffff:10.0.0.1": true, "stock.shop.svc": true, "stock.shop.svc.cluster.local": true, "db.internal": true,
		"STOCK.Local": true,
		"":            false, "example.com": false, "8.8.8.8": false, "2001:db8::1": false, "internal.example.com": false,
		"svc.com": false, "172.32.0.1": false, "::ffff:8.8.8.8": false, "local.example": false,
		"10.0.0.1.example.com": false,
	} {
		if got := propagation.Own(host); got != want {
			t.Errorf("%q: %t", host, got)
		}
	}
	only := propagation.Hosts("stock.example.com", "*.shop.example", "2001:DB8::1", "*evil.com")
	for host, want := range map[string]bool{
		"stock.example.com": true, "STOCK.example.com.": true, "a.shop.example": true, "a.b.shop.example": true,
		"2001:db8::1": true, "[2001:db8::1]": true,
		"shop.example": false, "evilshop.example": false, "xstock.example.com": false, "evil.com": false,
		"notevil.com": false,
		"localhost":   false, "": false, ".shop.example": false,
	} {
		if got := only(host); got != want {
			t.Errorf("listed, %q: %t", host, got)
		}
	}
}

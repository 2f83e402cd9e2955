package propagation_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/concord-tx/concord/client"
	"github.com/concord-tx/concord/client/propagation"
)

// Service A calls service B in its transaction: what B does with the request's context takes part.
func Example() {
	b := httptest.NewServer(propagation.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "B works in ", client.XID(r.Context()))
	})))
	defer b.Close()

	a := &http.Client{Transport: propagation.Transport(nil)}
	ctx := client.WithXID(context.Background(), "10.0.0.1:8091:4194305") // as in the work of tm's Run
	request, _ := http.NewRequestWithContext(ctx, http.MethodPost, b.URL, nil)
	answer, err := a.Do(request)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	fmt.Println(string(text))
	a.CloseIdleConnections()
	// Output: B works in 10.0.0.1:8091:4194305
}

// Services with public names are listed; everything else gets no xid.
func ExampleHosts() {
	o := propagation.Options{Only: func(host string) bool {
		return propagation.Own(host) || propagation.Hosts("*.shop.example")(host)
	}}
	fmt.Println(o.Only("stock.shop.example"), o.Only("stock"), o.Only("payments.example.com"))
	// Output: true true false
}

// attachments are what Dubbo carries beside a call; the same goes for anything else that this module does not know.
type attachments map[string]any

func (a attachments) Get(key string) string { s, _ := a[key].(string); return s }

func (a attachments) Set(key, value string) {
	if value == "" {
		delete(a, key)
		return
	}
	a[key] = value
}

// A carrier of one's own: a service of Seata's is called over Dubbo, and calls back.
func ExampleOptions_Inject() {
	o := propagation.Options{}
	ctx := client.WithXID(context.Background(), "10.0.0.1:8091:4194305")

	call := attachments{}
	o.Inject(ctx, call, "stock") // before the call to a provider
	fmt.Println(call["TX_XID"])

	fromJava := attachments{"TX_XID": "10.0.0.1:8091:4194306", "TX_BRANCH_TYPE": "AT"}
	fmt.Println(client.XID(o.Extract(context.Background(), fromJava, "10.0.0.9"))) // in a provider
	// Output:
	// 10.0.0.1:8091:4194305
	// 10.0.0.1:8091:4194306
}

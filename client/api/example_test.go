package api_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/concord-tx/concord/client/api"
)

// A route that has no package of its own.
func ExampleClient_Do() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprint(w, `{"code": "transactionNotFound", "title": "There is no such transaction."}`)
	}))
	defer server.Close()
	c, err := api.New(api.Options{Endpoints: []string{server.URL}})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	var out struct{ Status string }
	_, err = c.Do(context.Background(), api.Request{
		Method: http.MethodGet, Path: api.Path("transactions", "10.0.0.5:8091:7"),
	}, &out)
	fmt.Println(api.CodeOf(err))
	// Output: transactionNotFound
}

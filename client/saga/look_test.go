package saga

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/concord-tx/concord/client/api"
	"github.com/concord-tx/concord/saga/definition"
)

// answering is a client whose server answers everything with that text.
func answering(t *testing.T, text string) *Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(server.Close)
	c, err := api.New(api.Options{Endpoints: []string{server.URL}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return NewClient(c)
}

func TestALateRunSaysSo(t *testing.T) {
	t.Parallel()
	s, err := answering(t, `{"xid":"h:1:7","status":"Active","late":true,"lateMs":90500}`).Look(t.Context(), "h:1:7")
	if err != nil || !s.Late || s.LateMs != 90500 || s.Status != Active {
		t.Errorf("%+v %v", s, err)
	}
}

func TestAReviewSaysWhatWasExplored(t *testing.T) {
	t.Parallel()
	text := `{"name":"a","sound":true,"explored":{"states":9,"paths":2,"exhaustive":false,"part":"some paths"}}`
	r, err := answering(t, text).Review(t.Context(), &definition.Definition{Name: "a"})
	if err != nil || r.Explored.Part != "some paths" || r.Explored.Exhaustive {
		t.Errorf("%+v %v", r, err)
	}
}

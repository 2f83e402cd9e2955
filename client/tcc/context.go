package tcc

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"
)

// The names in application data. Seata 2.x Constants.java, but for Parameters, which Java has no name for: it puts each
// annotated parameter beside the others.
const (
	// ActionContext is the one name at the root of application data.
	ActionContext = "actionContext"
	// Parameters has the parameter of the action, as JSON.
	Parameters = "parameters"

	nameStart    = "action-start-time" // milliseconds since 1970
	nameAction   = "actionName"
	nameHost     = "host-name"
	nameFence    = "useTCCFence"
	nameTry      = "sys::prepare"
	nameConfirm  = "sys::commit"
	nameRollback = "sys::rollback"
	nameTrace    = "traceparent" // where Concord looks for a W3C trace context; not one of Seata's
)

// Context is what the functions of an action know of their branch. It may be used concurrently.
type Context struct {
	XID      string // the global transaction, host:port:number
	BranchID int64
	Action   string // the name of the action

	mu      sync.Mutex
	values  map[string]json.RawMessage
	trying  bool // values may be set
	changed bool
}

// Get reads a value of the action context into a pointer and reports whether there is one: what Try has set, the
// parameters of a service in Java, or one of Seata's own names.
func (c *Context) Get(name string, into any) (bool, error) {
	c.mu.Lock()
	value, ok := c.values[name]
	c.mu.Unlock()
	if !ok {
		return false, nil
	}
	if err := json.Unmarshal(value, into); err != nil {
		return true, fmt.Errorf("read %q of the action context: %w", name, err)
	}
	return true, nil
}

// Set keeps a value, as JSON, for Confirm and Cancel. Only Try can, until it returns. Confirm always finds it; Cancel
// does if Try has had an effect behind a fence, but not if it died before, or failed. The names that Seata uses are
// refused.
func (c *Context) Set(name string, value any) error {
	switch name {
	case Parameters, nameStart, nameAction, nameHost, nameFence, nameTry, nameConfirm, nameRollback, nameTrace, "":
		return fmt.Errorf("set %q of the action context: the name is taken", name)
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("set %q of the action context: %w", name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.trying {
		return fmt.Errorf("set %q of the action context: %w", name, errors.New("only Try can, until it returns"))
	}
	c.values[name], c.changed = raw, true
	return nil
}

// Began is when the branch began, by the clock of the service that did it; zero if it is not known.
func (c *Context) Began() time.Time {
	var ms int64
	if ok, err := c.Get(nameStart, &ms); !ok || err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// restart forgets what was set: Try is run again if its local transaction was rolled back for the sake of others.
func (c *Context) restart(values map[string]json.RawMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.values, c.changed, c.trying = maps.Clone(values), false, true
}

// seal forbids to set more and returns what there is, and whether Try has set something.
func (c *Context) seal() (map[string]json.RawMessage, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trying = false
	return c.values, c.changed
}

// begin returns the values of a new branch.
func begin[P any](
	action, host, trace string, fenced bool, now time.Time, p P,
) (map[string]json.RawMessage, error) {
	parameters, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("write the parameters: %w", err)
	}
	values := map[string]json.RawMessage{Parameters: parameters}
	own := map[string]any{
		nameStart: now.UnixMilli(), nameAction: action, nameHost: host, nameFence: fenced,
		nameTry: "try", nameConfirm: "confirm", nameRollback: "cancel",
	}
	if trace != "" {
		own[nameTrace] = trace
	}
	for name, value := range own {
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		values[name] = raw
	}
	return values, nil
}

// encode makes application data. Names are in alphabetical order, so the same values give the same text.
func encode(values map[string]json.RawMessage) (string, error) {
	text, err := json.Marshal(map[string]any{ActionContext: values})
	if err != nil {
		return "", fmt.Errorf("write the action context: %w", err)
	}
	return string(text), nil
}

// decode reads application data: the values, and the parameters of type P. Data of a service in Java has no Parameters;
// there each parameter is a value of its own, and together they are the fields of P.
func decode[P any](data string) (values map[string]json.RawMessage, p P, err error) {
	var root map[string]map[string]json.RawMessage
	if err := json.Unmarshal([]byte(data), &root); err != nil {
		return nil, p, fmt.Errorf("read the action context: %w", err)
	}
	values, ok := root[ActionContext]
	if !ok {
		return nil, p, fmt.Errorf("read the action context: there is no %q in the application data", ActionContext)
	}
	raw, ok := values[Parameters]
	if !ok {
		if raw, err = json.Marshal(values); err != nil {
			return nil, p, fmt.Errorf("read the action context: %w", err)
		}
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, p, fmt.Errorf("read the parameters: %w", err)
	}
	return values, p, nil
}

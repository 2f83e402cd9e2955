package validate

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/limits"
)

// subSagas looks for recursion, for sagas that are not published, and for inputs that do not fit.
func (c *checker) subSagas() {
	for i, s := range c.def.Steps {
		if s.Sub == nil || s.Sub.Saga == "" {
			continue
		}
		path := stepPath(i, "subSaga", "saga")
		if s.Sub.Saga == c.def.Name {
			c.find(RuleRecursion, path, "use forEach or repeat", "the saga starts itself")
			continue
		}
		if c.options.Sagas == nil {
			continue
		}
		child, ok := c.options.Sagas(s.Sub.Saga, s.Sub.Version)
		if !ok {
			c.find(RuleUnknownSaga, path, "correct the name, or publish it first; to verify, name its file, too",
				"there is no saga %q%s", s.Sub.Saga, version(s.Sub.Version))
			continue
		}
		seen := map[string]int{}
		switch way := c.below(child, []string{c.def.Name}, seen); {
		case len(way) > limits.SubSagaDepthMax:
			c.find(RuleRecursion, path, "nest less deep", "sagas are nested %d deep; %d are the most", len(way),
				limits.SubSagaDepthMax)
		case way != nil:
			c.find(RuleRecursion, path, "break the circle", "the saga starts itself: %s", strings.Join(way, ", "))
		}
		c.subInput(i, s.Sub, child)
	}
	if c.options.Sagas != nil && c.inAll(c.def, map[definition.Sub]int{}) > limits.StepsInAllMax {
		c.find(definition.RuleLimit, "/steps", "start sub-sagas less often, or by a loop",
			"there are more than %d steps with those of sub-sagas", limits.StepsInAllMax)
	}
}

// inAll counts the steps with those of sub-sagas, up to one more than there may be. It looks at each saga once; one
// that starts itself counts once.
func (c *checker) inAll(d *definition.Definition, known map[definition.Sub]int) int {
	n := len(d.Steps)
	for _, s := range d.Steps {
		if s.Sub == nil || s.Sub.Saga == "" {
			continue
		}
		key := definition.Sub{Saga: s.Sub.Saga, Version: s.Sub.Version}
		if _, ok := known[key]; !ok {
			known[key] = 0
			if child, ok := c.options.Sagas(s.Sub.Saga, s.Sub.Version); ok {
				known[key] = c.inAll(child, known)
			}
		}
		n = min(n+known[key], limits.StepsInAllMax+1)
	}
	return n
}

// pivotal returns a function that reports whether a sub-saga, as far as it is known, is not done without a pivot. It
// looks at each saga once; one that starts itself counts as having none.
func (o Options) pivotal() func(*definition.Sub) bool {
	known := map[definition.Sub]bool{}
	var pivotal func(s *definition.Sub) bool
	pivotal = func(s *definition.Sub) bool {
		key := definition.Sub{Saga: s.Saga, Version: s.Version}
		is, ok := known[key]
		if ok || o.Sagas == nil {
			return is
		}
		known[key] = false
		if child, ok := o.Sagas(s.Saga, s.Version); ok {
			known[key] = newGraph(child, pivotal).pivotal()
		}
		return known[key]
	}
	return pivotal
}

func version(n int) string {
	if n == 0 {
		return ""
	}
	return ", version " + strconv.Itoa(n)
}

// below follows sub-sagas. It returns the way if it comes back to its beginning, or is too long. Seen has how long the
// longest way was by which it has come to a saga behind which nothing was found: by a longer one it may be too deep.
func (c *checker) below(d *definition.Definition, way []string, seen map[string]int) []string {
	way = append(way, d.Name)
	if d.Name == way[0] || len(way) > limits.SubSagaDepthMax {
		return way
	}
	key := d.Name + "\x00" + d.Digest()
	if seen[key] >= len(way) {
		return nil
	}
	for _, s := range d.Steps {
		if s.Sub == nil {
			continue
		}
		if s.Sub.Saga == way[0] {
			return append(way, s.Sub.Saga)
		}
		if child, ok := c.options.Sagas(s.Sub.Saga, s.Sub.Version); ok {
			if found := c.below(child, way[:len(way):len(way)], seen); found != nil {
				return found
			}
		}
	}
	seen[key] = len(way)
	return nil
}

// subInput compares the keys that are written with those that the other saga requires and has.
func (c *checker) subInput(i int, sub *definition.Sub, child *definition.Definition) {
	if child.Input == nil || sub.Input != nil && sub.Input.Kind != definition.ValueObject {
		return
	}
	var schema struct {
		Required []string       `json:"required"`
		Fields   map[string]any `json:"properties"`
		Open     *bool          `json:"additionalProperties"`
	}
	if json.Unmarshal(child.Input.JSON, &schema) != nil {
		return
	}
	given := map[string]definition.Value{}
	path := stepPath(i, "subSaga")
	if sub.Input != nil {
		given = sub.Input.Object
		path += "/input"
	}
	for _, key := range schema.Required {
		if _, ok := given[key]; !ok {
			c.find(RuleSubInput, path, "add `"+key+":` to the input", "the saga %q needs %q in its input", sub.Saga, key)
		}
	}
	if schema.Open == nil || *schema.Open {
		return
	}
	var known []string
	for key := range schema.Fields {
		known = append(known, key)
	}
	for key := range given {
		if _, ok := schema.Fields[key]; !ok {
			c.find(RuleSubInput, path+"/"+key, meant(key, known, "remove it"), "the input of %q has no %q", sub.Saga, key)
		}
	}
}

package config

import (
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
)

// printWidth is where comments are wrapped.
const printWidth = 100

// Print writes the settings as YAML that can be read again, each with its documentation and origin. Secrets are left
// out; a comment stands in their place.
func (l *Loaded) Print(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# The effective configuration of `concord serve`. A file like this is read with --config FILE;\n")
	b.WriteString("# what it leaves out keeps its default. The environment overrules it, flags overrule both.\n")
	defaults := Default()
	group := ""
	for _, k := range Keys() {
		if k.Hidden {
			continue
		}
		indent := ""
		if g := k.Group(); g != "" {
			indent = "  "
			if g != group {
				fmt.Fprintf(&b, "\n# %s\n%s:", k.GroupDoc, g)
				group = g
			}
		}
		b.WriteString("\n")
		for _, line := range wrap(k.Doc, printWidth-len(indent)) {
			fmt.Fprintf(&b, "%s# %s\n", indent, line)
		}
		if !k.Secret {
			fmt.Fprintf(&b, "%s# Default %s. Flag --%s, environment %s.\n", indent, k.yaml(&defaults), k.Flag(), k.Env())
		} else {
			fmt.Fprintf(&b, "%s# Flag --%s, environment %s.\n", indent, k.Flag(), k.Env())
		}
		name := strings.TrimPrefix(k.Name, group+".")
		if k.Secret && len(k.Text(&l.Config)) > 0 {
			fmt.Fprintf(&b, "%s# %s: %s  # %s\n", indent, name, k.Text(&l.Config), l.Origin[k.Name])
			continue
		}
		fmt.Fprintf(&b, "%s%s: %s  # %s\n", indent, name, k.yaml(&l.Config), l.Origin[k.Name])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// yaml returns the value as a YAML scalar. A quoted Go string is a quoted YAML string for what can stand here.
func (k Key) yaml(c *Config) string {
	if v := reflect.ValueOf(c).Elem().FieldByIndex(k.index); v.Kind() == reflect.String {
		return strconv.Quote(v.String())
	}
	return k.Text(c)
}

// wrap breaks text into lines of at most width bytes where words allow it.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

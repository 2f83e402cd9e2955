package config

import (
	_ "embed"
	"encoding"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// settingsSource is the text of settings.go: the comments of its fields are the documentation of the keys.
//
//go:embed settings.go
var settingsSource string

// Key describes one setting.
type Key struct {
	// Name is the key in a file: "retry.slowDelay".
	Name string
	// Doc is what it does, in whole sentences.
	Doc string
	// Type is what a value looks like: "text", "list", "bool", "number", "ratio", "duration" or "bytes".
	Type string
	// GroupDoc says what the key's group is about; empty for keys without a group.
	GroupDoc string
	// Secret values are never printed.
	Secret bool
	// Live keys can be changed for the whole cluster while it runs.
	Live bool
	// Hidden keys are for tests and for those who work on Concord: they are in no help and no printed configuration.
	Hidden bool

	flag  string // instead of the one that follows from the name
	index []int  // of the field, for reflect
}

// Flag returns the key's flag without the dashes: "retry-slow-delay".
func (k Key) Flag() string {
	if k.flag != "" {
		return k.flag
	}
	return kebab(k.Name, '-')
}

// Env returns the key's environment variable: "CONCORD_RETRY_SLOW_DELAY".
func (k Key) Env() string { return envPrefix + strings.ToUpper(kebab(k.Name, '_')) }

// Group returns the part of the name before the dot, or "".
func (k Key) Group() string {
	group, _, found := strings.Cut(k.Name, ".")
	if !found {
		return ""
	}
	return group
}

// Short returns the first sentence of the documentation.
func (k Key) Short() string {
	short, _, found := strings.Cut(k.Doc, ". ")
	if found {
		return short
	}
	return strings.TrimSuffix(k.Doc, ".")
}

// Text returns the key's value in c as it would be written in a flag; secrets are counted instead.
func (k Key) Text(c *Config) string {
	v := reflect.ValueOf(c).Elem().FieldByIndex(k.index)
	if list, ok := v.Interface().([]string); ok {
		if k.Secret {
			return fmt.Sprintf("(%d, not shown)", len(list))
		}
		return strings.Join(list, ",")
	}
	if text := fmt.Sprint(v.Interface()); !k.Secret || text == "" {
		return text
	}
	return "(set, not shown)"
}

// kebab splits the words of a key name by sep, in lower case. A run of capitals is one word.
func kebab(name string, sep rune) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case r == '.':
			b.WriteRune(sep)
			continue
		case unicode.IsUpper(r) && i > 0 && unicode.IsLower(runes[i-1]):
			b.WriteRune(sep)
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// Keys lists all settings in the order of settings.go. It panics if settings.go is not what its own rules say, which
// a test excludes.
func Keys() []Key {
	docs := fieldDocs(settingsSource)
	var keys []Key
	var walk func(t reflect.Type, prefix, groupDoc string, index []int)
	walk = func(t reflect.Type, prefix, groupDoc string, index []int) {
		for i := range t.NumField() {
			f := t.Field(i)
			name := prefix + f.Tag.Get("koanf")
			at := append(append([]int(nil), index...), i)
			if f.Type.Kind() == reflect.Struct {
				walk(f.Type, name+".", docs[t.Name()+"."+f.Name], at)
				continue
			}
			keys = append(keys, Key{
				Name: name, Doc: docs[t.Name()+"."+f.Name], Type: typeName(f.Type),
				GroupDoc: groupDoc, Secret: f.Tag.Get("secret") == "true",
				Hidden: f.Tag.Get("hidden") == "true", Live: f.Tag.Get("live") == "true", flag: f.Tag.Get("flag"), index: at,
			})
		}
	}
	walk(reflect.TypeFor[Config](), "", "", nil)
	return keys
}

// fieldDocs returns the comments of all struct fields in a source file by "Type.Field".
func fieldDocs(source string) map[string]string {
	file, err := parser.ParseFile(token.NewFileSet(), "settings.go", source, parser.ParseComments)
	if err != nil {
		panic("config: embedded settings.go: " + err.Error())
	}
	docs := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if st, ok := spec.Type.(*ast.StructType); ok {
			for _, f := range st.Fields.List {
				docs[spec.Name.Name+"."+f.Names[0].Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
			}
		}
		return false
	})
	return docs
}

func typeName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case t == reflect.TypeFor[Bytes]():
		return "bytes"
	case t == reflect.TypeFor[Ratio]():
		return "ratio"
	case t.Kind() == reflect.Bool:
		return "bool"
	case t.Kind() == reflect.Int:
		return "number"
	case t.Kind() == reflect.Slice:
		return "list"
	case t.Kind() == reflect.String:
		return "text"
	}
	panic("config: a setting of type " + t.String())
}

// set gives the key a value that came from a file (any YAML value), the environment or a flag (text).
func (k Key) set(c *Config, value any) error {
	field := reflect.ValueOf(c).Elem().FieldByIndex(k.index)
	if list, ok := value.([]any); ok {
		if k.Type != "list" {
			return errors.New("write one value, not a list")
		}
		var texts []string
		for _, item := range list {
			texts = append(texts, fmt.Sprint(item))
		}
		field.Set(reflect.ValueOf(texts))
		return nil
	}
	return setText(field, strings.TrimSpace(fmt.Sprint(value)))
}

func setText(field reflect.Value, text string) error {
	if u, ok := field.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch p := field.Addr().Interface().(type) {
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return errors.New("write a time with its unit, as in 500ms, 30s or 24h")
		}
		*p = d
	case *bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return errors.New("write true or false")
		}
		*p = b
	case *int:
		n, err := strconv.Atoi(strings.ReplaceAll(text, "_", ""))
		if err != nil {
			return errors.New("write a whole number")
		}
		*p = n
	case *string:
		*p = text
	case *[]string:
		*p = nil
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				*p = append(*p, item)
			}
		}
	}
	return nil
}

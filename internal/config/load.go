package config

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// The environment.
const (
	envPrefix = "CONCORD_"
	// EnvServer names the server for the commands that talk to one; it is not a setting of the server itself.
	EnvServer = envPrefix + "SERVER"
	// EnvToken is the API key of those commands.
	EnvToken = envPrefix + "TOKEN"
	// EnvFile names the configuration file when no flag does.
	EnvFile = envPrefix + "CONFIG"
)

// Sources are where settings come from.
type Sources struct {
	// File is the path of a YAML file, or "".
	File string
	// Environ lists the environment as "NAME=value".
	Environ []string
	// Flags holds the flags that [AddFlags] defined, or is nil.
	Flags *pflag.FlagSet
}

// Loaded is a configuration and where it came from.
type Loaded struct {
	Config
	// Origin tells for each key whether its value is a "default", or which file, variable or flag set it.
	Origin map[string]string
}

// Load reads and checks the settings. All mistakes are reported at once.
func Load(src Sources) (*Loaded, error) {
	out, err := LoadUnchecked(src)
	if err == nil {
		err = errors.Join(out.check()...)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// LoadUnchecked reads the settings for commands that need only some of them, and does not check whether they fit
// together. What is no value of its kind is a mistake all the same.
func LoadUnchecked(src Sources) (*Loaded, error) {
	l := &loader{keys: Keys(), merged: koanf.New("."), origin: map[string]string{}}
	if src.File != "" {
		l.file(src.File)
	}
	l.environment(src.Environ)
	if src.Flags != nil {
		l.flags(src.Flags)
	}
	out := &Loaded{Config: Default(), Origin: l.origin}
	for _, k := range l.keys {
		if out.Origin[k.Name] == "" {
			out.Origin[k.Name] = "default"
			continue
		}
		if err := k.set(&out.Config, l.merged.Get(k.Name)); err != nil {
			given := fmt.Sprintf("%q", fmt.Sprint(l.merged.Get(k.Name)))
			if k.Secret {
				given = "the value"
			}
			l.fail("%s (%s): %s is no %s; %w", k.Name, out.Origin[k.Name], given, k.Type, err)
		}
	}
	if len(l.errs) > 0 {
		return nil, errors.Join(l.errs...)
	}
	return out, nil
}

// loader gathers the layers; later ones overrule earlier ones.
type loader struct {
	keys   []Key
	merged *koanf.Koanf
	origin map[string]string
	errs   []error
}

func (l *loader) fail(format string, args ...any) {
	l.errs = append(l.errs, fmt.Errorf(format, args...))
}

func (l *loader) file(path string) {
	if _, err := os.Stat(path); err != nil {
		l.fail("read the configuration: %w", err)
		return
	}
	layer := koanf.New(".")
	if err := layer.Load(file.Provider(path), yaml.Parser()); err != nil {
		l.fail("read the configuration file %s: it is not valid YAML: %w", path, err)
		return
	}
	for name, value := range layer.All() {
		if value == nil {
			continue // a key or group without a value says nothing
		}
		if group := l.group(name); group != "" {
			l.fail("%s in %s is a group of keys, as in %s: write the keys under it", name, path, group)
			continue
		}
		if !l.known(name) {
			l.fail("unknown key %s in %s%s", name, path, l.advice(name, func(k Key) string { return k.Name }))
			continue
		}
		l.set(name, value, "file "+path)
	}
}

// serviceLink matches the variables that Kubernetes sets in every container for a service named concord….
var serviceLink = regexp.MustCompile(`_SERVICE_(HOST|PORT)(_\w+)?$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$`)

func (l *loader) environment(environ []string) {
	byEnv := map[string]Key{}
	for _, k := range l.keys {
		byEnv[k.Env()] = k
	}
	layer := koanf.New("")
	err := layer.Load(env.Provider("", env.Opt{
		Prefix:      envPrefix,
		EnvironFunc: func() []string { return environ },
	}), nil)
	if err != nil {
		l.fail("read the environment: %w", err)
		return
	}
	for name, value := range layer.All() {
		k, found := byEnv[name]
		switch {
		case found:
			l.set(k.Name, value, "environment "+name)
		case name == EnvServer || name == EnvToken || name == EnvFile || serviceLink.MatchString(name):
		default:
			l.fail("unknown environment variable %s%s", name, l.advice(name, Key.Env))
		}
	}
}

func (l *loader) flags(fs *pflag.FlagSet) {
	for _, k := range l.keys {
		if f := fs.Lookup(k.Flag()); f != nil && f.Changed {
			l.set(k.Name, f.Value.String(), "flag --"+f.Name)
		}
	}
}

func (l *loader) set(name string, value any, origin string) {
	if err := l.merged.Load(confmap.Provider(map[string]any{name: value}, "."), nil); err != nil {
		l.fail("%s (%s): %w", name, origin, err)
		return
	}
	l.origin[name] = origin
}

func (l *loader) known(name string) bool {
	return slices.ContainsFunc(l.keys, func(k Key) bool { return k.Name == name })
}

// group returns the first key of the group of that name, or "".
func (l *loader) group(name string) string {
	for _, k := range l.keys {
		if k.Group() == name && name != "" {
			return k.Name
		}
	}
	return ""
}

// advice names what was probably meant.
func (l *loader) advice(got string, spell func(Key) string) string {
	if best := nearest(got, l.keys, spell); best != "" {
		return "; did you mean " + best + "?"
	}
	return "; `concord serve --print-config` lists all"
}

// NearestFlag returns the flag, without its dashes, whose name is most like the given one, or "" if none is.
func NearestFlag(name string) string { return nearest(name, Keys(), Key.Flag) }

// nearest returns the name that differs least from got, beyond the prefix that all variables share, if it is near
// enough to have been meant: at most a third of its letters, or two.
func nearest(got string, keys []Key, spell func(Key) string) string {
	got = strings.TrimPrefix(got, envPrefix)
	best, distance := "", max(len(got)/3, 2)+1
	for _, k := range keys {
		name := spell(k)
		plain := strings.TrimPrefix(name, envPrefix)
		if d := editDistance(strings.ToLower(got), strings.ToLower(plain)); d < distance {
			best, distance = name, d
		}
	}
	return best
}

// editDistance counts the letters to insert, delete or replace between a and b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

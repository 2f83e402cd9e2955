package config

import (
	"errors"
	"fmt"
	"slices"
)

// ErrNotLive says that a setting does not exist or cannot be changed at run time.
var ErrNotLive = errors.New("it cannot be changed at run time")

// Live lists the keys that can be changed for the whole cluster while it runs.
func Live() []Key {
	return slices.DeleteFunc(Keys(), func(k Key) bool { return !k.Live })
}

// With returns the settings with some of the live ones replaced, by key. Errors: [ErrNotLive]; otherwise what is wrong,
// which names the key.
func (c *Config) With(values map[string]string) (*Config, error) {
	changed := *c
	live := Live()
	for name, value := range values {
		i := slices.IndexFunc(live, func(k Key) bool { return k.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("%s: %w", name, ErrNotLive)
		}
		if err := live[i].set(&changed, value); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", name, value, err)
		}
	}
	origin := make(map[string]string, len(values))
	for name := range values {
		origin[name] = "the cluster's setting"
	}
	if errs := (&Loaded{Config: changed, Origin: origin}).check(); len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return &changed, nil
}

package config

import "github.com/spf13/pflag"

// AddFlags defines a flag for every key.
func AddFlags(fs *pflag.FlagSet) {
	defaults := Default()
	for _, k := range Keys() {
		text := k.Text(&defaults)
		if k.Secret {
			text = ""
		}
		f := fs.VarPF(&flagValue{text: text, kind: k.Type}, k.Flag(), "", k.Short())
		f.Hidden = k.Hidden
		if k.Type == "bool" {
			f.NoOptDefVal = "true"
		}
	}
}

// flagValue keeps the text of a flag. It is read by [Load], so that all mistakes are reported in one place and form.
type flagValue struct{ text, kind string }

// String returns the text.
func (v *flagValue) String() string { return v.text }

// Set keeps the text.
func (v *flagValue) Set(text string) error { v.text = text; return nil }

// Type returns what the help shows as the value.
func (v *flagValue) Type() string { return v.kind }

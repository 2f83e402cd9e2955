package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/concord-tx/concord/saga/definition"
	"github.com/concord-tx/concord/saga/explore"
	"github.com/concord-tx/concord/saga/machine"
)

// imported is a state machine of Seata that was read from a file.
type imported struct {
	verified
	// Form is "machine", or "designer" for the nodes and edges of the old designer.
	Form     string            `json:"form,omitempty"`
	States   int               `json:"states"`
	Services []machine.Service `json:"services"`
	Machines []string          `json:"machines,omitempty"` // that it calls

	source machine.Source
	at     int // among the files that are verified
}

func (a *app) sagaImport() *cobra.Command {
	var bindings, note, save string
	var publish bool
	cmd := &cobra.Command{
		Use:   "import FILE...",
		Short: "Read state machines of Seata, check them, and publish them",
		Long: `Read state machines in Seata's JSON, of either designer, check them, and run each of them through all that can
happen to its services. It shows what was understood, and which services are to be bound: Seata names them by their
classes and methods, and Concord has to know where they are. The bindings are a file in YAML:

  default: {call: {url: "http://orders:8080/{service}/{method}"}}
  bindings:
    bank.pay: {worker: pay, timeout: 10s}

Machines that call each other are looked for in the files that are given, and with --publish also at the server. Then
all are published, together with the bindings; "concord saga export" gives the machine back as it was, byte for byte.

A machine is not sound if a path ends at which something cannot be undone; the shortest is shown. That it can end with
status UN is a warning. With --counterexamples each of these paths is written into a file for "concord saga replay".

The exit code is 0 if all machines are sound, 1 if one is not, 2 if a file cannot be read.`,
		Example: `  concord saga import order.json
  concord saga import order.json --counterexamples bad/
  concord saga import order.json stock.json --bindings bindings.yaml --publish`,
		Args: atLeastOne("FILE"),
		RunE: func(cmd *cobra.Command, files []string) error {
			where, err := readBindings(bindings)
			if err != nil {
				return usageError{err}
			}
			all, err := importAll(files, cmd.InOrStdin(), where)
			if err != nil {
				return usageError{err}
			}
			elsewhere := noMachine
			if publish {
				elsewhere = func(name string) (*machine.Definition, error) { return a.publishedMachine(cmd.Context(), name) }
			}
			if err := checkMachines(all, publish || bindings != "", 0, elsewhere); err != nil {
				return usageError{err}
			}
			if save != "" {
				if err := saveCounterexamples(save, reports(all), a.stderr); err != nil {
					return usageError{err}
				}
			}
			return a.showImported(cmd.Context(), all, publish, note)
		},
	}
	cmd.Flags().StringVar(&bindings, "bindings", "", "file that says where the services are")
	cmd.Flags().BoolVar(&publish, "publish", false, "publish the machines if all are sound")
	cmd.Flags().StringVar(&note, "note", "", "what is new; it is kept with the version")
	cmd.Flags().StringVar(&save, "counterexamples", "", counterexamplesUsage)
	return cmd
}

// reports are what was found in each machine.
func reports(all []*imported) []verified {
	var out []verified
	for _, m := range all {
		out = append(out, m.verified)
	}
	return out
}

// readBindings reads the text of bindings, "" if no file is named.
func readBindings(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if _, err := machine.ParseBindings(text); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	return string(text), nil
}

// importAll reads machines.
func importAll(files []string, stdin io.Reader, bindings string) ([]*imported, error) {
	all := make([]*imported, len(files))
	for i, file := range files {
		text, err := readDefinition(file, stdin)
		if err != nil {
			return nil, err
		}
		if def, _ := definition.Parse(text); !machine.Recognise(text) && def != nil && len(def.Steps) > 0 {
			return nil, fmt.Errorf("%s is in Concord's own language; publish it with: concord saga publish %s", file, file)
		}
		source := machine.ParseSource(text)
		if bindings != "" {
			source.Bindings = bindings
		}
		all[i] = &imported{verified: verified{File: file, Findings: []definition.Finding{}, machine: true}, source: source}
	}
	return all, nil
}

// noMachine is where to look for machines that no file has, if there is no such place.
func noMachine(name string) (*machine.Definition, error) {
	return nil, fmt.Errorf("none of the files has the machine %s", name)
}

// publishedMachine reads the newest version of a machine from the server.
func (a *app) publishedMachine(ctx context.Context, name string) (*machine.Definition, error) {
	v, _, err := a.sagaVersion(ctx, name, 0)
	if err != nil {
		return nil, err
	}
	return machine.Parse(machine.ParseSource([]byte(v.Text)))
}

// machinesOf reads the machines of files, each of which may call the others, and says where they find each other: in
// these files, or else elsewhere. One that unread lets pass is nil.
func machinesOf(
	all []*imported, elsewhere machine.Resolve, unread func(m *imported, err error) error,
) ([]*machine.Definition, machine.Resolve, error) {
	known := map[string]*machine.Definition{}
	definitions := make([]*machine.Definition, len(all))
	for i, m := range all {
		d, err := machine.Parse(m.source)
		if err != nil {
			if err = unread(m, err); err != nil {
				return nil, nil, err
			}
			continue
		}
		if name := d.Machine.Name; name != "" && known[name] != nil {
			return nil, nil, fmt.Errorf("%s: another file has a machine %s, too", m.File, name)
		}
		known[d.Machine.Name], definitions[i] = d, d
	}
	return definitions, func(name string) (*machine.Definition, error) {
		if d := known[name]; d != nil {
			return d, nil
		}
		return elsewhere(name)
	}, nil
}

// checkMachines checks machines that were read, each of which may call the others. Unless they are to be bound, a
// service that nobody knows is worth a hint only.
func checkMachines(all []*imported, bind bool, states int, elsewhere machine.Resolve) error {
	definitions, resolve, err := machinesOf(all, elsewhere, func(*imported, error) error { return nil }) // it is checked
	if err != nil {
		return err
	}
	for i, d := range definitions {
		if d != nil {
			all[i].Saga = d.Machine.Name
			all[i].understand(d)
		}
	}
	for _, m := range all {
		from := time.Now()
		found := machine.Check(m.source, resolve,
			explore.Options{StatesMax: states, Stop: func() bool { return time.Since(from) > exploreWithin }})
		m.Findings = append(m.Findings, found.Findings...)
		m.Sound = found.Sound()
		if !bind {
			for i := range m.Findings {
				if f := &m.Findings[i]; f.Rule == machine.RuleUnbound {
					f.Severity = definition.SeverityHint
				}
			}
			m.Sound = found.Program != nil && !definition.Broken(m.Findings) && len(found.Report.Failures) == 0
		}
		if found.Report != nil {
			m.Explored = exploredOf(*found.Report)
			m.failures = slices.Concat(found.Report.Failures, found.Report.Unsure)
		}
	}
	return nil
}

// exploreWithin bounds the exploration of a machine. It is cut only if that has hundreds of states.
const exploreWithin = 20 * time.Second

// understand notes what a machine is made of.
func (m *imported) understand(d *machine.Definition) {
	m.Form, m.States, m.Services = "machine", len(d.Machine.States), d.Services()
	if d.Document.Designed {
		m.Form = "designer"
	}
	for _, s := range d.Machine.States {
		if name := s.StateMachineName; name != "" && !slices.Contains(m.Machines, name) {
			m.Machines = append(m.Machines, name)
		}
	}
}

// showImported prints what was understood and found, and publishes if that is wanted and all is sound.
func (a *app) showImported(ctx context.Context, all []*imported, publish bool, note string) error {
	sound := !slices.ContainsFunc(all, func(m *imported) bool { return !m.Sound })
	if a.output == "json" && (!publish || !sound) {
		if err := a.printValue(all); err != nil {
			return err
		}
	} else if a.output != "json" {
		for _, m := range all {
			m.draw(a.stdout)
		}
	}
	switch {
	case !sound:
		return errUnsound
	case !publish:
		return nil
	}
	return a.publishAll(ctx, inOrder(all), note)
}

// inOrder has machines behind those that they call.
func inOrder(all []*imported) []*publishing {
	var out []*publishing
	seen := map[string]bool{}
	var add func(m *imported)
	add = func(m *imported) {
		if seen[m.Saga] {
			return
		}
		seen[m.Saga] = true
		for _, sub := range m.Machines {
			for _, other := range all {
				if other.Saga == sub {
					add(other)
				}
			}
		}
		out = append(out, &publishing{
			file: m.File, text: []byte(m.source.Text()), name: m.Saga, subs: m.Machines, shown: m.Findings,
		})
	}
	for _, m := range all {
		add(m)
	}
	return out
}

// draw shows a machine to people.
func (m *imported) draw(to io.Writer) {
	if m.Form != "" {
		form := "a state machine"
		if m.Form == "designer" {
			form = "a state machine of the old designer"
		}
		_, _ = fmt.Fprintf(to, "%s: %s is %s with %d states\n", m.File, m.Saga, form, m.States)
		w := tabwriter.NewWriter(to, 0, 4, 2, ' ', 0)
		for i, s := range m.Services {
			if i == 0 {
				_, _ = fmt.Fprintln(w, "    SERVICE\tCALLED BY\tWHERE")
			}
			where := s.Target
			if where == "" {
				where = "to be bound"
			}
			_, _ = fmt.Fprintf(w, "    %s\t%s\t%s\n", s.Name, strings.Join(s.States, ", "), where)
		}
		_ = w.Flush()
		if len(m.Machines) > 0 {
			_, _ = fmt.Fprintf(to, "    calls the machines %s\n", strings.Join(m.Machines, ", "))
		}
	}
	m.verified.draw(to)
}

func (a *app) sagaExport() *cobra.Command {
	var to, bindings, from string
	var standard bool
	cmd := &cobra.Command{
		Use:   "export NAME[@VERSION]",
		Short: "Give a state machine of Seata back as it was imported",
		Long: `Print a state machine that was imported, byte for byte as it was. With --standard it is written as a machine
with indentation, which is how one of the old designer becomes what other tools read.`,
		Example: `  concord saga export order@2 --to order.json --bindings bindings.yaml
  concord saga export --from order-designer.json --standard --to order.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			source, err := a.exported(cmd, args, from)
			if err != nil {
				return err
			}
			text := []byte(source.Machine)
			if standard {
				d, err := machine.Parse(source)
				if err != nil {
					return err
				}
				text = d.Document.Standard()
			}
			if bindings != "" {
				if err := os.WriteFile(bindings, []byte(source.Bindings), 0o644); err != nil {
					return err
				}
			}
			if to != "" {
				return os.WriteFile(to, text, 0o644)
			}
			_, err = a.stdout.Write(text)
			return err
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "file to write; otherwise it is printed")
	cmd.Flags().StringVar(&bindings, "bindings", "", "file to write the bindings to")
	cmd.Flags().StringVar(&from, "from", "", "file to read instead of the server")
	cmd.Flags().BoolVar(&standard, "standard", false, "write it anew, as a machine with indentation")
	return cmd
}

// exported is the source of what is exported.
func (a *app) exported(cmd *cobra.Command, args []string, from string) (machine.Source, error) {
	switch {
	case (len(args) == 0) == (from == ""):
		return machine.Source{}, usageError{errors.New("name a saga, or a file by --from")}
	case from != "":
		text, err := readDefinition(from, cmd.InOrStdin())
		if err != nil {
			return machine.Source{}, usageError{err}
		}
		return machine.ParseSource(text), nil
	}
	name, version, err := sagaVersionOf(args[0])
	if err != nil {
		return machine.Source{}, err
	}
	v, _, err := a.sagaVersion(cmd.Context(), name, version)
	if err != nil {
		return machine.Source{}, err
	}
	if !machine.Recognise([]byte(v.Text)) {
		return machine.Source{}, fmt.Errorf("%s is no state machine of Seata; \"concord saga show %s --text\" prints it",
			args[0], args[0])
	}
	return machine.ParseSource([]byte(v.Text)), nil
}

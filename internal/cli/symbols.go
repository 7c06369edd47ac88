package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ktrap"
	"ktrap/symbols"
)

const symbolsLong = `List the symbols of the running kernel and its modules, or of a kernel image.

PATTERN is a name, a glob as in 'vfs_*', with --regexp a regular expression, or
an address such as 0xffffffff81a0b0c0: it tells the symbol that it lies in. A
name that several symbols have is listed as often. Without PATTERN all are
listed, in the order of /proc/kallsyms.

The running kernel shows its addresses to root only. Others get those of its
image, where that can be read: they are link addresses, those of the running
kernel are higher by what KASLR added. --image needs no rights and no kernel
like it; what it found is kept in the cache folder, so that the next time takes
milliseconds.

It prints address, size in bytes, nm's letter for the type (t T text, d D data,
b B bss, r R read-only, w W weak, a A absolute), the section if it is known, and
the name. The exit code is 1 if a PATTERN matches nothing.`

const symbolsExamples = `  sudo ktrap symbols 'vfs_*'
  ktrap symbols --image /boot/vmlinuz-6.12.0 --type tT tcp_sendmsg
  sudo ktrap symbols 0xffffffff81a0b0c8
  sudo ktrap symbols --probeable 'tcp_v4_*'
  sudo ktrap symbols -m ext4 --regexp '_sync(_|$)'
  ktrap symbols --image vmlinuz --raw | diff - System.map`

// listing is one run of "ktrap symbols".
type listing struct {
	image, module, types, output string
	regexp, json, raw, probeable bool
}

func newSymbols() *cobra.Command {
	var l listing
	cmd := &cobra.Command{
		Use:     "symbols [flags] [PATTERN...]",
		Short:   "List a kernel's symbols, or say what an address lies in",
		Long:    symbolsLong,
		Example: symbolsExamples,
		RunE: func(cmd *cobra.Command, patterns []string) error {
			if l.json && l.raw {
				return usagef("--json and --raw are two forms: choose one")
			}
			return l.run(cmd.Context(), patterns, Streams{Out: cmd.OutOrStdout(), Err: cmd.ErrOrStderr()})
		},
	}
	f := cmd.Flags()
	f.StringVar(&l.image, "image", "", "the symbols of the kernel image `FILE`")
	f.StringVarP(&l.module, "module", "m", "", "only those of the module `NAME`")
	f.StringVar(&l.types, "type", "", "only those of these types, as `LETTERS`: tT is code")
	f.BoolVar(&l.probeable, "probeable", false, "only functions whose entry can be probed")
	f.BoolVar(&l.regexp, "regexp", false, "PATTERN is a regular expression")
	f.BoolVar(&l.json, "json", false, "one JSON object a line")
	f.BoolVar(&l.raw, "raw", false, "the form of /proc/kallsyms")
	f.StringVarP(&l.output, "output", "o", "", "write to `FILE`")
	return cmd
}

func (l *listing) run(ctx context.Context, patterns []string, io Streams) error {
	wanted, err := l.parse(patterns)
	if err != nil {
		return err
	}
	k, err := openKernel(l.image, io.Err)
	if err != nil {
		return err
	}
	return errors.Join(l.list(ctx, k, wanted, io), k.Close())
}

// pattern is what one argument asks for.
type pattern struct {
	text   string
	isAddr bool
	addr   uint64
	match  *regexp.Regexp // if it is a regular expression
}

// parse finds the mistakes that need no kernel to be found.
func (l *listing) parse(patterns []string) ([]pattern, error) {
	var all []pattern
	for _, text := range patterns {
		p := pattern{text: text}
		var err error
		switch {
		case text == "":
			err = errors.New("it is empty")
		case strings.HasPrefix(text, "0x"):
			p.isAddr = true
			if p.addr, err = strconv.ParseUint(text[2:], 16, 64); err != nil {
				err = errors.New("not the hexadecimal digits of an address")
			}
		case l.regexp:
			p.match, err = regexp.Compile(text)
		default:
			_, err = path.Match(text, "")
		}
		if err != nil {
			return nil, usagef("pattern %q: %w", text, err)
		}
		all = append(all, p)
	}
	return all, nil
}

// list prints what each pattern finds; that one finds nothing keeps the others
// from nothing.
func (l *listing) list(ctx context.Context, kernel *ktrap.Kernel, wanted []pattern, out Streams) error {
	k := kernel.Symbols()
	var misses []error
	err := writeFile(ctx, l.output, out.Out, func(w io.Writer) error {
		p := newSymbolPrinter(w, l, kernel)
		if len(wanted) == 0 {
			return p.everything(k)
		}
		for _, want := range wanted {
			err := p.find(k, want)
			var none missed
			var missing *symbols.NotFoundError
			switch {
			case errors.As(err, &none), errors.As(err, &missing):
				misses = append(misses, err)
			case err != nil:
				return err
			}
		}
		if p.printed == 0 {
			return errNothing // so that a file stays as it is
		}
		return nil
	})
	if err != errNothing {
		misses = append(misses, err)
	}
	return errors.Join(misses...)
}

var errNothing = errors.New("nothing was found")

// missed says that a pattern finds nothing, where that is an answer.
type missed struct{ error }

// limits says in words what a symbol had to be beside its name.
func (l *listing) limits() (text string) {
	if l.types != "" {
		text += " and is of type " + strings.Join(strings.Split(l.types, ""), " or ")
	}
	if l.probeable {
		text += " and can be probed"
	}
	if l.module != "" {
		text += " and is of module " + l.module
	}
	return text
}

// symbolPrinter prints symbols as its listing wants them.
type symbolPrinter struct {
	*listing
	w       io.Writer
	kernel  *ktrap.Kernel
	image   *symbols.Image // nil for the running kernel
	json    *json.Encoder
	line    []byte
	printed int
}

func newSymbolPrinter(w io.Writer, l *listing, k *ktrap.Kernel) *symbolPrinter {
	image, _ := k.Symbols().(*symbols.Image)
	return &symbolPrinter{listing: l, w: w, kernel: k, image: image, json: json.NewEncoder(w)}
}

func (p *symbolPrinter) find(k symbols.Kernel, want pattern) (err error) {
	before := p.printed
	switch {
	case want.isAddr:
		return p.address(k, want.addr)
	case want.match != nil:
		err = p.all(k, want.match.MatchString)
	case strings.ContainsAny(want.text, `*?[\`):
		err = p.some(k.Glob(p.module, want.text))
	default:
		err = p.some(k.Lookup(p.module, want.text))
	}
	if err == nil && p.printed == before {
		return missed{fmt.Errorf("no symbol of %s matches %s%s", p.kernelName(), want.text, p.limits())}
	}
	return err
}

func (p *symbolPrinter) everything(k symbols.Kernel) error {
	err := p.all(k, func(string) bool { return true })
	if err == nil && p.printed == 0 {
		return fmt.Errorf("no symbol of %s%s", p.kernelName(), strings.Replace(p.limits(), " and ", " that ", 1))
	}
	return err
}

func (p *symbolPrinter) some(found []symbols.Symbol, err error) error {
	for _, s := range found {
		if err := p.symbol(s); err != nil {
			return err
		}
	}
	return err
}

// all prints the symbols whose names match, in the order of /proc/kallsyms.
func (p *symbolPrinter) all(k symbols.Kernel, match func(string) bool) error {
	for s, err := range k.All() {
		if err != nil {
			return err
		}
		if (p.module == "" || s.Module == p.module) && match(s.Name) {
			if err := p.symbol(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// symbolJSON is a symbol, or what is at an address, as one object.
type symbolJSON struct {
	Addr    ktrap.Address `json:"addr"`
	Size    uint64        `json:"size,omitempty"`
	Type    string        `json:"type"`
	Name    string        `json:"name"`
	Module  string        `json:"module,omitempty"`
	Section string        `json:"section,omitempty"`
}

func (p *symbolPrinter) symbol(s symbols.Symbol) error {
	if p.types != "" && strings.IndexByte(p.types, s.Type) < 0 {
		return nil
	}
	if p.probeable && !p.kernel.Probeable(s) {
		return nil
	}
	p.printed++
	if p.listing.json {
		return p.json.Encode(p.object(s))
	}
	p.line = p.line[:0]
	if p.raw {
		p.line = fmt.Appendf(p.line, "%016x %c %s", s.Addr, s.Type, s.Name)
	} else {
		p.line = fmt.Appendf(p.line, "%#016x %7d %c ", s.Addr, s.Size, s.Type)
		if p.image != nil {
			p.line = fmt.Appendf(p.line, "%-12s ", cmp.Or(p.image.SectionAt(s.Addr), "-"))
		}
		p.line = append(p.line, s.Name...)
	}
	if s.Module != "" {
		p.line = fmt.Appendf(p.line, "\t[%s]", s.Module)
	}
	_, err := p.w.Write(append(p.line, '\n'))
	return err
}

func (p *symbolPrinter) object(s symbols.Symbol) symbolJSON {
	o := symbolJSON{Addr: ktrap.Address(s.Addr), Size: s.Size, Type: string(s.Type), Name: s.Name, Module: s.Module}
	if p.image != nil {
		o.Section = p.image.SectionAt(s.Addr)
	}
	return o
}

package front

import (
	"go/token"
	"go/types"
	"strings"

	"ktrap/internal/btf"
	"ktrap/internal/btfgo"
	"ktrap/kt"
)

// A Parameter is one that a handler may take, as its source has to spell it.
type Parameter struct{ Name, Type string }

// Parameters are those of the function at a place, or what it returns, called
// retval; none where its types are not known. What no handler can be given is left
// out.
func Parameters(env Env, at string, returned bool) []Parameter {
	f := File{Env: env}
	fn := f.function(at)
	if fn == 0 {
		return nil
	}
	proto, err := env.BTF.Proto(fn)
	if err != nil {
		return nil
	}
	kernel := btfgo.New(env.BTF, types.NewPackage("trap", "trap"), nil)
	if returned {
		return spelled(nil, kernel, "retval", proto.Return)
	}
	var list []Parameter
	for _, p := range proto.Params {
		name := p.Name
		if token.IsKeyword(name) {
			name = "_" + name
		}
		list = spelled(list, kernel, name, p.Type)
	}
	return list
}

func spelled(list []Parameter, kernel *btfgo.Types, name string, id btf.ID) []Parameter {
	t, ok := kernel.Type(id)
	if !ok {
		return list
	}
	if _, isScalar := t.Underlying().(*types.Basic); !isScalar {
		if _, isPointer := t.(*types.Pointer); !isPointer {
			return list
		}
	}
	text := types.TypeString(t, func(*types.Package) string { return "" })
	plain := strings.TrimLeft(text, "*")
	if strings.Contains(kt.Words, "\ntype "+plain+" ") || token.IsKeyword(plain) {
		text = strings.TrimSuffix(text, plain) + "struct_" + plain
	}
	return append(list, Parameter{name, text})
}

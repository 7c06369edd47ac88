package build

import (
	"go/ast"
	"go/token"
	"go/types"
)

// A history is what happens to a variable of a function.
type history struct {
	first   ast.Expr // what it is declared with; nil for zero
	changes int      // where it is assigned later
}

// history is v's; nil for one that is not declared by itself: a parameter, one of
// several results, of a range.
func (s *Shared) history(v types.Object) *history {
	if s.past == nil {
		s.past = map[types.Object]*history{}
		ast.Inspect(s.Syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				s.assignments(n)
			case *ast.ValueSpec:
				s.declarations(n)
			case *ast.IncDecStmt:
				s.change(n.X)
			case *ast.RangeStmt:
				s.change(n.Key)
				s.change(n.Value)
			}
			return true
		})
	}
	return s.past[v]
}

func (s *Shared) assignments(n *ast.AssignStmt) {
	for i, lhs := range n.Lhs {
		id, ok := lhs.(*ast.Ident)
		if ok && n.Tok == token.DEFINE && len(n.Lhs) == len(n.Rhs) && s.Info.Defs[id] != nil {
			s.past[s.Info.Defs[id]] = &history{first: n.Rhs[i]}
		} else {
			s.change(lhs)
		}
	}
}

func (s *Shared) declarations(n *ast.ValueSpec) {
	for i, id := range n.Names {
		switch {
		case len(n.Values) == 0:
			s.past[s.Info.Defs[id]] = &history{}
		case len(n.Values) == len(n.Names):
			s.past[s.Info.Defs[id]] = &history{first: n.Values[i]}
		}
	}
}

func (s *Shared) change(e ast.Expr) {
	if id, ok := ast.Unparen(e).(*ast.Ident); ok {
		if h := s.past[s.Info.ObjectOf(id)]; h != nil {
			h.changes++
		}
	}
}

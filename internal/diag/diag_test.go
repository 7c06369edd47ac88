package diag

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func at(line, column int) token.Position {
	return token.Position{Filename: "busy.go", Line: line, Column: column}
}

func TestAMistakeIsOneLine(t *testing.T) {
	for _, tt := range []struct {
		err  Error
		want string
	}{
		{Error{UnknownField, at(12, 15), at(12, 26), "sock has no field sk_sndbuff", "did you mean sk_sndbuf?"},
			"busy.go:12:15: sock has no field sk_sndbuff (did you mean sk_sndbuf?) [unknown-field]"},
		{Error{Code: Float, Pos: at(3, 1), Msg: "no floats"}, "busy.go:3:1: no floats [float]"},
		{Error{Code: NoHandler, Pos: token.Position{Filename: "busy.go"}, Msg: "no handler"}, "busy.go: no handler [no-handler]"},
		{Error{Code: VerifierLoop, Msg: "a loop"}, "a loop [verifier-loop]"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

func TestASnippetPointsAtTheGuiltyWords(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, tt := range []struct {
		name, source string
		pos, end     token.Position
		want         string
	}{
		{"in the middle", "a := b + c", at(1, 6), at(1, 7),
			"    1 | a := b + c\n      |      ^"},
		{"behind tabs", "\n\t\tx.y\n", at(2, 5), at(2, 6),
			"    2 |         x.y\n      |           ^"},
		{"behind wide letters", "日本 := 1 + bad", at(1, 15), at(1, 18),
			"    1 | 日本 := 1 + bad\n      |             ^^^"},
		{"behind combining marks", "e\u0301 := bad", at(1, 8), at(1, 11),
			"    1 | e\u0301 := bad\n      |      ^^^"},
		{"over several lines", "f(a,\n  b)", at(1, 3), at(2, 5),
			"    1 | f(a,\n      |   ^^"},
		{"at the end of a line", "x :=\r\ny", at(1, 5), token.Position{},
			"    1 | x :=\n      |     ^"},
		{"beyond a line's end", "x", at(1, 9), at(1, 12),
			"    1 | x\n      |  ^"},
		{"without harming the terminal", "x\x1b[2Jy\u202e", at(1, 6), at(1, 7),
			"    1 | x·[2Jy·\n      |      ^"},
		{"in a long line", long + "bad" + long, at(1, 301), at(1, 304),
			"    1 | …" + long[:50] + "bad" + long[:47] + "…\n      | " + strings.Repeat(" ", 51) + "^^^"},
		{"longer than what is shown", long, at(1, 1), at(1, 301),
			"    1 | " + long[:100] + "…\n      | " + strings.Repeat("^", 100)},
		{"in a line that is not there", "x", at(2, 1), token.Position{}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := Error{Code: Type, Pos: tt.pos, End: tt.end, Msg: "wrong"}
			got := strings.TrimPrefix(strings.TrimPrefix(err.Render([]byte(tt.source)), err.Error()), "\n")
			if got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestAListIsSortedAndSaysNothingTwice(t *testing.T) {
	var l List
	for _, e := range []Error{
		{Code: Type, Pos: at(9, 1), Msg: "third"}, {Code: Type, Pos: at(2, 7), Msg: "second"},
		{Code: Type, Pos: at(2, 3), Msg: "first"}, {Code: Type, Pos: at(2, 7), Msg: "second"},
	} {
		l.Add(&e)
	}
	err := l.Err()
	want := "busy.go:2:3: first [type]\nbusy.go:2:7: second [type]\nbusy.go:9:1: third [type]"
	if err.Error() != want {
		t.Errorf("got\n%s\nwant\n%s", err, want)
	}
	var one *Error
	if !errors.As(err, &one) || one.Msg != "first" {
		t.Errorf("errors.As found %v, want the first mistake", one)
	}
}

func TestAnEmptyListIsNoError(t *testing.T) {
	if err := (List{}).Err(); err != nil {
		t.Errorf("got %v, want nil", err)
	}
}

func TestALongListNamesTheFirstTen(t *testing.T) {
	var l List
	for i := range 13 {
		l.Add(&Error{Code: Type, Pos: at(i+1, 1), Msg: "wrong"})
	}
	if got := l.Error(); strings.Count(got, "wrong") != 10 || !strings.HasSuffix(got, "\nand 3 more") {
		t.Errorf("got\n%s\nwant ten mistakes and 3 more", got)
	}
}

func TestAHintNamesTheNearestWords(t *testing.T) {
	names := []string{"sk_sndbuf", "sk_rcvbuf", "sk_family", "pid", "tid", "file", "filename"}
	for _, tt := range []struct{ word, want string }{
		{"sk_sndbuff", "did you mean sk_sndbuf?"},
		{"sk_snbduf", "did you mean sk_sndbuf?"},
		{"SK_FAMILY", "did you mean sk_family?"},
		{"fil", "did you mean file?"},
		{"id", "did you mean pid or tid?"},
		{"nothing_alike", ""},
		{"", ""},
	} {
		if got := DidYouMean(tt.word, names); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.word, got, tt.want)
		}
	}
}

// The constants are read from the source: a code without a sentence would be
// missing from the documentation.
func TestEveryCodeHasASentence(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "code.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	spelled := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		lit, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			return true
		}
		found++
		word, _ := strconv.Unquote(lit.Value)
		if !spelled.MatchString(word) || !strings.HasSuffix(Code(word).Explain(), ".") {
			t.Errorf("code %q: want lower-case words and a sentence, got %q", word, Code(word).Explain())
		}
		return true
	})
	listed := 0
	for range Codes() {
		listed++
	}
	if found == 0 || found != listed {
		t.Errorf("%d codes are declared, %d have a sentence", found, listed)
	}
}

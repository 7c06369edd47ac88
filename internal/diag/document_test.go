package diag

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestTheDocumentHasEveryCode(t *testing.T) {
	const name = "../../docs/HANDLERS.md"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for code, sentence := range Codes() {
		row := fmt.Sprintf("| `%s` | %s |\n", code, sentence)
		if !strings.Contains(string(text), row) {
			t.Errorf("%s has no row %s", name, row)
		}
	}
}

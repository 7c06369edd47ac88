//go:build !live

package main_test

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"ktrap/internal/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"ktrap": func() { os.Exit(cli.Main(os.Args[1:], cli.Std())) },
	})
}

// The scripts need no kernel with kprobes and no rights.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script"})
}

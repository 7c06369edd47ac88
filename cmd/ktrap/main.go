// Command ktrap breaks into a running Linux kernel, shows what it finds, and
// leaves no trace.
package main

import (
	"os"

	"ktrap/internal/cli"
	"ktrap/lab"
)

func main() {
	lab.Init()
	os.Exit(cli.Main(os.Args[1:], cli.Std()))
}

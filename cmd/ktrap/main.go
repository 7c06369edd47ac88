// Command ktrap breaks into a running Linux kernel, shows what it finds, and
// leaves no trace.
package main

import (
	"os"

	"ktrap/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], cli.Std()))
}

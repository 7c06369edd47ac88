package main

// peer is a tool and how it is called. Ktrap comes first among its peers.
type peer struct {
	name string
	args []string
}

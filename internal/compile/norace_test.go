//go:build !race

package compile_test

const underRace = false

// Command native runs handler files as the Go programs that they also are. The
// test puts the files beside this one, and for each an init that adds it to list.
package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
)

type program struct {
	number     uint64
	vars, maps []any // pointers
	handler    func()
}

var list []program

// A run is a program's variables before and after it, and its maps after it.
type run struct {
	Program uint64
	In, Out []string
	Maps    [][]string
}

func main() {
	seed, _ := strconv.ParseUint(os.Args[1], 10, 64)
	runs, _ := strconv.Atoi(os.Args[2])
	out := json.NewEncoder(os.Stdout)
	for _, p := range list {
		for n := range runs {
			out.Encode(p.run(rand.New(rand.NewPCG(seed, p.number<<8|uint64(n)))))
		}
	}
}

func (p program) run(rng *rand.Rand) run {
	for _, v := range p.vars {
		fill(rng, reflect.ValueOf(v).Elem())
	}
	for _, m := range p.maps {
		v := reflect.ValueOf(m).Elem()
		v.Set(reflect.MakeMap(v.Type()))
	}
	r := run{Program: p.number, In: flatAll(p.vars)}
	p.call()
	r.Out = flatAll(p.vars)
	for _, m := range p.maps {
		r.Maps = append(r.Maps, flatMap(reflect.ValueOf(m).Elem()))
	}
	return r
}

// call runs the handler. An index outside an array ends it, as it does a handler.
func (p program) call() {
	defer func() {
		if r := recover(); r != nil && !outside(r) {
			panic(r)
		}
	}()
	p.handler()
}

func outside(r any) bool {
	err, ok := r.(interface{ RuntimeError() })
	return ok && err != nil
}

var texts = []string{"", "a", "ab", "abcdefg", "abcdefgh", "abcdefghi", "abcdefghijklmno", "\xff\x7f"}

func fill(rng *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(rng.IntN(2) == 0)
	case reflect.String:
		v.SetString(texts[rng.IntN(len(texts))])
	case reflect.Array:
		for i := range v.Len() {
			fill(rng, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(rng, settable(v.Field(i)))
		}
	default:
		bits := word(rng)
		if v.CanInt() {
			v.SetInt(int64(bits) << (64 - v.Type().Bits()) >> (64 - v.Type().Bits()))
		} else {
			v.SetUint(bits << (64 - v.Type().Bits()) >> (64 - v.Type().Bits()))
		}
	}
}

// settable is a field of a lower-case name, open to reflection.
func settable(v reflect.Value) reflect.Value {
	return reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Elem()
}

// word prefers small numbers and the edges of types.
func word(rng *rand.Rand) uint64 {
	switch rng.IntN(3) {
	case 0:
		return uint64(rng.IntN(21)) - 10
	case 1:
		return 1<<rng.IntN(64) + uint64(rng.IntN(3)) - 1
	}
	return rng.Uint64() >> rng.IntN(64)
}

func flatAll(vars []any) (all []string) {
	for _, v := range vars {
		all = flat(all, reflect.ValueOf(v).Elem())
	}
	return all
}

func flat(all []string, v reflect.Value) []string {
	switch v.Kind() {
	case reflect.Array:
		for i := range v.Len() {
			all = flat(all, v.Index(i))
		}
		return all
	case reflect.Struct:
		for i := range v.NumField() {
			all = flat(all, v.Field(i))
		}
		return all
	case reflect.String:
		return append(all, strconv.Quote(v.String()))
	case reflect.Bool:
		if v.Bool() {
			return append(all, "1")
		}
		return append(all, "0")
	}
	if v.CanInt() {
		return append(all, strconv.FormatInt(v.Int(), 10))
	}
	return append(all, strconv.FormatUint(v.Uint(), 10))
}

func flatMap(m reflect.Value) []string {
	all := []string{}
	for it := m.MapRange(); it.Next(); {
		all = append(all, fmt.Sprint(flat(nil, it.Key()), flat(nil, it.Value())))
	}
	slices.Sort(all)
	return all
}

type number interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~int | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uint | ~uintptr
}

// quo and rem are division as a handler has it: by zero it gives zero, and
// leaves all.
func quo[T number](x, y T) T {
	if y == 0 {
		return 0
	}
	return x / y
}

func rem[T number](x, y T) T {
	if y == 0 {
		return x
	}
	return x % y
}

// Who opens what: how often each program opens each file by that name.
package handlers

type opening struct {
	by   string
	file string
}

var opened map[opening]uint64

//ktrap:pre do_sys_openat2
func opens(filename *int8) { opened[opening{comm(), str(user(filename), 40)}]++ }

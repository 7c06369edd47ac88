package trap

//ktrap:pre // want directive at 1
func read() {
	emit(1)
}

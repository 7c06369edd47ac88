package trap

func pre() {
	var a [33]uint8
	for _, v := range a { // want loop-bound at 20
		emit(v)
	}
}

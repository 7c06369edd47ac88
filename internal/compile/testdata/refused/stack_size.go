package trap

func pre() {
	var a [600]uint8 // want stack-size at 6
	emit(a[0])
}

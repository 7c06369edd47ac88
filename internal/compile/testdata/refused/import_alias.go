package trap

import f "fmt" // want import at 8

//ktrap:pre vfs_read
func read() {
	f.Println(1)
}

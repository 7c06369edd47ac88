package trap

import "fmt" // want import at 8

//ktrap:pre vfs_read
func read() {
	fmt.Println(1)
}

package compile_test
import ("testing";"fmt")
func TestZZGen(t *testing.T){ fmt.Println(asHandler.Replace(randomFile(1,3))) }
